//! Every answer that the proxy makes by itself because it will not pass a request on: its form, its code, what
//! becomes of the connection; and nothing of the request at upstream. What is refused for its form alone is in
//! [`super::battery`].

use crate::support::{
    RawUpstream,
    client::{End, write},
    proxy::Proxy,
    refusal::{goes_on, is_refusal},
    stage::ORDER,
    upstream::{raw, raw_with},
};

const POST: &str =
    "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// Refuses a request behind which nothing can be read safely, and ends the connection.
async fn hangs_up(proxy: &Proxy, upstream: &mut RawUpstream, request: &str, status: u16, code: &str) {
    let mut client = proxy.client().await;
    // Whatever stands behind such a request must not be taken for one.
    client.send(format!("{request}GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
    client.finish().await;
    let answer = client.answer().await;
    is_refusal(&answer, status, code, request);
    assert_eq!(answer.header("connection"), Some("close"), "{request}");
    assert_eq!(client.end().await, End::Closed, "{request}");
    goes_on(&mut proxy.client().await, upstream, request).await;
}

#[tokio::test]
async fn a_body_that_is_not_marked_as_json_is_refused() {
    let (mut upstream, proxy) = raw().await;
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=application/json\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: text/plain, application/json\r\n",
        "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
    ] {
        let head = format!("POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\n{kind}");
        for framing in
            ["Content-Length: 2\r\n\r\n{}", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"]
        {
            hangs_up(&proxy, &mut upstream, &format!("{head}{framing}"), 415, "content-type").await;
        }
    }
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_CONTENT_TYPES", "application/x-ndjson")).await;
    let mut client = proxy.client().await;
    for kind in ["application/x-ndjson", "Application/JSON ; charset=utf-8"] {
        client
            .send(format!(
                "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 2\r\n\r\n{{}}"
            ))
            .await;
        let request = upstream.request().await;
        assert_eq!(request.all("content-type"), [kind]);
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_at_once_by_its_length_and_as_it_comes_in_chunks() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_LIMIT_BODY_BYTES", "1KiB")).await;
    let (code, full) = ("body-too-large", "x".repeat(1024));
    for framing in [
        "Content-Length: 1025\r\n\r\n".to_owned(),
        "Content-Length: 18446744073709551615\r\n\r\n".to_owned(),
        format!("Transfer-Encoding: chunked\r\n\r\n400\r\n{full}\r\n1\r\n"),
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned() + &full,
    ] {
        hangs_up(&proxy, &mut upstream, &format!("{POST}{framing}"), 413, code).await;
    }
    // At the limit nothing is refused.
    let mut client = proxy.client().await;
    client.send(format!("{POST}Transfer-Encoding: chunked\r\n\r\n400\r\n{full}\r\n0\r\n\r\n")).await;
    let request = upstream.request().await;
    assert_eq!(request.body, full.as_bytes());
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_head_above_the_limit_is_refused() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_LIMIT_HEAD_BYTES", "2KiB")).await;
    let long = "x".repeat(2048);
    let many = "a: b\r\n".repeat(101);
    for (request, status, code) in [
        // RFC 9110 §15.5.15; RFC 6585 §5.
        (format!("GET /v1/account/list?{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 414, "target-too-long"),
        (
            format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
            431,
            "head-too-large",
        ),
        (format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431, "head-too-large"),
    ] {
        hangs_up(&proxy, &mut upstream, &request, status, code).await;
    }
    // A head that fills the limit to the last byte.
    let rest = "GET /v1/witness HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n".len();
    let fill = "x".repeat(2048 - rest);
    let mut client = proxy.client().await;
    client.send(format!("GET /v1/witness HTTP/1.1\r\nHost: localhost\r\nX: {fill}\r\n\r\n")).await;
    upstream.request().await.ok("").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_body_that_ends_early_reaches_nobody() {
    let (mut upstream, proxy) = raw().await;
    for framing in [
        "Content-Length: 3\r\n\r\n{}",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    ] {
        let mut client = proxy.client().await;
        client.send(format!("{POST}{framing}")).await;
        client.finish().await;
        let answer = client.answer().await;
        is_refusal(&answer, 400, "bad-request", framing);
        assert_eq!(client.end().await, End::Closed);
        goes_on(&mut proxy.client().await, &mut upstream, framing).await;
    }
}

#[tokio::test]
async fn a_caller_that_pauses_within_a_request_is_told_and_left() {
    let (mut upstream, proxy) = raw_with(|setup| {
        setup
            .with("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "60ms")
            .with("TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE", "60ms")
    })
    .await;
    for begun in
        ["G", "GET /v1/account/list HTTP/1.1\r\nHost:", &format!("{POST}Content-Length: 3\r\n\r\n{{}}")]
    {
        let mut client = proxy.client().await;
        client.send(begun).await;
        let answer = client.answer().await;
        is_refusal(&answer, 408, "slow-request", begun);
        assert_eq!(answer.header("connection"), Some("close"), "{begun:?}");
        client.finish().await;
        assert_eq!(client.end().await, End::Closed, "{begun:?}");
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let (_upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_KEEP_ALIVE", "60ms")).await;
    let mut fresh = proxy.client().await;
    assert_eq!(fresh.end().await, End::Closed);
    let mut used = proxy.client().await;
    used.ask("GET /elsewhere", "").await;
    assert_eq!(used.end().await, End::Closed);
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_before_it_says_a_word() {
    let (mut upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "2")).await;
    let mut first = proxy.client().await;
    let mut second = proxy.client().await;
    goes_on(&mut first, &mut upstream, "the first").await;
    goes_on(&mut second, &mut upstream, "the second").await;

    let mut third = proxy.client().await;
    let answer = third.answer().await;
    is_refusal(&answer, 503, "too-many-connections", "the third");
    assert_eq!((answer.header("connection"), answer.header("retry-after")), (Some("close"), Some("1")));
    third.finish().await;
    assert_eq!(third.end().await, End::Closed);

    goes_on(&mut second, &mut upstream, "the third").await;
    second.finish().await;
    assert_eq!(second.end().await, End::Closed);
    // Its end is not the caller's to see; that the first is still served shows that the proxy has seen it.
    goes_on(&mut first, &mut upstream, "the second's end").await;
    goes_on(&mut proxy.client().await, &mut upstream, "the second's end").await;
}

#[tokio::test]
async fn a_request_too_many_is_told_so_and_its_connection_goes_on() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_LIMIT_CONCURRENT_REQUESTS", "2")).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = proxy.client().await;
        client.send(write("POST /v1/order/placeorder", ORDER)).await;
        busy.push((client, upstream.request().await));
    }
    let mut third = proxy.client().await;
    let answer = third.ask("POST /v1/order/placeorder", ORDER).await;
    is_refusal(&answer, 503, "overloaded", "the third");
    assert_eq!((answer.header("connection"), answer.header("retry-after")), (None, Some("1")));
    upstream.is_untouched();

    let (mut first, request) = busy.remove(0);
    request.ok("").await;
    first.answer().await;
    // What its caller has read whole is over a moment later, and this one behind it shows that it is.
    first.ask("GET /elsewhere", "").await;
    goes_on(&mut third, &mut upstream, "the first's end").await;
}
