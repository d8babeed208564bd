//! Heads of answers, read as strictly as heads of requests: what two readers could take differently is no answer, its
//! connection is not used again, and the caller is told that the outcome is unknown.

use super::{Row, asked, is_no_answer, is_offered, raw, row};

/// Each row is no answer.
async fn are_refused(rows: impl IntoIterator<Item = Row>) {
    is_offered(rows, |answer, context| {
        let answer = answer.unwrap_or_else(|end| panic!("{end:?} without an answer: {context}"));
        is_no_answer(answer, "bad-answer", context);
    })
    .await;
}

fn ok(rows: &[(&'static str, &str)]) -> Vec<Row> {
    rows.iter().map(|(rule, rest)| row(rule, format!("HTTP/1.1 200 OK\r\n{rest}\r\n{{}}"))).collect()
}

#[tokio::test]
async fn a_framing_that_two_readers_could_take_differently_is_no_answer() {
    let mut rows = ok(&[
        ("RFC 9112 §6.3: two lengths", "Content-Length: 2\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §6.3: two lengths that differ", "Content-Length: 2\r\nContent-Length: 0\r\n"),
        ("RFC 9112 §6.3: a list", "Content-Length: 2, 2\r\n"),
        ("RFC 9110 §8.6: empty", "Content-Length:\r\n"),
        ("RFC 9110 §8.6: a sign", "Content-Length: +2\r\n"),
        ("RFC 9110 §8.6: a sign", "Content-Length: -1\r\n"),
        ("RFC 9110 §8.6: hexadecimal", "Content-Length: 0x2\r\n"),
        ("RFC 9110 §8.6: a blank", "Content-Length: 2 0\r\n"),
        ("RFC 9110 §8.6: no number", "Content-Length: two\r\n"),
        ("RFC 9110 §8.6: 2^64", "Content-Length: 18446744073709551616\r\n"),
        ("RFC 9112 §6.3: CL.TE", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §6.3: TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §6.1: twice", "Transfer-Encoding: chunked, chunked\r\n"),
        ("RFC 9112 §6.1: twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §7: another coding", "Transfer-Encoding: gzip\r\n"),
        ("RFC 9112 §7: another coding", "Transfer-Encoding: gzip, chunked\r\n"),
        ("RFC 9112 §7: another coding", "Transfer-Encoding: identity\r\n"),
        ("RFC 9112 §7: another coding", "Transfer-Encoding: xchunked\r\n"),
        ("RFC 9112 §7: quoted", "Transfer-Encoding: \"chunked\"\r\n"),
        ("RFC 9112 §7: empty", "Transfer-Encoding:\r\n"),
    ]);
    rows.push(row(
        "RFC 9112 §6.1: HTTP/1.0",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ));
    are_refused(rows).await;
}

#[tokio::test]
async fn a_line_that_two_readers_could_end_in_two_places_is_no_answer() {
    let mut rows = ok(&[
        ("RFC 9112 §2.2: a bare LF", "X-Test: a\nSet-Cookie: b\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §2.2: a bare LF for the end", "Content-Length: 2\r\n\n"),
        ("RFC 9112 §2.2: a bare CR", "X-Test: a\rSet-Cookie: b\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §2.2: a bare CR", "X-Test: a\r\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §5.2: a fold", "X-Test: a\r\n b\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §5.2: a fold", "Content-Length:\r\n 2\r\n"),
        ("RFC 9112 §5.2: a fold first", " X-Test: a\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.5: NUL", "X-Test: a\0b\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.5: NUL in a name", "X\0Test: a\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.5: a control byte", "X-Test: \u{1b}[2J\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.5: DEL", "X-Test: \u{7f}\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §5.1: a blank before the colon", "Content-Length : 2\r\n"),
        ("RFC 9112 §5: no colon", "no colon\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §5: a status line for a field", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.1: no name", ": a\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.6.2: no token", "X Test: a\r\nContent-Length: 2\r\n"),
        ("RFC 9110 §5.6.2: no token", "X\u{e4}: a\r\nContent-Length: 2\r\n"),
    ]);
    rows.push(row("RFC 9112 §2.2: nothing but LF", "HTTP/1.1 200 OK\nContent-Length: 2\n\n{}"));
    are_refused(rows).await;
}

#[tokio::test]
async fn what_is_no_status_line_is_no_answer() {
    let lines = [
        "garbage",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1 0x1 OK",
        "HTTP/1.1 OK 200",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200 O\u{0}K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1 200 \u{1b}",
        "HTTP/1.2 200 OK",
        "HTTP/2 200 OK",
        "HTTP/2.0 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "SSH-2.0-x",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "GET / HTTP/1.1",
    ];
    let rows = lines.map(|line| row("RFC 9112 §4", format!("{line}\r\nContent-Length: 2\r\n\r\n{{}}")));
    are_refused(rows).await;
}

#[tokio::test]
async fn a_head_without_measure_is_no_answer() {
    let (mut upstream, proxy) = raw().await;
    for (rule, fields) in [
        ("U1: 300 kB in one line", format!("X-Test: {}\r\n", "a".repeat(300_000))),
        ("U1: a line without end", "a".repeat(300_000)),
        ("U1: 2,000 lines", "X-Test: a\r\n".repeat(2000)),
        ("U1: 101 lines", "X-Test: a\r\n".repeat(101)),
    ] {
        let mut client = proxy.client().await;
        let mut request = asked(&mut client, &mut upstream, "GET").await;
        request.offer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes(), false).await;
        is_no_answer(&client.answer().await, "bad-answer", rule);
        request.left().await;
        super::goes_on(&mut client, &mut upstream, rule).await;
    }
}

#[tokio::test]
async fn interim_answers_have_no_body_no_end_and_no_switch_of_protocols() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    let rows = [
        row(
            "RFC 9110 §15.2.2: nobody asked",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
                .to_owned(),
        ),
        row(
            "RFC 9110 §15.2.2: behind others",
            format!("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n{whole}"),
        ),
        row("U1: 33 hints", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33) + whole),
        row(
            "U1: 200 of any kind",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n".repeat(100) + whole,
        ),
        row(
            "RFC 9112 §6.3: a body is none",
            format!("HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{{}}{whole}"),
        ),
        row(
            "RFC 9112 §6.3: a contradiction",
            format!(
                "HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{whole}"
            ),
        ),
        row("RFC 9112 §5.2: a fold", format!("HTTP/1.1 103 Early Hints\r\nX-Test: a\r\n b\r\n\r\n{whole}")),
    ];
    are_refused(rows).await;
}

#[tokio::test]
async fn an_interim_answer_loses_what_an_answer_loses() {
    // golang/go#81319: hop-by-hop fields crossed on 1xx.
    let (mut upstream, proxy) = raw().await;
    let fields = "Connection: X-Test-Hop, keep-alive\r\nX-Test-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\nTrailer: X\r\n\
                  Transfer-Encoding: chunked\r\nUpgrade: h2\r\nProxy-Authenticate: Basic\r\nProxy-Authorization: x\r\n\
                  Proxy-Connection: close\r\nProxy-Authentication-Info: x\r\nSet-Cookie: a=b\r\nSet_Cookie: a=b\r\nAlt-Svc: h3\r\n\
                  Access-Control-Allow-Origin: *\r\naccess_control_allow_origin: *\r\nX-Proxy-Outcome: not-sent\r\nX-Test-A: 1\r\n";
    for interim in ["103 Early Hints", "102 Processing", "199 Odd"] {
        let mut client = proxy.client().await;
        let mut request = asked(&mut client, &mut upstream, "GET").await;
        request.write(format!("HTTP/1.1 {interim}\r\n{fields}\r\n")).await;
        let head = client.head().await;
        assert_eq!(head.start, format!("HTTP/1.1 {interim}"));
        assert_eq!(head.fields, [("X-Test-A".to_owned(), "1".to_owned())]);
        request.answer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n0\r\n\r\n")).await;
        let mut answer = client.answer().await;
        answer.head.fields.retain(|(name, _)| name != "Date");
        let expected = [("X-Test-A", "1"), ("Transfer-Encoding", "chunked")];
        assert_eq!(answer.head.fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}

#[tokio::test]
async fn a_redirect_is_handed_back_and_never_followed() {
    // To another host, with the token, would be theft.
    let (mut upstream, proxy) = raw().await;
    for status in [300, 301, 302, 303, 305, 306, 307, 308] {
        for location in ["http://evil.example/v1", "//evil.example", "/v1/elsewhere"] {
            let mut client = proxy.client().await;
            let request = asked(&mut client, &mut upstream, "POST").await;
            let answer =
                format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            request.answer(answer).await;
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.header("location")), (status, Some(location)));
            super::goes_on(&mut client, &mut upstream, location).await;
        }
    }
}
