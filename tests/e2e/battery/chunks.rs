//! The chunked coding, as RFC 9112 §7.1 spells it and no other way.

use super::{Row, post, refuses_and_hangs_up, row};

/// Orders with these chunked bodies.
fn posts(rows: &[(&'static str, &str)]) -> Vec<Row> {
    rows.iter().map(|(rule, body)| chunked(rule, body)).collect()
}

fn chunked(rule: &'static str, body: impl AsRef<[u8]>) -> Row {
    row(rule, post("Transfer-Encoding: chunked\r\n", body))
}

#[tokio::test]
async fn a_chunk_size_that_is_not_plain_hexadecimal_is_not_read() {
    let rows = posts(&[
        ("RFC 9112 §7.1: no size", "\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: no size", ";x\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a sign", "+2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a sign", "-2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a sign", "-0\r\n\r\n"),
        ("RFC 9112 §7.1: a prefix", "0x2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a prefix", "0X2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a prefix on the last", "2\r\n{}\r\n0x0\r\n\r\n"),
        ("RFC 9112 §7.1: a suffix", "2h\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: no digit", "g\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a fraction", "2.0\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a separator", "0_2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: quoted", "\"2\"\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a list", "2,2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a full-width digit", "\u{ff12}\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a blank before it", " 2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a tab before it", "\t2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a blank behind it", "2 \r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a tab behind it", "2\t\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a blank behind the last", "2\r\n{}\r\n0 \r\n\r\n"),
        ("RFC 9112 §7.1: a blank within it", "0 2\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a word behind it", "2 x\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a colon behind it", "2: x\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: NUL behind it", "2\0\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a vertical tab behind it", "2\u{b}\r\n{}\r\n0\r\n\r\n"),
        ("RUSTSEC-2021-0079: 2^64 + 2", "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("RUSTSEC-2021-0079: 2^64", "10000000000000000\r\n{}\r\n0\r\n\r\n"),
        ("RUSTSEC-2021-0079: 2^128 + 2", "100000000000000000000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: more digits than any size has", "00000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: more digits than any size has", "2\r\n{}\r\n00000000000000000\r\n\r\n"),
    ]);
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_chunk_size_that_no_request_has_is_refused_before_it_is_read() {
    // The first chunk is within its size, so that there is data to judge.
    let data = "x".repeat(1024 * 1024 + 1);
    let (mut upstream, proxy) = super::raw().await;
    for size in ["100001", "7fffffffffffffff", "ffffffffffffffff", "0000000000100001"] {
        let (rule, bytes) = chunked("RUSTSEC-2021-0079", format!("{size}\r\n{data}"));
        let context = format!("{rule}: {size}");
        let mut client = proxy.client().await;
        super::send(&mut client, &bytes, super::Packets::One).await;
        let answer = client.answer().await;
        super::is_refusal(&answer, 413, "body-too-large", &context);
        assert_eq!(answer.header("connection"), Some("close"), "{context}");
        super::goes_on(&mut proxy.client().await, &mut upstream, &context).await;
    }
}

#[tokio::test]
async fn a_chunk_that_does_not_end_where_it_says_is_not_read() {
    let rows = posts(&[
        ("RFC 9112 §7.1: more data than its size", "2\r\n{}x\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a line end too many", "2\r\n{}\r\n\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: no line end", "2\r\n{}0\r\n\r\n"),
        ("RFC 9112 §7.1: less data than its size", "4\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: two bytes that are no line end", "2\r\n{}xx0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare LF behind the data", "2\r\n{}\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare CR behind the data", "2\r\n{}\r0\r\n\r\n"),
        ("RFC 9112 §7.1: LF CR behind the data", "2\r\n{}\n\r0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare LF behind the size", "2\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare CR behind the size", "2\r{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: CR CR LF behind the size", "2\r\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1: a bare LF behind the last", "2\r\n{}\r\n0\n\r\n"),
        ("RFC 9112 §7.1: nothing but LF", "2\n{}\n0\n\n"),
        ("RFC 9112 §7.1: LF for the end", "2\r\n{}\r\n0\r\n\n"),
        ("RFC 9112 §7.1: a bare CR for the end", "2\r\n{}\r\n0\r\n\rx"),
    ]);
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_chunk_extension_that_hides_a_line_or_has_no_end_is_not_read() {
    let mut rows = posts(&[
        ("CVE-2025-55315: a bare LF in an extension", "2;\nx\r\n{}\r\n0\r\n\r\n"),
        ("CVE-2025-55315: a bare LF in an extension", "2;x\n{}\r\n0\r\n\r\n"),
        ("CVE-2025-55315: a bare LF in an extension", "2;x=\"\n\"\r\n{}\r\n0\r\n\r\n"),
        ("CVE-2025-55315: a bare CR in an extension", "2;x\ry\r\n{}\r\n0\r\n\r\n"),
        ("CVE-2025-55315: a bare CR in an extension", "2;\r{}\r\n0\r\n\r\n"),
        ("CVE-2025-55315: on the last chunk", "2\r\n{}\r\n0;\n\r\n\r\n"),
        ("RFC 9112 §7.1.1: NUL in an extension", "2;x\0\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1.1: a control byte in an extension", "2;\u{1}\r\n{}\r\n0\r\n\r\n"),
        ("RFC 9112 §7.1.1: DEL in an extension", "2;\u{7f}\r\n{}\r\n0\r\n\r\n"),
    ]);
    let long = "x".repeat(1025);
    rows.push(chunked("RFC 9112 §7.1.1, CVE-2023-39326: long", format!("2;{long}\r\n{{}}\r\n0\r\n\r\n")));
    let many = "1;xxxxxxxxxxxxxxxx\r\n \r\n".repeat(65);
    rows.push(chunked("RFC 9112 §7.1.1, CVE-2023-39326: many", format!("{many}0\r\n\r\n")));
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn trailers_that_are_no_field_lines_or_have_no_end_are_not_read() {
    let mut rows = posts(&[
        ("RFC 9112 §7.1.2: no field line", "0\r\nGET /v1/smuggled HTTP/1.1\r\n\r\n"),
        ("RFC 9112 §7.1.2: no field line", "0\r\nno colon\r\n\r\n"),
        ("RFC 9112 §7.1.2: no name", "0\r\n: a\r\n\r\n"),
        ("RFC 9112 §7.1.2: a blank before the colon", "0\r\nX-Test : a\r\n\r\n"),
        ("RFC 9112 §7.1.2: folded", "0\r\nX-Test: a\r\n b\r\n\r\n"),
        ("RFC 9112 §7.1.2: folded from the start", "0\r\n b: c\r\n\r\n"),
        ("RFC 9112 §7.1.2: a bare LF", "0\r\nX-Test: a\n\r\n"),
        ("RFC 9112 §7.1.2: a bare LF", "0\r\nX-Test: a\r\n\n"),
        ("RFC 9112 §7.1.2: a bare CR", "0\r\nX-Test: a\rb\r\n\r\n"),
        ("RFC 9112 §7.1.2: NUL", "0\r\nX-Test: a\0\r\n\r\n"),
        ("RFC 9112 §7.1.2: NUL in a name", "0\r\nX\0: a\r\n\r\n"),
        ("RFC 9112 §7.1.2: a control byte", "0\r\nX-Test: \u{1b}\r\n\r\n"),
        ("RFC 9112 §7.1.2: no token", "0\r\nX Test: a\r\n\r\n"),
        ("RFC 9112 §7.1.2: no token", "0\r\n\"X\": a\r\n\r\n"),
    ]);
    let long = "x".repeat(8 * 1024 + 1);
    rows.push(chunked("RFC 9112 §7.1.2: long", format!("0\r\nX-Test: {long}\r\n\r\n")));
    let many = "X-Test: a\r\n".repeat(1000);
    rows.push(chunked("RFC 9112 §7.1.2: many", format!("0\r\n{many}\r\n")));
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}
