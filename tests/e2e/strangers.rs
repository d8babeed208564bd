//! Requests of nobody who may call the proxy: each is refused with what to do, and nothing of it reaches upstream.

use crate::support::{Proxy, RawUpstream, client::write, stage::ORDER, upstream::raw, upstream::raw_with};

const ORDERS: &str = "POST /v1/order/placeorder";

/// An order under `host`, with these fields too; in JSON, since nobody else would come as far.
fn order(host: &str, fields: &str) -> String {
    let request = write(ORDERS, ORDER);
    request.replace("Host: 127.0.0.1\r\n", &format!("Host: {host}\r\n{fields}"))
}

/// Refused, told what to do, and granted nothing; the connection is good for somebody who may call.
async fn refuses(proxy: &Proxy, upstream: &mut RawUpstream, request: &str, status: u16, code: &str) {
    let mut client = proxy.client().await;
    client.send(request).await;
    let answer = client.answer_to(request).await;
    assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{request}");
    assert_eq!(answer.outcome(), Some("not-sent"), "{request}");
    assert!(answer.json()["help"].as_str().is_some_and(|help| help.len() > 20), "{request}");
    // RFC 9110 §15.5.2.
    let challenge = (status == 401).then_some(r#"Bearer realm="tradovate-proxy""#);
    assert_eq!(answer.header("www-authenticate"), challenge, "{request}");
    // That no answer holds `Access-Control-Allow-…` the client sees to.
    let mut witness = proxy.client().await;
    witness.send(write("GET /v1/witness", "")).await;
    let seen = upstream.request().await;
    assert_eq!(seen.head.start, "GET /v1/witness HTTP/1.1", "after {request}");
    seen.ok("").await;
    assert_eq!(witness.answer().await.status(), 200);
}

#[tokio::test]
async fn a_request_under_another_name_is_refused() {
    let (mut upstream, proxy) = raw().await;
    for (host, status, code) in [
        // DNS rebinding: kubernetes #8871 and #9287, CVE-2025-66414, CVE-2025-66416.
        ("evil.example", 421, "unknown-host"),
        ("evil.example:8080", 421, "unknown-host"),
        ("localhost.evil.example", 421, "unknown-host"),
        ("127.0.0.1.nip.io", 421, "unknown-host"),
        ("localhost.", 421, "unknown-host"),
        ("demo.tradovateapi.com", 421, "unknown-host"),
        // What reaches us, and is no name of ours; addresses of others.
        ("0.0.0.0:8080", 421, "unknown-host"),
        ("[::]", 421, "unknown-host"),
        ("10.1.2.3", 421, "unknown-host"),
        ("127.1", 421, "unknown-host"),
        // RFC 9112 §3.2, RFC 9110 §4.2.1.
        ("", 400, "bad-host"),
        ("localhost:", 400, "bad-host"),
        ("localhost:x", 400, "bad-host"),
        ("localhost:80:80", 400, "bad-host"),
        ("[::1", 400, "bad-host"),
        ("::1", 400, "bad-host"),
    ] {
        refuses(&proxy, &mut upstream, &order(host, ""), status, code).await;
    }
    // The absolute form names the same host twice, and it is judged like any (RFC 9112 §3.2.2).
    let absolute = |target: &str, host: &str| {
        write(&format!("GET http://{target}/v1/account/list"), "")
            .replace("Host: 127.0.0.1", &format!("Host: {host}"))
    };
    for (target, host, status, code) in [
        ("evil.example", "evil.example", 421, "unknown-host"),
        ("localhost", "evil.example", 421, "unknown-host"),
        ("evil.example", "localhost", 400, "bad-target"),
        ("localhost:8080", "localhost", 400, "bad-target"),
        ("a@localhost", "localhost", 400, "bad-target"),
    ] {
        refuses(&proxy, &mut upstream, &absolute(target, host), status, code).await;
    }
}

#[tokio::test]
async fn every_name_of_ours_is_served() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_HOSTS", "proxy.internal,192.168.1.5")).await;
    let own = proxy.address.to_string();
    let heads = [
        "LOCALHOST",
        "localhost:1",
        "127.0.0.1",
        "127.9.9.9:80",
        "[::1]:8080",
        &own,
        "proxy.internal",
        "192.168.1.5:8080",
    ]
    .map(|host| format!("GET /v1/account/list HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    // HTTP/1.0 need not say; every browser does.
    let old = "GET /v1/account/list HTTP/1.0\r\n\r\n".to_owned();
    let absolute = "GET http://LocalHost/v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    for head in heads.into_iter().chain([old, absolute]) {
        let mut client = proxy.client().await;
        client.send(&head).await;
        upstream.request().await.ok("").await;
        assert_eq!(client.answer().await.status(), 200, "{head}");
    }
}

#[tokio::test]
async fn a_request_that_a_browser_sends_for_a_page_is_refused() {
    let (mut upstream, proxy) = raw().await;
    for fields in [
        // Fetch §3.1: any POST, in any mode; a sandboxed frame sends `null`.
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin:\r\n",
        "Origin: http://localhost:3000\r\n",
        "Origin: http://127.0.0.1:8080\r\nSec-Fetch-Site: same-origin\r\n",
        // Fetch Metadata §2.4: what has no `Origin`.
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        // Cross-site WebSocket hijacking: no preflight goes before it.
        "Origin: https://evil.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        "Sec-Fetch-Site: cross-site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        refuses(&proxy, &mut upstream, &order("localhost", fields), 403, "web-page").await;
        let get = write(&format!("GET /v1/account/list\r\n{fields}"), "");
        refuses(&proxy, &mut upstream, &get, 403, "web-page").await;
    }
    // Fetch §3.2.2, and Private Network Access's preflight.
    for fields in [
        "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST",
        "Origin: https://evil.example",
        "Access-Control-Request-Method: POST",
        "Access-Control-Request-Private-Network: true",
    ] {
        let preflight = write(&format!("OPTIONS /v1/order/placeorder\r\n{fields}"), "");
        refuses(&proxy, &mut upstream, &preflight, 403, "web-page").await;
    }
    // A refusal before the body is read ends the connection behind it, and smuggles nothing.
    let mut client = proxy.client().await;
    let body = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    client.send(order("localhost", "Origin: null\r\n").replace(ORDER, body)).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.header("connection")), (403, Some("close")));
    drop(client);
    let preflight = write("OPTIONS /v1/account/list\r\nAccept: */*", "");
    let mut client = proxy.client().await;
    client.send(preflight).await;
    // Without a page behind it, it is a method like any.
    let request = upstream.request().await;
    assert_eq!(request.head.start, "OPTIONS /v1/account/list HTTP/1.1");
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn an_allowed_origin_is_served_and_granted_nothing() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_ALLOW_ORIGINS", "chrome-extension://abc")).await;
    let ours = "Origin: chrome-extension://abc\r\nSec-Fetch-Site: cross-site\r\n";
    let mut client = proxy.client().await;
    client.send(order("localhost", ours)).await;
    let request = upstream.request().await;
    assert!(request.all("origin").is_empty() && request.all("sec-fetch-site").is_empty());
    // Tradovate grants every page access; behind the proxy that grant would be ours. The client sees to it that no
    // such field passes.
    request.ok("Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
    for (host, fields, status, code) in [
        ("localhost", "Origin: chrome-extension://abcd\r\n", 403, "web-page"),
        ("localhost", "Origin: null\r\n", 403, "web-page"),
        (
            "localhost",
            "Origin: chrome-extension://abc\r\nAccess-Control-Request-Method: POST\r\n",
            403,
            "web-page",
        ),
        ("evil.example", ours, 421, "unknown-host"),
    ] {
        refuses(&proxy, &mut upstream, &order(host, fields), status, code).await;
    }
}
