//! Requests that never end (slowloris): in the head, in the body, and by a byte now and then.

use tokio::task::JoinSet;

use crate::support::{Client, client::End, upstream::raw_with};

const HEAD: &str = "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n";
const BODY: &str =
    "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
/// More than any of these tests has the time to send.
const LONG: &str = "Content-Length: 1000000\r\n\r\n";

#[tokio::test]
async fn a_byte_now_and_then_does_not_keep_a_request_alive() {
    let (mut upstream, proxy) = raw_with(|setup| {
        setup
            .with("TRADOVATE_PROXY_LIMIT_HEAD_BYTES", "1MiB")
            .with("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "300ms")
            .with("TRADOVATE_PROXY_TIMEOUT_REQUEST_BODY", "300ms")
    })
    .await;
    for (begun, more, setting) in [
        (HEAD.to_owned(), "a", "timeouts.request-head"),
        (format!("{BODY}{LONG}"), "1", "timeouts.request-body"),
        (format!("{BODY}Transfer-Encoding: chunked\r\n\r\n"), "1\r\n1\r\n", "timeouts.request-body"),
        (format!("{BODY}Transfer-Encoding: chunked\r\n\r\nfffff\r\n"), "1", "timeouts.request-body"),
    ] {
        let mut client = proxy.client().await;
        client.send(&begun).await;
        let answer = loop {
            // No pause between two is as long as the one allowed, which is half a minute.
            if let Some(answer) = client.answer_at_hand().await {
                break answer;
            }
            client.send(more).await;
        };
        assert_eq!((answer.status(), answer.problem().as_str()), (408, "slow-request"), "{begun:?}");
        assert_eq!((answer.outcome(), answer.header("connection")), (Some("not-sent"), Some("close")));
        assert!(answer.json()["help"].as_str().unwrap().contains(setting), "{}", answer.text());
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn many_that_never_end_their_requests_leave_room_for_others_and_are_told() {
    let (mut upstream, proxy) = raw_with(|setup| {
        setup
            .with("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "1s")
            .with("TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE", "1s")
    })
    .await;
    let mut stuck = JoinSet::new();
    for number in 0..400 {
        let mut client = proxy.client().await;
        let begun = if number % 2 == 0 { HEAD.to_owned() } else { format!("{BODY}{LONG}{{") };
        client.send(begun).await;
        stuck.spawn(async move {
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.problem().as_str()), (408, "slow-request"));
            client.finish().await;
            assert_eq!(client.end().await, End::Closed);
        });
    }
    let mut others = proxy.client().await;
    for _ in 0..20 {
        others.send(crate::support::client::write("GET /v1/account/list", "")).await;
        upstream.request().await.ok("[]").await;
        assert_eq!(others.answer().await.status(), 200);
    }
    stuck.join_all().await;
    drop(others);
    proxy.shows("tradovate_proxy_downstream_connections", &[], 0.0).await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 0.0).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn nothing_but_line_ends_is_no_request_and_lives_no_longer_than_silence() {
    let (_upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_KEEP_ALIVE", "200ms")).await;
    let mut client: Client = proxy.client().await;
    // RFC 9112 §2.2 lets them stand before a request.
    while client.try_send("\r\n").await.is_ok() {
        tokio::task::yield_now().await;
    }
}
