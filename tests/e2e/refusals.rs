//! Every answer that the proxy makes by itself because it will not pass a request on: its form, its code, what
//! becomes of the connection; and nothing of the request at upstream.

use serde_json::Value;

use crate::support::{
    Answer, Client, RawUpstream,
    client::{End, write},
    proxy::Proxy,
    stage::ORDER,
    upstream::{raw, raw_with},
};

const POST: &str =
    "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// What a refusal looks like (RFC 9457), whatever it refuses.
fn is_refusal(answer: &Answer, status: u16, code: &str, context: &str) {
    assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{context}");
    assert_eq!(answer.outcome(), Some("not-sent"), "{context}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{context}");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:tradovate-proxy:problem:{code}"), "{context}");
    assert_eq!((&body["status"], &body["outcome"]), (&Value::from(status), &Value::from("not-sent")));
    for text in ["title", "detail", "help"] {
        assert!(body[text].as_str().is_some_and(|text| text.len() > 3), "{context}: {text} in {body}");
    }
}

/// The connection works, and upstream has seen nothing before this.
async fn goes_on(client: &mut Client, upstream: &mut RawUpstream, context: &str) {
    client.send(write("GET /v1/witness", "")).await;
    let request = upstream.request().await;
    assert_eq!(request.head.start, "GET /v1/witness HTTP/1.1", "after {context}");
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200, "after {context}");
}

/// Refuses a request that has been read whole, and goes on.
async fn refuses(
    proxy: &Proxy,
    upstream: &mut RawUpstream,
    request: &str,
    status: u16,
    code: &str,
) -> Answer {
    let mut client = proxy.client().await;
    client.send(request).await;
    let answer = client.answer_to(request).await;
    is_refusal(&answer, status, code, request);
    assert_eq!(answer.header("connection"), None, "{request}");
    goes_on(&mut client, upstream, request).await;
    answer
}

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
async fn what_is_not_for_the_api_is_refused_and_the_connection_goes_on() {
    let (mut upstream, proxy) = raw().await;
    let (ambiguous, credentials) = ("ambiguous-path", "credentials-endpoint");
    for (line, status, code) in [
        ("GET /", 404, "not-the-api"),
        ("GET /v1", 404, "not-the-api"),
        ("GET /v2/account/list", 404, "not-the-api"),
        ("GET /metrics", 404, "not-the-api"),
        ("POST /sandbox/reset", 404, "not-the-api"),
        ("OPTIONS *", 400, "bad-target"),
        ("GET https://127.0.0.1/v1/account/list", 400, "bad-target"),
        ("GET http://demo.tradovateapi.com/v1/account/list", 400, "bad-target"),
        ("GET account/list", 400, "bad-target"),
        ("GET //v1/account/list", 400, ambiguous),
        ("GET /v1//account/list", 400, ambiguous),
        ("GET /v1/./account/list", 400, ambiguous),
        ("GET /v1/account/../auth/renewaccesstoken", 400, ambiguous),
        ("GET /v1/account/..", 400, ambiguous),
        ("GET /v1/%2e%2e/v1/account/list", 400, ambiguous),
        ("GET /v1/auth%2Frenewaccesstoken", 400, ambiguous),
        ("GET /v1/auth%5crenewaccesstoken", 400, ambiguous),
        ("GET /v1/auth\\renewaccesstoken", 400, ambiguous),
        ("GET /v1/%61uth/renewaccesstoken", 400, ambiguous),
        ("GET /v1/account/list;x=1", 400, ambiguous),
        ("GET /v1/account/list%3fx", 400, ambiguous),
        ("GET /v1/account/list%00", 400, ambiguous),
        ("GET /v1/account/list%", 400, ambiguous),
        ("GET /v1/account/list%zz", 400, ambiguous),
        ("GET /v1/auth/oauthgrant", 403, credentials),
        ("POST /v1/auth/never-heard-of", 403, credentials),
        ("POST /V1/User/ModifyPassword", 403, credentials),
        ("POST /v1/user/modifyCredentials/", 403, credentials),
        // RFC 9110 §9.3.6, §9.3.8.
        ("CONNECT 127.0.0.1:443", 405, "method-not-allowed"),
        ("CONNECT /v1/account/list", 405, "method-not-allowed"),
        ("TRACE /v1/account/list", 405, "method-not-allowed"),
    ] {
        let answer = refuses(&proxy, &mut upstream, &write(line, ""), status, code).await;
        // RFC 9110 §15.5.6: a 405 says what is allowed.
        assert_eq!(answer.header("allow").is_some(), status == 405, "{line}");
    }
}

#[tokio::test]
async fn a_switch_of_protocols_is_refused_however_it_is_asked_for() {
    let (mut upstream, proxy) = raw().await;
    for fields in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
        "Upgrade: WebSocket",
        "Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket",
        "Connection: upgrade\r\nUpgrade: h2c, websocket",
    ] {
        let request = write(&format!("GET /v1/websocket\r\n{fields}"), "");
        refuses(&proxy, &mut upstream, &request, 501, "upgrade-not-implemented").await;
    }
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
async fn what_two_parsers_could_read_differently_is_refused() {
    // RFC 9112 §2.2, §3, §5, §6, §7, §11.2: each of these has smuggled a request somewhere.
    let (mut upstream, proxy) = raw().await;
    let get = |fields: &str| format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let chunked = |body: &str| format!("{POST}Transfer-Encoding: chunked\r\n\r\n{body}");
    let bad = "bad-request";
    for (request, status, code) in [
        (format!("{POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}"), 400, bad),
        (format!("{POST}Content-Length: 2, 2\r\n\r\n{{}}"), 400, bad),
        (format!("{POST}Content-Length: +2\r\n\r\n{{}}"), 400, bad),
        (format!("{POST}Content-Length: 0x2\r\n\r\n{{}}"), 400, bad),
        (format!("{POST}Content-Length: 2 \r\nContent-Length : 3\r\n\r\n{{}}"), 400, bad),
        (format!("{POST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (format!("{POST}X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400, bad),
        (chunked("2\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("0x2\r\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("2 x\r\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("2;\u{1}\r\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("2\r\n{}x\r\n0\r\n\r\n"), 400, bad),
        (chunked("2;\nabc\r\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("00000000000000002\r\n{}\r\n0\r\n\r\n"), 400, bad),
        (chunked("0\r\nA: b\n\r\n"), 400, bad),
        (get("X: a\nTransfer-Encoding: chunked\r\n"), 400, bad),
        (get("X: a\rb\r\n"), 400, bad),
        (get("X\0: a\r\n"), 400, bad),
        (get("X: a\0\r\n"), 400, bad),
        (get(": a\r\n"), 400, bad),
        (get("no colon\r\n"), 400, bad),
        (get("Host: b\r\n"), 400, bad),
        ("GET /v1/account/list HTTP/1.1\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list HTTP/1.1\r\nHost: a b\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list HTTP/1.1\r\nHost: a@b\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list HTTP/1.1\r\nHost: a/b\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list\r\n\r\n".to_owned(), 400, bad),
        ("GET  /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list#x HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/\u{e4} HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 400, bad),
        ("GET /v1/account/list HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), 400, bad),
        // RFC 9110 §15.6.6, §15.5.18.
        ("GET /v1/account/list HTTP/2.0\r\nHost: localhost\r\n\r\n".to_owned(), 505, "http-version"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 505, "http-version"),
        (get("Expect: 200-ok\r\n"), 417, "expectation"),
    ] {
        hangs_up(&proxy, &mut upstream, &request, status, code).await;
    }
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
