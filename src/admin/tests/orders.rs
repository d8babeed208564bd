//! `POST /session/…`: who is heard, what is understood, and how it is answered.

use std::{
    io::{self, Write},
    sync::Mutex,
};

use super::*;
use crate::auth::{Declined, Order};

impl Running {
    async fn order(&mut self, target: &str, body: &str, outcome: Result<(), Declined>) -> (Order, String) {
        self.obey(&post(target, "", body), outcome).await
    }

    /// Sends an order and answers it as the renewer would. Returns what it was taken for, and what came back.
    async fn obey(&mut self, request: &str, outcome: Result<(), Declined>) -> (Order, String) {
        let address = self.address;
        let renewer = async {
            let request = self.orders.next().await;
            let order = request.order;
            request.answer(outcome);
            order
        };
        tokio::join!(renewer, exchange(address, request))
    }

    /// Sends what must not become an order, and returns the answer.
    async fn refused(&mut self, request: &str) -> String {
        let address = self.address;
        tokio::select! {
            biased;
            order = self.orders.next() => panic!("{request} became {order:?}"),
            answer = exchange(address, request) => answer,
        }
    }
}

/// `fields` are whole lines.
fn post(target: &str, fields: &str, body: &str) -> String {
    let framing = match body.len() {
        0 => String::new(),
        length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
    };
    format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}{framing}\r\n{body}")
}

async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status_of(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap()
}

#[tokio::test]
async fn an_order_is_given_once_and_answered_with_the_session_as_it_stands_then() {
    let mut running = running();
    let until = running.clock.now() + SignedDuration::from_hours(2);
    let end = format!("{{\"until\":\"{until}\"}}");
    running.publisher.report(status(&running.clock, State::Paused));
    for (target, body, expected) in [
        ("/session/renew", "", Order::Renew),
        ("/session/acquire", "{}", Order::Acquire),
        ("/session/pause", "", Order::Pause { until: None }),
        ("/session/pause", end.as_str(), Order::Pause { until: Some(until) }),
        ("/session/resume", "", Order::Resume),
    ] {
        let (order, answer) = running.order(target, body, Ok(())).await;
        assert_eq!(order, expected, "{target} {body}");
        assert_eq!(status_of(&answer), "200", "{answer}");
        let (mut answered, looked) = (json(&answer), json(&running.get("/status").await));
        answered["as_of"] = looked["session"]["as_of"].clone();
        assert_eq!(answered, looked["session"]);
    }
    let before = running.clock.now();
    for target in ["/session/pause?for=30m", "/session/resume?in=30m"] {
        let (order, _) = running.order(target, "", Ok(())).await;
        let Order::Pause { until: Some(until) } = order else { panic!("{order:?}") };
        let late = until.duration_since(before).as_secs() - 30 * 60;
        assert!((0..30).contains(&late), "{late} s late");
    }
}

#[tokio::test]
async fn why_an_order_was_not_carried_out_is_said_with_what_to_do() {
    let mut running = running();
    let at = running.clock.now() + SignedDuration::from_secs(600);
    for (declined, status, code) in [
        (Declined::Paused, "409", "session-paused"),
        (Declined::NoToken, "409", "nothing-to-renew"),
        (Declined::NotBefore { at, reason: "the budget is spent" }, "429", "not-before"),
        (Declined::Failed { result: "unreachable" }, "502", "attempt-failed"),
        (Declined::Stopping, "503", "stopping"),
    ] {
        let (_, answer) = running.order("/session/renew", "", Err(declined.clone())).await;
        assert_eq!(status_of(&answer), status, "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
        let problem = json(&answer);
        assert_eq!(problem["type"], format!("urn:tradovate-proxy:problem:{code}"));
        assert_eq!(problem["status"].to_string(), status);
        for text in ["title", "detail", "help"] {
            assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text} in {problem}");
        }
        let wait = answer.split_once("retry-after: ").map(|(_, rest)| rest.lines().next().unwrap());
        assert_eq!(wait.is_some(), status == "429", "{answer}");
        assert!(wait.is_none_or(|wait| (590..=601).contains(&wait.parse::<u64>().unwrap())), "{wait:?}");
    }
}

#[tokio::test]
async fn an_order_is_a_post_and_nothing_else() {
    let mut running = running();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request = post("/session/renew", "", "").replace("POST", method);
        let answer = running.refused(&request).await;
        assert_eq!(status_of(&answer), "405", "{answer}");
        assert!(answer.contains("allow: POST\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_is_json_small_and_understood() {
    let mut running = running();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""] {
        let request = post("/session/pause", "", "{}").replace("application/json", kind);
        assert_eq!(status_of(&running.refused(&request).await), "415", "{kind:?}");
    }
    let untyped = post("/session/pause", "", "{}").replace("Content-Type: application/json\r\n", "");
    assert_eq!(status_of(&running.refused(&untyped).await), "415");
    let large = format!("{{\"for\":\"{}\"}}", "3".repeat(5000));
    assert_eq!(status_of(&running.refused(&post("/session/pause", "", &large)).await), "413");
    let chunked = "POST /session/pause HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                   Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(status_of(&running.refused(chunked).await), "400");

    for (target, body) in [
        ("/session/pause", r#"{"minutes":"30"}"#),
        ("/session/pause?minutes=30", ""),
        ("/session/pause", r#"{"for":"later"}"#),
        ("/session/pause?until=2001-01-01T00:00:00Z", ""),
    ] {
        let answer = running.refused(&post(target, "", body)).await;
        assert_eq!(status_of(&answer), "400", "{answer}");
        let help = json(&answer)["help"].as_str().unwrap().to_owned();
        assert!(help.contains("for=30m") && help.contains("until=2026"), "{help}");
    }
    // Live or not known, but not paused: it would be a pause.
    let answer = running.refused(&post("/session/resume?in=30m", "", "")).await;
    assert_eq!((status_of(&answer), json(&answer)["code"].as_str()), ("409", Some("not-paused")));
    // Parameters are no other type.
    let request = post("/session/pause", "", "{}").replace("n/json", "n/JSON ;charset=utf-8");
    let (order, answer) = running.obey(&request, Ok(())).await;
    assert_eq!((order, status_of(&answer)), (Order::Pause { until: None }, "200"));
}

/// Collects what is logged on this thread.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[tokio::test]
async fn every_order_is_logged_with_its_outcome_even_if_nobody_waits_for_it() {
    // A callsite that is first reached by a thread without a subscriber, in the moment in which another gets one,
    // stays silent for both. With one for all threads there is no such moment.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());

    let mut running = running();
    running.order("/session/pause", "", Ok(())).await;
    running.order("/session/renew", "", Err(Declined::NoToken)).await;
    running.refused(&post("/session/acquire", "Origin: null\r\n", "")).await;
    running.refused(&post("/session/pause?for=canary", "", "")).await;

    let mut impatient = TcpStream::connect(running.address).await.unwrap();
    impatient.write_all(post("/session/resume", "", "").as_bytes()).await.unwrap();
    let order = running.orders.next().await;
    drop(impatient);
    // The listener has noticed that nobody waits once it answers somebody else.
    running.get("/livez").await;
    order.answer(Ok(()));
    let logged = async {
        while !log.text().contains("to resume was carried out") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), logged).await.unwrap();

    let text = log.text();
    for line in [
        "INFO tradovate_proxy::admin::orders: the operator's order to pause was carried out caller=local order=Pause { until: None }",
        "the operator's order to renew was not carried out caller=local order=Renew declined=there is no live token",
        "WARN tradovate_proxy::admin::routes: an order to acquire the session was refused stranger=the request comes \
         from a web page: it has Origin",
        "an order to pause the session was not understood refusal=not a duration",
        "the operator's order to resume was carried out caller=local order=Resume",
    ] {
        assert!(text.contains(line), "no {line:?} in {text}");
    }
    assert!(!text.contains("canary"), "{text}");
}
