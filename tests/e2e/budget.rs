//! How many requests are sent: what is left, what is refused and what never is; and what upstream says of it.

use std::time::Duration;

use serde_json::json;
use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    Answer, Client, RawUpstream, Setup,
    client::write,
    proxy::Proxy,
    stage::{ORDER, Stage, Way},
    upstream::raw_with,
};

const READ: &str = "GET /v1/account/list";
const PLACE: &str = "POST /v1/order/placeorder";
const CANCEL: &str = "POST /v1/order/cancelorder";
const ORDER_ID: &str = r#"{"orderId":1}"#;

fn limited(setup: Setup) -> Setup {
    setup
        .with("TRADOVATE_PROXY_BUDGET_PER_HOUR", "4")
        .with("TRADOVATE_PROXY_BUDGET_RESERVE", "2")
        .with("TRADOVATE_PROXY_BUDGET_HOLD", "1h")
}

/// One request, answered 200 by upstream.
async fn passes(client: &mut Client, upstream: &mut RawUpstream, request: &str, body: &str) -> Answer {
    client.send(write(request, body)).await;
    upstream.request().await.ok("[]").await;
    let answer = client.answer().await;
    assert_eq!(answer.status(), 200, "{request}");
    answer
}

/// One request, which upstream does not see; returns for how many seconds it is to wait.
async fn refused(
    client: &mut Client,
    upstream: &mut RawUpstream,
    request: &str,
    body: &str,
    code: &str,
) -> u64 {
    let answer = client.ask(request, body).await;
    assert_eq!((answer.status(), answer.problem().as_str()), (429, code), "{request}");
    assert_eq!(answer.outcome(), Some("not-sent"), "{request}");
    upstream.is_untouched();
    answer.header("retry-after").unwrap().parse().unwrap()
}

fn left(answer: &Answer) -> Option<&str> {
    answer.header("x-proxy-budget-remaining")
}

async fn budget(proxy: &Proxy) -> serde_json::Value {
    proxy.admin("/status").await.json()["budget"].clone()
}

#[tokio::test]
async fn the_last_of_the_budget_is_for_cancels() {
    let (mut upstream, proxy) = raw_with(limited).await;
    let mut client = proxy.client().await;
    assert_eq!(left(&passes(&mut client, &mut upstream, READ, "").await), Some("1"));
    assert_eq!(left(&passes(&mut client, &mut upstream, PLACE, ORDER).await), Some("0"));
    refused(&mut client, &mut upstream, READ, "", "budget-spent").await;
    let wait = refused(&mut client, &mut upstream, PLACE, ORDER, "budget-spent").await;
    // More than there is: it is an estimate, and a cancel is not refused for one.
    for _ in 0..5 {
        passes(&mut client, &mut upstream, CANCEL, ORDER_ID).await;
    }
    let expected = json!({ "spent": 7, "limit": 4 });
    assert_eq!(budget(&proxy).await["hour"], expected);
    let by_caller = [("window", "hour"), ("caller", "local")];
    proxy.shows("tradovate_proxy_budget_spent", &by_caller, 7.0).await;
    proxy.counts(&[("outcome", "budget-spent")], 2.0).await;

    upstream.clock.advance(Duration::from_secs(wait)).unwrap();
    passes(&mut client, &mut upstream, READ, "").await;
}

#[tokio::test]
async fn what_the_proxy_answers_itself_costs_nothing() {
    let (mut upstream, proxy) = raw_with(limited).await;
    let mut client = proxy.client().await;
    for _ in 0..9 {
        assert_eq!(client.ask("POST /v1/auth/accesstokenrequest", "{}").await.status(), 200);
        assert_eq!(client.ask("GET /v2/account/list", "").await.status(), 404);
    }
    assert_eq!(left(&passes(&mut client, &mut upstream, READ, "").await), Some("1"));
}

#[tokio::test]
async fn a_request_that_never_left_is_not_counted() {
    let (upstream, proxy) = raw_with(limited).await;
    // Nobody listens there any more.
    drop(upstream);
    let mut client = proxy.client().await;
    for _ in 0..9 {
        let answer = client.ask(PLACE, ORDER).await;
        assert_eq!((answer.status(), answer.outcome()), (502, Some("not-sent")));
    }
    assert_eq!(budget(&proxy).await["hour"]["spent"], 0);
}

#[tokio::test]
async fn after_a_429_or_423_requests_are_held_and_cancels_are_not() {
    for (status, code) in [("429 Too Many", 429), ("423 Locked", 423)] {
        let (mut upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_BUDGET_HOLD", "1h")).await;
        let mut client = proxy.client().await;
        client.send(write(READ, "")).await;
        upstream.request().await.answer(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")).await;
        // It is the caller's as it came.
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.text()), (code, ""));
        refused(&mut client, &mut upstream, READ, "", "held").await;
        let wait = refused(&mut client, &mut upstream, PLACE, ORDER, "held").await;
        assert_eq!(wait > 3000, code == 423, "after a 429 one is let through now and then: {wait}");
        let until = &budget(&proxy).await;
        assert_eq!(until["held_after"], code);
        assert!(until["held_until"].is_string(), "{until}");
        proxy.shows("tradovate_proxy_budget_held", &[("status", &code.to_string())], 1.0).await;
        passes(&mut client, &mut upstream, CANCEL, ORDER_ID).await;
        if code == 423 {
            refused(&mut client, &mut upstream, READ, "", "held").await;
        } else {
            // It has been answered, so the others would be too.
            passes(&mut client, &mut upstream, READ, "").await;
        }
    }
}

#[tokio::test]
async fn a_hold_asks_again_now_and_then_and_ends_by_itself() {
    let (mut upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_BUDGET_HOLD", "1h")).await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    upstream.request().await.answer("HTTP/1.1 429 No\r\nRetry-After: 40\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 429);
    let wait = refused(&mut client, &mut upstream, READ, "", "held").await;
    assert!((1..=16).contains(&wait), "{wait}");
    upstream.clock.advance(Duration::from_secs(wait)).unwrap();
    client.send(write(READ, "")).await;
    upstream.request().await.answer("HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 429);
    let wait = refused(&mut client, &mut upstream, READ, "", "held").await;
    // Until upstream's own word, which is earlier than the next try.
    assert!((17..=25).contains(&wait), "{wait}");
    upstream.clock.advance(Duration::from_secs(wait)).unwrap();
    passes(&mut client, &mut upstream, READ, "").await;
    passes(&mut client, &mut upstream, PLACE, ORDER).await;
}

#[tokio::test]
async fn cancels_are_held_too_where_that_is_set() {
    let (mut upstream, proxy) = raw_with(|setup| {
        setup.with("TRADOVATE_PROXY_BUDGET_HOLD", "1h").with("TRADOVATE_PROXY_BUDGET_HOLD_CANCELS", "yes")
    })
    .await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    upstream.request().await.answer("HTTP/1.1 423 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 423);
    refused(&mut client, &mut upstream, CANCEL, ORDER_ID, "held").await;
}

#[tokio::test]
async fn a_penalty_passes_untouched_and_is_marked() {
    let penalties = [
        (r#"{"p-ticket":"t","p-time":15}"#, Some("ticket; wait=15")),
        (r#"{"p-ticket":"t","p-time":15,"p-captcha":true}"#, Some("captcha; wait=15")),
        (r#"{"orderId":7}"#, None),
    ];
    for way in Way::ALL {
        let stage = Stage::with(way, |setup| setup).await;
        for (body, expected) in penalties {
            let respond = Action::Respond { status: 200, headers: Vec::new(), body: body.to_owned() };
            stage.control().inject(Fault::next("order/placeorder", respond));
            let answer = stage.ask(PLACE, ORDER).await;
            assert_eq!((answer.status(), answer.text()), (200, body), "{way:?}");
            assert_eq!(answer.header("x-proxy-penalty"), expected, "{way:?} {body}");
        }
        stage.proxy.shows("tradovate_proxy_penalties_total", &[("effect", "order")], 2.0).await;
    }
}

#[tokio::test]
async fn a_penalty_in_pieces_is_found_and_one_broken_off_is_no_answer() {
    let (mut upstream, proxy) = raw_with(|setup| setup).await;
    let mut client = proxy.client().await;
    client.send(write(PLACE, ORDER)).await;
    let mut request = upstream.request().await;
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n").await;
    request.write(r#"{"p-ticket":"#).await;
    request.answer(r#""t","p-time":15}"#).await;
    let answer = client.answer().await;
    assert_eq!(answer.header("x-proxy-penalty"), Some("ticket; wait=15"));
    assert_eq!(answer.text(), r#"{"p-ticket":"t","p-time":15}"#);

    client.send(write(PLACE, ORDER)).await;
    let mut request = upstream.request().await;
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 28\r\n\r\n{").await;
    request.close().await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (502, Some("unknown")));
}
