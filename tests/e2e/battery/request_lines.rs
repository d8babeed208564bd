//! Methods, versions, and lines that are none.

use super::{Row, refuses_and_hangs_up, row};

fn lines(rule: &'static str, starts: &[&str]) -> Vec<Row> {
    starts.iter().map(|start| row(rule, format!("{start}\r\nHost: localhost\r\n\r\n"))).collect()
}

#[tokio::test]
async fn a_method_that_nobody_needs_is_refused() {
    // RFC 9110 §9.1: case-sensitive. A server that knows no case answers `head` without a body, and we would wait for
    // one; `connect` opens a tunnel.
    let methods = [
        "CONNECT", "connect", "TRACE", "trace", "Trace", "TRACK", "get", "Get", "post", "head", "HeAd",
        "PRI", "PROPFIND", "PURGE", "LINK", "QUERY", "DEBUG", "GETT", "GE", "XGET", "G", "GET-", "_GET", "!",
        "~", "POST'", "G.E|T",
    ];
    let rows = methods.map(|method| {
        row("RFC 9110 §9.1", format!("{method} /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    });
    refuses_and_hangs_up(rows, 405, "method-not-allowed").await;
}

#[tokio::test]
async fn a_version_other_than_1_0_and_1_1_is_refused() {
    let mut rows = lines(
        "RFC 9112 §2.3: HTTP-name and one digit each",
        &[
            "GET /v1/account/list HTTP/2.0",
            "GET /v1/account/list HTTP/2",
            "GET /v1/account/list HTTP/3.0",
            "GET /v1/account/list HTTP/0.9",
            "GET /v1/account/list HTTP/1.2",
            "GET /v1/account/list HTTP/1.9",
            "GET /v1/account/list HTTP/11",
            "GET /v1/account/list HTTP/1,1",
            "GET /v1/account/list HTTP/9.9",
            "GET /v1/account/list HTTP/-1.1",
        ],
    );
    rows.push(row("RFC 9113 §3.4: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    refuses_and_hangs_up(rows, 505, "http-version").await;
}

#[tokio::test]
async fn what_is_no_request_line_is_not_read() {
    let mut rows = lines(
        "RFC 9112 §3: method, target, version, a blank between them",
        &[
            "GET",
            "GET ",
            "GET /v1/account/list",
            "GET /v1/account/list ",
            "GET  /v1/account/list HTTP/1.1",
            "GET /v1/account/list  HTTP/1.1",
            " GET /v1/account/list HTTP/1.1",
            "\tGET /v1/account/list HTTP/1.1",
            "GET\t/v1/account/list HTTP/1.1",
            "GET\t/v1/account/list\tHTTP/1.1",
            "GET\u{b}/v1/account/list HTTP/1.1",
            "GET /v1/account/list HTTP/1.1 ",
            "GET /v1/account/list HTTP/1.1\t",
            "GET /v1/account/list HTTP/1.1 x",
            "GET /v1/account/list http/1.1",
            "GET /v1/account/list Http/1.1",
            "GET /v1/account/list HTTPS/1.1",
            "GET /v1/account/list HTTP 1.1",
            "GET /v1/account/list HTTP\\1.1",
            "GET /v1/account/list SIP/2.0",
            "GET /v1/account/list XTTP/1.1",
            "GET /v1/account/list /HTTP/1.1",
            "GET /v1/account/list HTTP/1.10",
            "GET /v1/account/list HTTP/1.1.1",
            "GET /v1/account/list HTTP/1.1\u{0}",
            "GET: /v1/account/list HTTP/1.1",
            "G\u{0}ET /v1/account/list HTTP/1.1",
            "G(ET /v1/account/list HTTP/1.1",
            "\"GET\" /v1/account/list HTTP/1.1",
            "G\u{e4}T /v1/account/list HTTP/1.1",
            "/v1/account/list HTTP/1.1",
            "HTTP/1.1 200 OK",
            "Host: localhost",
            "\u{feff}GET /v1/account/list HTTP/1.1",
            "{\"order\": 1}",
        ],
    );
    rows.extend([
        row("RFC 9112 §2.3: HTTP/0.9 is no version of these", "GET /v1/account/list\r\n\r\n"),
        row(
            "RFC 9112 §2.2: a bare CR before a request",
            "\rGET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        row("RFC 8446 §5.1: a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice()),
        row("a terminal's telnet negotiation", b"\xff\xfb\x1fGET / HTTP/1.1\r\n\r\n".as_slice()),
        row("a PROXY protocol header", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n"),
        row("a SOCKS greeting", b"\x05\x01\x00\r\n\r\n".as_slice()),
        row("SMTP", "EHLO localhost\r\n\r\n"),
    ]);
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}
