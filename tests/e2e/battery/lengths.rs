//! `Content-Length`: one plain number, alone.

use super::{Row, get, post, refuses_and_hangs_up, row};

/// Orders with these field lines and a body of two bytes, which some reader would take for none, or for more.
fn posts(rows: &[(&'static str, &str)]) -> Vec<Row> {
    rows.iter().map(|(rule, fields)| row(rule, post(fields, "{}"))).collect()
}

#[tokio::test]
async fn a_length_that_is_not_one_plain_number_is_not_read() {
    let mut rows = posts(&[
        ("RFC 9112 §6.3: two", "Content-Length: 2\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §6.3: two that differ", "Content-Length: 2\r\nContent-Length: 0\r\n"),
        ("RFC 9112 §6.3: two that differ", "Content-Length: 0\r\nContent-Length: 2\r\n"),
        ("RFC 9112 §6.3: two in different case", "Content-Length: 2\r\ncontent-length: 3\r\n"),
        ("RFC 9112 §6.3: two, one empty", "Content-Length: 2\r\nContent-Length:\r\n"),
        ("RFC 9112 §6.3: a list of equals", "Content-Length: 2, 2\r\n"),
        ("RFC 9112 §6.3: a list", "Content-Length: 2,0\r\n"),
        ("RFC 9112 §6.3: a list with nothing in it", "Content-Length: 2,\r\n"),
        ("RFC 9112 §6.3: a list with nothing in it", "Content-Length: ,2\r\n"),
        ("RFC 9110 §8.6: empty", "Content-Length:\r\n"),
        ("RFC 9110 §8.6: empty", "Content-Length:   \r\n"),
        ("CVE-2021-32715: a sign", "Content-Length: +2\r\n"),
        ("RFC 9110 §8.6: a sign", "Content-Length: -2\r\n"),
        ("RFC 9110 §8.6: a sign", "Content-Length: -0\r\n"),
        ("RFC 9110 §8.6: a sign of Unicode's", "Content-Length: \u{2212}2\r\n"),
        ("RFC 9110 §8.6: hexadecimal", "Content-Length: 0x2\r\n"),
        ("RFC 9110 §8.6: hexadecimal", "Content-Length: a\r\n"),
        ("RFC 9110 §8.6: octal", "Content-Length: 0o2\r\n"),
        ("RFC 9110 §8.6: binary", "Content-Length: 0b10\r\n"),
        ("RFC 9110 §8.6: a fraction", "Content-Length: 2.0\r\n"),
        ("RFC 9110 §8.6: an exponent", "Content-Length: 2e0\r\n"),
        ("RFC 9110 §8.6: separators", "Content-Length: 1_0\r\n"),
        ("RFC 9110 §8.6: a blank within", "Content-Length: 1 0\r\n"),
        ("RFC 9110 §8.6: a tab within", "Content-Length: 1\t0\r\n"),
        ("RFC 9110 §8.6: a word behind it", "Content-Length: 2 bytes\r\n"),
        ("RFC 9110 §8.6: a parameter", "Content-Length: 2;x\r\n"),
        ("RFC 9110 §8.6: quoted", "Content-Length: \"2\"\r\n"),
        ("RFC 9110 §8.6: digits of another script", "Content-Length: \u{662}\r\n"),
        ("RFC 9110 §8.6: full-width digits", "Content-Length: \u{ff12}\r\n"),
        ("RFC 9110 §8.6: a superscript", "Content-Length: \u{b2}\r\n"),
        ("RFC 9110 §8.6: no number", "Content-Length: NaN\r\n"),
        ("RFC 9110 §8.6: no number", "Content-Length: true\r\n"),
        ("RFC 9110 §8.6: 2^64", "Content-Length: 18446744073709551616\r\n"),
        ("RFC 9110 §8.6: 2^64 + 2", "Content-Length: 18446744073709551618\r\n"),
        ("RFC 9110 §8.6: 2^128 + 2", "Content-Length: 340282366920938463463374607431768211458\r\n"),
    ]);
    rows.push(row("RFC 9110 §8.6: a byte beyond ASCII", post(b"Content-Length: 2\xff\r\n", "{}")));
    rows.push(row("RFC 9110 §8.6: a no-break blank of Latin-1", post(b"Content-Length: \xa02\r\n", "{}")));
    // On a method without a body a careless reader does not look.
    rows.push(row("RFC 9112 §6.3: on a GET", get("Content-Length: 2\r\nContent-Length: 0\r\n")));
    rows.push(row("RFC 9112 §6.3: on a GET", get("Content-Length: 0, 0\r\n")));
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_length_that_is_no_request_of_this_api_is_refused_before_it_is_read() {
    let rows = posts(&[
        ("RFC 9110 §15.5.14: a byte above the limit", "Content-Length: 1048577\r\n"),
        ("RFC 9110 §8.6: 2^31", "Content-Length: 2147483648\r\n"),
        ("RFC 9110 §8.6: 2^32 + 2", "Content-Length: 4294967298\r\n"),
        ("RFC 9110 §8.6: 2^63", "Content-Length: 9223372036854775808\r\n"),
        ("RFC 9110 §8.6: 2^64 - 1", "Content-Length: 18446744073709551615\r\n"),
    ]);
    refuses_and_hangs_up(rows, 413, "body-too-large").await;
}

#[tokio::test]
async fn a_body_that_ends_before_its_length_reaches_nobody() {
    let rows = [
        // What stands behind each is within its length, and ends too early still.
        row("RFC 9112 §8: less than its length", post("Content-Length: 1000\r\n", "{}")),
        row("RFC 9112 §8: none of it", post("Content-Length: 1000\r\n", "")),
        row("RFC 9112 §8: less than its chunk", post("Transfer-Encoding: chunked\r\n", "3e8\r\n{}")),
    ];
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}
