//! Bodies of answers: what breaks its framing or off never ends as if it were whole.

use super::{Packets, Row, asked, context, is_offered, raw, row};
use crate::support::client::End;

fn chunked(rows: &[(&'static str, &str)]) -> Vec<Row> {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    rows.iter().map(|(rule, body)| row(rule, format!("{head}{body}"))).collect()
}

#[tokio::test]
async fn a_chunked_answer_that_is_broken_never_ends_well() {
    let rows = chunked(&[
        ("RFC 9112 §7.1: no size", "2\r\n{}\r\n\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a sign", "2\r\n{}\r\n-0\r\n\r\n"),
        ("RFC 9112 §7.1: a sign", "2\r\n{}\r\n+1\r\nx\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a prefix", "2\r\n{}\r\n0x1\r\nx\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: no digit", "2\r\n{}\r\ng\r\n"),
        ("RFC 9112 §7.1: an overflow", "2\r\n{}\r\n10000000000000000\r\n\r\n"),
        ("RFC 9112 §7.1: a blank before it", "2\r\n{}\r\n 0\r\n\r\n"),
        ("RFC 9112 §7.1: more data than its size", "2\r\n{}x\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare LF", "2\r\n{}\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare LF", "2\r\n{}\r\n0\n\n"),
        ("CVE-2025-55315: a bare LF in an extension", "2\r\n{}\r\n0;\n\r\n\r\n"),
        ("RFC 9112 §7.1.1: a control byte in an extension", "2\r\n{}\r\n0;\u{1}\r\n\r\n"),
        ("RFC 9112 §7.1.2: a second answer for a trailer", "2\r\n{}\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n"),
        ("RFC 9112 §7.1.2: a fold in a trailer", "2\r\n{}\r\n0\r\nX-Test-A: a\r\n b\r\n\r\n"),
        ("RFC 9112 §7.1.2: NUL in a trailer", "2\r\n{}\r\n0\r\nX-Test-A: a\0\r\n\r\n"),
        ("RFC 9112 §7.1.2: a bare CR in a trailer", "2\r\n{}\r\n0\r\nX-Test-A: a\rb\r\n\r\n"),
    ]);
    is_offered(rows, |answer, context| {
        // A reset may overtake what was written before it: that it ends in one is what counts.
        assert_eq!(answer.unwrap_err(), End::Reset, "{context}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_whose_connection_ends_too_early_never_ends_well() {
    // U3, RFC 9112 §8.
    let rows = [
        row("RFC 9112 §8: less than its length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"),
        row("RFC 9112 §8: none of its length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"),
        row(
            "RFC 9112 §8: a chunk that is not whole",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}",
        ),
        row("RFC 9112 §8: no last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"),
        row(
            "RFC 9112 §8: no end of the trailers",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        ),
        row("RFC 9112 §8: no chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ];
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes) in rows {
        for end in [End::Closed, End::Reset] {
            let context = context(rule, &bytes, Packets::One);
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, "GET").await;
            request.write(&bytes).await;
            request.end(end).await;
            match client.try_answer_to("GET").await {
                // A short answer is waited for whole before its head is passed on.
                Ok(told) => super::is_no_answer(&told, "connection-lost", &context),
                Err(broken) => assert_eq!(broken, End::Reset, "{context}, {end:?}"),
            }
            super::goes_on(&mut proxy.client().await, &mut upstream, &context).await;
        }
    }
}

#[tokio::test]
async fn what_is_allowed_is_passed_on_in_one_form() {
    let (mut upstream, proxy) = raw().await;
    for (rule, bytes, body) in [
        ("RFC 9112 §6.2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9110 §8.6: zeros", "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\n{}", "{}"),
        ("RFC 9112 §4: no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9112 §4: nor the blank before it", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9112 §4: a reason beyond ASCII", "HTTP/1.1 200 gr\u{fc}n\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9110 §5.1: names have no case", "HTTP/1.1 200 OK\r\ncONTENT-lENGTH:2\r\n\r\n{}", "{}"),
        (
            "RFC 9112 §7: codings have no case",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1.1: extensions",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=\"b;c\"\r\n{\r\n1;x\r\n}\r\n0;y\r\n\r\n",
            "{}",
        ),
        (
            "some servers pad the size",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2   \r\n{}\r\n0   \r\n\r\n",
            "{}",
        ),
        (
            "RFC 9110 §6.5.1: trailers that may not be",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nSet-Cookie: a=b\r\nLocation: http://evil.example\r\nContent-Type: text/html\r\nCache-Control: public\r\nAuthorization: a\r\nWWW-Authenticate: Basic\r\nX-Proxy-Outcome: not-sent\r\nAccess-Control-Allow-Origin: *\r\n\r\n",
            "{}",
        ),
        ("RFC 9110 §15: a status that nobody knows", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9110 §15.3.6", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", ""),
    ] {
        for packets in Packets::ALL {
            let context = context(rule, bytes.as_bytes(), packets);
            let mut client = proxy.client().await;
            let mut request = asked(&mut client, &mut upstream, "GET").await;
            let (last, rest) = bytes.as_bytes().split_last().unwrap();
            request.offer(rest, packets == Packets::ByteByByte).await;
            request.answer([*last]).await;
            let answer = client.answer().await;
            assert_eq!((answer.text(), answer.trailers.len()), (body, 0), "{context}");
            super::goes_on(&mut client, &mut upstream, &context).await;
        }
    }
}
