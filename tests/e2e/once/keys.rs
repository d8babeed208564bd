//! Orders with an `Idempotency-Key`: repeated by their callers, and sent once.

use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tradovate_proxy::{
    clock::Clock,
    idempotency::{self, Admission, Bounds, Journal, Key, Register},
};

use super::{Effect, origin::origin};
use crate::support::{
    Answer, Client, Proxy, RawUpstream, Setup, client::End, message::Head, stage::Way, upstream::raw_with,
    within,
};

async fn stage(directory: &TempDir, settings: impl FnOnce(Setup) -> Setup) -> (RawUpstream, Proxy) {
    raw_with(|setup| settings(setup.stored_in(directory.path()))).await
}

/// A request with fields of its own.
fn keyed(effect: Effect, number: u64, fields: &str) -> String {
    effect.request(number).replacen("\r\n", &format!("\r\n{fields}"), 1)
}

async fn ask(client: &mut Client, fields: &str) -> Answer {
    client.send(keyed(Effect::Order, 1, fields)).await;
    client.answer().await
}

fn is_problem(answer: &Answer, status: u16, code: &str, outcome: &str) {
    let told = (answer.status(), answer.problem(), answer.outcome().map(str::to_owned));
    assert_eq!(told, (status, code.to_owned(), Some(outcome.to_owned())));
}

#[tokio::test]
async fn an_answered_order_is_answered_again_and_not_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    for (key, effect, answer) in [
        (
            "a",
            Effect::Order,
            "HTTP/1.1 200 Fine\r\nX-Test-A: 1\r\nSet-Cookie: a\r\nContent-Length: 4\r\n\r\n{\"\":",
        ),
        (
            "b",
            Effect::Order,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{\"\r\n2\r\n\":\r\n0\r\n\r\n",
        ),
        ("c", Effect::Write, "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"),
        ("d", Effect::Order, "HTTP/1.1 204 None\r\n\r\n"),
        (
            "e",
            Effect::Order,
            "HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{\"p-ticket\":\"a\",\"p-time\":15}",
        ),
    ] {
        let request = keyed(effect, 1, &format!("Idempotency-Key: {key}\r\n"));
        client.send(&request).await;
        let received = upstream.request().await;
        assert!(received.all("idempotency-key").is_empty(), "{:?}", received.head);
        received.answer(answer).await;
        let first = client.answer().await;
        assert_eq!(first.header("idempotency-replayed"), None, "{key}");
        let penalty = (key == "e").then_some("ticket; wait=15");
        assert_eq!(first.header("x-proxy-penalty"), penalty, "{key}");
        client.send(&request).await;
        let again = client.answer().await;
        assert_eq!(again.header("idempotency-replayed"), Some("true"), "{key}");
        let without_mark = |head: &Head| {
            let mut head = head.clone();
            // Where upstream gave no date, the proxy says when it wrote; and each request has a name of its own.
            let its_own = ["Idempotency-Replayed", "Date", "X-Proxy-Request-Id"];
            head.fields.retain(|(name, _)| !its_own.contains(&name.as_str()));
            (head.start, head.fields)
        };
        assert_eq!(without_mark(&again.head), without_mark(&first.head), "{key}");
        assert_eq!(again.body, first.body, "{key}");
        // With another body it is another order.
        client.send(keyed(effect, 2, &format!("Idempotency-Key: {key}\r\n"))).await;
        is_problem(&client.answer().await, 422, "idempotency-mismatch", "not-sent");
    }
    upstream.is_untouched();
    proxy.counts(&[("outcome", "replayed")], 5.0).await;
    // Upstream has said it once.
    proxy.shows("tradovate_proxy_penalties_total", &[("effect", "order")], 1.0).await;
}

#[tokio::test]
async fn a_second_attempt_while_the_first_is_in_flight_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: a\r\n")).await;
    let request = upstream.request().await;
    let answer = ask(&mut proxy.client().await, "Idempotency-Key: a\r\n").await;
    is_problem(&answer, 409, "idempotency-in-flight", "unknown");
    request.ok("{}").await;
    client.answer().await;
    upstream.is_untouched();
}

#[tokio::test]
async fn an_unknown_outcome_keeps_the_key_until_somebody_has_looked() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    // No answer; half a head; and half a body, of which a caller without a key would have had the head.
    for (key, begun) in [
        ("a%20b", ""),
        ("c", "HTTP/1.1 200 OK\r\nContent-"),
        ("d", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    ] {
        let field = format!("Idempotency-Key: {}\r\n", key.replace("%20", "+"));
        client.send(keyed(Effect::Order, 1, &field)).await;
        let mut request = upstream.request().await;
        request.write(begun).await;
        request.end(End::Closed).await;
        is_problem(&client.answer().await, 502, "connection-lost", "unknown");
        let refused = ask(&mut client, &field).await;
        is_problem(&refused, 409, "outcome-unknown", "unknown");
        assert!(refused.json()["help"].as_str().unwrap().contains("/idempotency/forget?key="));
        assert_eq!(refused.json().get("errorText"), None, "who reads only this would take it for a refusal");
        upstream.is_untouched();
        let path = format!("/idempotency/forget?key={}", key.replace("%20", "%2B"));
        let mut operator = Client::connect(proxy.admin).await;
        assert_eq!(operator.ask(&format!("POST {path}"), "").await.json()["forgotten"], true);
        client.send(keyed(Effect::Order, 1, &field)).await;
        upstream.request().await.ok("{}").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn only_an_operator_of_this_machine_has_a_key_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let (_upstream, proxy) = stage(&directory, |setup| setup).await;
    for (request, status, code) in [
        ("GET /idempotency/forget?key=a", 405, "method-not-allowed"),
        ("POST /idempotency/forget", 400, "bad-terms"),
        ("POST /idempotency/forget?key=", 400, "bad-terms"),
        ("POST /idempotency/forget?key=a&key=b", 400, "bad-terms"),
        ("POST /idempotency/forget?key=a&other=b", 400, "bad-terms"),
        ("POST /idempotency/forget?key=a\r\nOrigin: http://a.example", 403, "web-page"),
        ("POST /idempotency/forget?key=a", 404, "not-known"),
    ] {
        let answer = Client::connect(proxy.admin).await.ask(request, "").await;
        assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{request:?}");
    }
    for (query, says) in
        [("key=a", "add &caller=NAME"), ("key=a&caller=desk", "whether that is the caller's name")]
    {
        let request = format!("POST /idempotency/forget?{query}");
        let answer = Client::connect(proxy.admin).await.ask(&request, "").await;
        let help = answer.json()["help"].as_str().unwrap().to_owned();
        assert!(help.contains("keys belong to callers") && help.contains(says), "{query}: {help}");
    }
}

#[tokio::test]
async fn what_was_certainly_not_sent_frees_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    upstream.answers_session_calls(false);
    upstream.clock.advance(Duration::from_secs(81 * 60)).unwrap();
    for _ in 0..2 {
        is_problem(&ask(&mut client, "Idempotency-Key: a\r\n").await, 503, "no-token", "not-sent");
    }
    upstream.answers_session_calls(true);
    proxy.reaches_generation(2).await;
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: a\r\n")).await;
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn an_order_that_is_broken_off_while_it_waits_for_a_connection_frees_its_key() {
    let (state, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut origin, proxy) = origin(Way::Tls, |setup| {
        setup.stored_in(state.path()).audited_in(log.path()).with("TRADOVATE_PROXY_DRAIN_TIMEOUT", "0s")
    })
    .await;
    origin.stop().await;
    // It accepts, and never says a word.
    let mute = within("the port", TcpListener::bind(origin.address)).await.unwrap();
    let mut client = proxy.client().await;
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: a\r\n")).await;
    let _connecting = within("a connection", mute.accept()).await.unwrap();
    proxy.stop().await;

    let written = std::fs::read_to_string(log.path().join("orders-000001.jsonl")).unwrap();
    assert!(written.contains(r#""outcome":"not-sent","how":"aborted-unsent""#), "{written}");
    let register =
        Register::start(Journal::within(state.path()), Bounds::default(), Clock::system()).unwrap();
    let order = Effect::Order.request(1);
    let (head, body) = order.split_once("\r\n\r\n").unwrap();
    let target = head.split(' ').nth(1).unwrap();
    let request = idempotency::request("POST", target, body.as_bytes());
    let again = register.begin("local", Key::new("a").unwrap(), request, Duration::from_secs(2)).await;
    assert!(matches!(again, Ok(Admission::First(_))), "{again:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_streamed_and_told_of_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) =
        stage(&directory, |setup| setup.with("TRADOVATE_PROXY_IDEMPOTENCY_ANSWER_BYTES", "10")).await;
    let mut client = proxy.client().await;
    let chunks = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        "4\r\nabcd\r\n".repeat(5)
    );
    for (key, answer, body) in [
        ("a", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nabcdefghijk", "abcdefghijk"),
        ("b", &chunks, "abcdabcdabcdabcdabcd"),
    ] {
        let field = format!("Idempotency-Key: {key}\r\n");
        client.send(keyed(Effect::Order, 1, &field)).await;
        upstream.request().await.answer(answer).await;
        assert_eq!(client.answer().await.text(), body);
        let refused = ask(&mut client, &field).await;
        is_problem(&refused, 409, "answer-not-kept", "unknown");
        assert!(refused.json()["detail"].as_str().unwrap().contains("200"));
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn a_key_is_heeded_only_where_it_means_something_and_refused_where_it_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        client.send(keyed(Effect::Read, 1, "Idempotency-Key: a\r\n")).await;
        let request = upstream.request().await;
        assert!(request.all("idempotency-key").is_empty());
        request.ok("[]").await;
        assert_eq!(client.answer().await.header("idempotency-replayed"), None);
    }
    for fields in ["Idempotency-Key: a b\r\n", "Idempotency-Key: a\r\nidempotency-key: b\r\n"] {
        is_problem(&ask(&mut client, fields).await, 400, "idempotency-key", "not-sent");
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn without_a_disk_an_order_with_a_key_is_refused_and_one_without_is_sent() {
    let (mut upstream, proxy) = raw_with(|setup| setup).await;
    let mut client = proxy.client().await;
    let refused = ask(&mut client, "Idempotency-Key: a\r\n").await;
    is_problem(&refused, 503, "idempotency-unavailable", "not-sent");
    upstream.is_untouched();
    client.send(keyed(Effect::Order, 1, "")).await;
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);
}

const CANCEL: &str = "POST /v1/order/cancelorder HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n\
    Content-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"orderId\":1}";

#[tokio::test]
async fn a_cancel_is_not_refused_because_its_key_cannot_be_kept() {
    // There is no disk; and there is one, without room for another key.
    let directory = tempfile::tempdir().unwrap();
    let nowhere = raw_with(|setup| setup).await;
    let full = stage(&directory, |setup| setup.with("TRADOVATE_PROXY_IDEMPOTENCY_ENTRIES", "1")).await;
    for ((mut upstream, proxy), is_full) in [(nowhere, false), (full, true)] {
        let mut client = proxy.client().await;
        if is_full {
            client.send(keyed(Effect::Order, 1, "Idempotency-Key: lost\r\n")).await;
            upstream.request().await.close().await;
            is_problem(&client.answer().await, 502, "connection-lost", "unknown");
            let refused = ask(&mut client, "Idempotency-Key: a\r\n").await;
            is_problem(&refused, 503, "idempotency-full", "not-sent");
        }
        // It goes as one without a key does: each time.
        for _ in 0..2 {
            client.send(CANCEL).await;
            let request = upstream.request().await;
            assert!(request.all("idempotency-key").is_empty(), "{:?}", request.head);
            request.ok("{}").await;
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.header("idempotency-replayed")), (200, None));
            assert_eq!(answer.header("x-proxy-idempotency"), Some("not-kept"));
        }
        // Above all where a caller would repeat it.
        client.send(CANCEL).await;
        upstream.request().await.close().await;
        let lost = client.answer().await;
        is_problem(&lost, 502, "connection-lost", "unknown");
        assert_eq!(lost.header("x-proxy-idempotency"), Some("not-kept"));
        // And of that request alone.
        let mut client = proxy.client().await;
        client.send(CANCEL.replace("Idempotency-Key: a\r\n", "")).await;
        upstream.request().await.ok("{}").await;
        assert_eq!(client.answer().await.header("x-proxy-idempotency"), None);
    }
}

#[tokio::test]
async fn a_cancel_whose_key_is_kept_goes_once() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    client.send(CANCEL).await;
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.header("x-proxy-idempotency"), None);
    client.send(CANCEL).await;
    let again = client.answer().await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("x-proxy-idempotency"), None);
    upstream.is_untouched();
}

#[tokio::test]
async fn what_the_guards_would_say_of_a_repetition_is_not_said_of_an_order_that_has_gone_before() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = stage(&directory, |setup| setup).await;
    let mut client = proxy.client().await;
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: a\r\n")).await;
    upstream.request().await.ok("{\"orderId\":1}").await;
    assert_eq!(client.answer().await.status(), 200);
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: lost\r\n")).await;
    upstream.request().await.close().await;
    is_problem(&client.answer().await, 502, "connection-lost", "unknown");

    assert_eq!(Client::connect(proxy.admin).await.ask("POST /guards/kill", "").await.status(), 200);
    let again = ask(&mut client, "Idempotency-Key: a\r\n").await;
    assert_eq!((again.status(), again.header("idempotency-replayed")), (200, Some("true")));
    is_problem(&ask(&mut client, "Idempotency-Key: lost\r\n").await, 409, "outcome-unknown", "unknown");
    // A new one is refused, and leaves its key free.
    for _ in 0..2 {
        let refused = ask(&mut client, "Idempotency-Key: new\r\n").await;
        is_problem(&refused, 403, "guard-kill", "not-sent");
    }
    assert_eq!(Client::connect(proxy.admin).await.ask("POST /guards/release", "").await.status(), 200);
    client.send(keyed(Effect::Order, 1, "Idempotency-Key: new\r\n")).await;
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);
}
