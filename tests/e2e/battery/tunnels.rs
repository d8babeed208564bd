//! Requests behind which a caller may go on in another protocol, or send a body that nobody reads.

use super::{get, post, refuses_and_goes_on, refuses_and_hangs_up, row};

#[tokio::test]
async fn what_follows_a_request_for_a_tunnel_is_not_read() {
    let connect =
        |target: &str, behind: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: localhost\r\n\r\n{behind}");
    let rows = [
        row("RFC 9110 §9.3.6", connect("127.0.0.1:443", "")),
        row("RFC 9110 §9.3.6: early bytes", connect("127.0.0.1:443", "\u{16}\u{3}\u{1}")),
        row(
            "RFC 9110 §9.3.6: early bytes that look like a request",
            connect("localhost:80", "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        row("CVE-2026-71324: of a path", connect("/v1/account/list", "")),
        row("RFC 9110 §9.3.6: of a URL", connect("http://localhost/v1/account/list", "")),
        row(
            "K1, RFC 9110 §9.3.8: the token would come back",
            "TRACE /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        row(
            "K1: Max-Forwards",
            "TRACE /v1/account/list HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n",
        ),
        row(
            "RFC 9110 §9.3.8: with a body",
            "TRACE /v1/account/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
        ),
        row("RFC 9110 §9.3.7: of all, and in other letters", "options * HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ];
    refuses_and_hangs_up(rows, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn what_follows_a_request_for_another_protocol_is_not_read() {
    let websocket = "GET /v1/websocket HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n";
    let rows = [
        row("RFC 9110 §7.8", websocket),
        row("CVE-2026-2833: early bytes", format!("{websocket}\u{1}\u{5}hello")),
        row(
            "CVE-2026-2833: early bytes that look like a request",
            format!("{websocket}POST /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        row("RFC 9110 §7.8: not named by Connection", get("Upgrade: WebSocket\r\n")),
        row("RFC 9110 §7.8: not h2c alone", get("Connection: upgrade\r\nUpgrade: h2c, websocket\r\n")),
        row(
            "RFC 9110 §7.8: not h2c alone",
            get("Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n"),
        ),
        row("RFC 9110 §7.8: empty", get("Connection: upgrade\r\nUpgrade:\r\n")),
        row("RFC 9110 §7.8: TLS", get("Connection: upgrade\r\nUpgrade: TLS/1.0\r\n")),
        row("RFC 9110 §7.8: HTTP/2 over TLS", get("Connection: upgrade\r\nUpgrade: h2\r\n")),
        row(
            "CVE-2026-69243: with a body",
            post("Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n", "{}"),
        ),
        row(
            "CVE-2026-69243: with a chunked body",
            post("Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
    ];
    refuses_and_hangs_up(rows, 501, "upgrade-not-implemented").await;
}

#[tokio::test]
async fn what_follows_a_strangers_request_for_either_is_not_read() {
    let smuggled = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let host = "Host: evil.example\r\n";
    let rows = [
        row("RFC 9110 §9.3.6", format!("CONNECT evil.example:80 HTTP/1.1\r\n{host}\r\n{smuggled}")),
        row("RFC 9110 §7.8", format!("GET /v1/websocket HTTP/1.1\r\n{host}{upgrade}\r\n{smuggled}")),
    ];
    refuses_and_hangs_up(rows, 421, "unknown-host").await;
    let rows = ["Origin: https://evil.example\r\n", "Sec-Fetch-Site: cross-site\r\n"]
        .map(|page| row("RFC 6455 §10.2: a page's", get(format!("{page}{upgrade}"))));
    refuses_and_hangs_up(rows, 403, "web-page").await;
}

#[tokio::test]
async fn an_expectation_that_nobody_meets_is_refused() {
    let fields = [
        "Expect: 200-ok\r\n",
        "Expect:\r\n",
        "Expect: 100\r\n",
        "Expect: 100-continue, 100-continue\r\n",
        "Expect: 100-continue;x\r\n",
        "Expect: 100-continue x\r\n",
        "Expect: x=y\r\n",
        "Expect: 100-continue\r\nExpect: x\r\n",
        "Expect: \"100-continue\"\r\n",
    ];
    let posts =
        fields.map(|fields| row("RFC 9110 §10.1.1", post(format!("{fields}Content-Length: 2\r\n"), "{}")));
    refuses_and_hangs_up(posts, 417, "expectation").await;
    let gets = fields.map(|fields| row("RFC 9110 §10.1.1: without a body", get(fields)));
    refuses_and_hangs_up(gets, 417, "expectation").await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_taken_for_the_next() {
    // RFC 9110 §10.1.1, RFC 9112 §9.3: what has not been read is not skipped, and the connection ends.
    let inner = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let request = |line: &str, kind: &str, framing: &str| {
        format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{framing}\r\n")
    };
    let length = format!("Content-Length: {}\r\n", inner.len());
    let chunk = format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len());
    let json = "application/json";
    for (line, kind, status, code) in [
        ("POST /v1/order/placeorder", "text/plain", 415, "content-type"),
        ("GET /v1/account/list", "text/plain", 415, "content-type"),
        ("POST /v1/user/modifypassword", json, 403, "credentials-endpoint"),
        ("POST /v2/order/placeorder", json, 404, "not-the-api"),
        ("POST /v1/order//placeorder", json, 400, "ambiguous-path"),
        ("POST http://evil.example/v1/order/placeorder", json, 400, "bad-target"),
        ("PROPFIND /v1/order/placeorder", json, 405, "method-not-allowed"),
        ("HEAD /v1/order//placeorder", json, 400, "ambiguous-path"),
    ] {
        let rows = [
            row("a body with a length", request(line, kind, &length) + inner),
            row("a chunked body", request(line, kind, "Transfer-Encoding: chunked\r\n") + &chunk),
            row(
                "a body that the caller would send when told to",
                request(line, kind, &format!("Expect: 100-continue\r\n{length}")),
            ),
        ];
        refuses_and_hangs_up(rows, status, code).await;
    }
}

#[tokio::test]
async fn options_of_everything_is_refused() {
    let rows = ["OPTIONS *", "OPTIONS localhost", "OPTIONS http://localhost"];
    let rows = rows.map(|line| row("RFC 9110 §9.3.7", format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n")));
    refuses_and_goes_on(rows, 400, "bad-target").await;
}
