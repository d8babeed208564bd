//! `Transfer-Encoding`: exactly `chunked`, once, in HTTP/1.1, and without `Content-Length`.

use super::{Row, get, post, refuses_and_hangs_up, row};

/// Orders whose body is empty to whoever reads chunks, and five bytes of a request to whoever does not.
fn posts(rows: &[(&'static str, &str)]) -> Vec<Row> {
    rows.iter().map(|(rule, fields)| row(rule, post(fields, "0\r\n\r\n"))).collect()
}

#[tokio::test]
async fn a_coding_beside_a_length_is_not_read() {
    let mut rows = posts(&[
        ("RFC 9112 §6.1: CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.1: TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("RFC 9112 §6.1: CL.0", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.1: apart", "Transfer-Encoding: chunked\r\nX-Test: a\r\nContent-Length: 5\r\n"),
        ("RFC 9112 §6.1: in any case", "TRANSFER-ENCODING: CHUNKED\r\ncontent-LENGTH: 5\r\n"),
        (
            "RFC 9110 §7.6.1: named by Connection",
            "Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "RFC 9110 §7.6.1: named by Connection",
            "Connection: Transfer-Encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("RFC 9112 §6.1: with a coding that nobody knows", "Content-Length: 5\r\nTransfer-Encoding: x\r\n"),
        ("RFC 9112 §6.1: with an empty coding", "Content-Length: 5\r\nTransfer-Encoding:\r\n"),
    ]);
    rows.push(row("RFC 9112 §6.1: on a GET", get("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n")));
    rows.push(row(
        "RFC 9112 §6.1: on a HEAD",
        "HEAD /v1/account/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ));
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_coding_that_two_parsers_could_read_differently_is_not_read() {
    let mut rows = posts(&[
        ("RFC 9112 §6.1: twice in one line", "Transfer-Encoding: chunked, chunked\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
        ("RFC 9112 §6.1: twice in two", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.3: chunked is not last", "Transfer-Encoding: chunked, identity\r\n"),
        ("RFC 9112 §6.3: chunked is not last", "Transfer-Encoding: chunked, gzip\r\n"),
        ("RFC 9112 §7: a coding that is not undone here", "Transfer-Encoding: gzip, chunked\r\n"),
        ("RFC 9112 §7: a coding that is not undone here", "Transfer-Encoding: deflate,chunked\r\n"),
        ("RFC 9112 §7: a coding that is not undone here", "Transfer-Encoding: gzip\r\n"),
        ("RFC 9112 §7: a coding that is not undone here", "Transfer-Encoding: compress\r\n"),
        ("RFC 9112 §7: withdrawn", "Transfer-Encoding: identity\r\n"),
        ("RFC 9112 §7: withdrawn", "Transfer-Encoding: identity, chunked\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: xchunked\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: chunkedx\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: x chunked\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: chunked x\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: chunk\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: cow\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: \u{ff43}hunked\r\n"),
        ("RFC 9112 §7: unknown", "Transfer-Encoding: chun\u{212a}ed\r\n"),
        ("RFC 9112 §7: a parameter", "Transfer-Encoding: chunked;q=1\r\n"),
        ("RFC 9112 §7: a parameter", "Transfer-Encoding: chunked; x\r\n"),
        ("RFC 9112 §7: quoted", "Transfer-Encoding: \"chunked\"\r\n"),
        ("RFC 9112 §7: quoted", "Transfer-Encoding: 'chunked'\r\n"),
        ("RFC 9112 §7: half quoted", "Transfer-Encoding: \"chunked\r\n"),
        ("RFC 9110 §5.6.1: empty elements", "Transfer-Encoding: ,chunked\r\n"),
        ("RFC 9110 §5.6.1: empty elements", "Transfer-Encoding: chunked,\r\n"),
        ("RFC 9110 §5.6.1: empty elements", "Transfer-Encoding: , ,chunked\r\n"),
        ("RFC 9112 §6.1: empty", "Transfer-Encoding:\r\n"),
        ("RFC 9112 §6.1: empty", "Transfer-Encoding: \t\r\n"),
        ("RFC 9110 §5.5: a vertical tab", "Transfer-Encoding:\u{b}chunked\r\n"),
        ("RFC 9110 §5.5: a vertical tab", "Transfer-Encoding: chunked\u{b}\r\n"),
        ("RFC 9110 §5.5: a form feed", "Transfer-Encoding:\u{c}chunked\r\n"),
        ("RFC 9110 §5.5: NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("RFC 9110 §5.5: NUL in the name", "Transfer-Encoding\0: chunked\r\n"),
    ]);
    rows.push(row(
        "RFC 9110 §5.5: a no-break blank of Latin-1",
        post(b"Transfer-Encoding: \xa0chunked\r\n", "0\r\n\r\n"),
    ));
    rows.push(row(
        "RFC 9110 §5.5: a byte of Latin-1",
        post(b"Transfer-Encoding: chunked\xff\r\n", "0\r\n\r\n"),
    ));
    rows.push(row("RFC 9112 §6.1: on a GET", get("Transfer-Encoding: gzip\r\n")));
    for (rule, fields) in [
        ("RFC 9112 §6.1, CVE-2026-2835: HTTP/1.0", "Transfer-Encoding: chunked\r\n"),
        (
            "RFC 9112 §6.1, CVE-2026-2835: HTTP/1.0",
            "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
        ),
        ("RFC 9112 §6.1, CVE-2026-2835: HTTP/1.0", "Transfer-Encoding: identity\r\n"),
        ("RFC 9112 §6.1, CVE-2026-2835: HTTP/1.0", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    ] {
        let head =
            "POST /v1/order/placeorder HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n";
        rows.push(row(rule, format!("{head}{fields}\r\n0\r\n\r\n")));
    }
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}
