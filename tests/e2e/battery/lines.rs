//! Field lines: where they end, and what may stand in them.

use super::{Row, get, refuses_and_hangs_up, row};

fn gets(rows: &[(&'static str, &str)]) -> Vec<Row> {
    rows.iter().map(|(rule, fields)| row(rule, get(fields))).collect()
}

#[tokio::test]
async fn a_line_that_two_parsers_could_end_in_two_places_is_not_read() {
    let mut rows = gets(&[
        ("RFC 9112 §2.2: a bare LF", "X-Test: a\n"),
        ("RFC 9112 §2.2: a bare LF", "X-Test: a\nTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §2.2: a bare LF", "X-Test: a\n\r\n"),
        ("RFC 9112 §2.2: a bare LF ends the head", "X-Test: a\r\n\n"),
        ("RFC 9112 §2.2: a bare LF ends the head", "\n"),
        ("RFC 9112 §2.2: LF CR", "X-Test: a\n\rX-Test: b\r\n"),
        ("RFC 9112 §2.2: a bare CR", "X-Test: a\rb\r\n"),
        ("RFC 9112 §2.2: a bare CR", "X-Test: a\rTransfer-Encoding: chunked\r\n"),
        ("RFC 9112 §2.2: a bare CR before the line end", "X-Test: a\r\r\n"),
        ("RFC 9112 §2.2: a bare CR for a line", "\r\r\n"),
        ("RFC 9112 §2.2: a bare CR in a name", "X-\rTest: a\r\n"),
        ("RFC 9112 §2.2: a bare CR before a name", "\rX-Test: a\r\n"),
        ("RFC 9112 §2.2: a bare CR behind the colon", "X-Test:\ra\r\n"),
        ("RFC 9112 §5.2: a folded line", "X-Test: a\r\n b\r\n"),
        ("RFC 9112 §5.2: a folded line", "X-Test: a\r\n\tb\r\n"),
        ("RFC 9112 §5.2: a folded line", "X-Test:\r\n a\r\n"),
        ("RFC 9112 §5.2: a folded line of blanks", "X-Test: a\r\n  \r\n"),
        ("RFC 9112 §5.2: a coding that is folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("RFC 9112 §5.2: a coding in a fold", "X-Test: a\r\n Transfer-Encoding: chunked\r\n"),
        ("RFC 9112 §5.2: a length that is folded", "Content-Length: 1\r\n 0\r\n"),
    ]);
    let first = |line: &str| format!("GET /v1/account/list HTTP/1.1\r\n{line}Host: localhost\r\n\r\n");
    rows.extend([
        row("RFC 9112 §2.2: blanks before the first line", first(" X-Test: a\r\n")),
        row("RFC 9112 §2.2: blanks before the first line", first("\tX-Test: a\r\n")),
        row(
            "RFC 9112 §2.2: a request line that ends in LF",
            "GET /v1/account/list HTTP/1.1\nHost: localhost\r\n\r\n",
        ),
        row("RFC 9112 §2.2: nothing but LF", "GET /v1/account/list HTTP/1.1\nHost: localhost\n\n"),
        row(
            "RFC 9112 §2.2: a request line that ends in CR",
            "GET /v1/account/list HTTP/1.1\rHost: localhost\r\n\r\n",
        ),
        row(
            "RFC 9112 §2.2: LF before a request",
            "\nGET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
    ]);
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn what_is_no_field_line_is_not_read() {
    let rows = gets(&[
        ("RFC 9112 §5.1: a blank before the colon", "X-Test : a\r\n"),
        ("RFC 9112 §5.1: a blank before the colon", "Content-Length : 3\r\n"),
        ("RFC 9112 §5.1: a blank before the colon", "Transfer-Encoding : chunked\r\n"),
        ("RFC 9112 §5.1: a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
        ("RFC 9112 §5: no colon", "no colon\r\n"),
        ("RFC 9112 §5: no colon", "Transfer-Encoding\r\n"),
        ("RFC 9112 §5: a request for a field", "GET /v1/smuggled HTTP/1.1\r\n"),
        ("RFC 9110 §5.1: no name", ": a\r\n"),
        ("RFC 9110 §5.1: no name", ":\r\n"),
        ("RFC 9113 §8.3: a pseudo-field", ":authority: evil.example\r\n"),
        ("RFC 9110 §5.6.2: no token", "X Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X/Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X@Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "(X): a\r\n"),
        ("RFC 9110 §5.6.2: no token", "\"X-Test\": a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X=Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X,Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X;Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X[]: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X{}: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "X\\Test: a\r\n"),
        ("RFC 9110 §5.6.2: no token", "\u{e4}: a\r\n"),
        ("RFC 9110 §5.6.2: a letter that looks like another", "Transfer\u{2010}Encoding: chunked\r\n"),
    ]);
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_control_byte_is_not_read_wherever_it_stands() {
    // RFC 9110 §5.5: CR, LF and NUL are dangerous, the others useless; the tab alone is a blank.
    let controls = (0..=0x1f).chain([0x7f]).filter(|byte| !b"\t\r\n".contains(byte));
    let mut rows = Vec::new();
    for byte in controls {
        rows.push(row("RFC 9110 §5.5: in a value", get([b"X-Test: a", &[byte][..], b"b\r\n"].concat())));
        rows.push(row(
            "RFC 9110 §5.5: at the end of a value",
            get([b"X-Test: a", &[byte][..], b"\r\n"].concat()),
        ));
        rows.push(row("RFC 9110 §5.5: before a value", get([b"X-Test:", &[byte][..], b"a\r\n"].concat())));
        rows.push(row("RFC 9110 §5.6.2: in a name", get([b"X-", &[byte][..], b"Test: a\r\n"].concat())));
        rows.push(row("RFC 9112 §5.1: behind a name", get([b"X-Test", &[byte][..], b": a\r\n"].concat())));
    }
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_control_byte_is_found_in_a_long_value_too() {
    // httparse reads by the vector: each place in one is a branch of its own.
    let rows = (0..70).map(|at| {
        let value: Vec<u8> = (0..70).map(|place| if place == at { 0x7f } else { b'x' }).collect();
        row("RFC 9110 §5.5: in a long value", get([b"X-Test: ", &value[..], b"\r\n"].concat()))
    });
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_host_that_is_missing_doubled_or_none_is_not_read() {
    let head = |fields: &str| format!("GET /v1/account/list HTTP/1.1\r\n{fields}\r\n");
    let rows = [
        row("RFC 9112 §3.2: none", head("")),
        row("RFC 9112 §3.2: a look-alike is none", head("Host_: localhost\r\n")),
        row("RFC 9112 §3.2: two", head("Host: localhost\r\nHost: localhost\r\n")),
        row("RFC 9112 §3.2: two", head("Host: localhost\r\nX-Test: a\r\nhOST: evil.example\r\n")),
        row("RFC 9112 §3.2: two, one empty", head("Host:\r\nHost: localhost\r\n")),
        row("RFC 9110 §7.2: a list", head("Host: localhost, evil.example\r\n")),
        row("RFC 9110 §7.2: two words", head("Host: localhost evil.example\r\n")),
        row("RFC 9110 §7.2: two words", head("Host: localhost\tevil.example\r\n")),
        row("RFC 9110 §7.2: a path", head("Host: localhost/v1\r\n")),
        row("RFC 9110 §7.2: a query", head("Host: localhost?x\r\n")),
        row("RFC 9110 §7.2: a fragment", head("Host: localhost#x\r\n")),
        row("RFC 9110 §7.2: a URL", head("Host: http://localhost\r\n")),
        row("RFC 9110 §4.2.4: userinfo", head("Host: user@localhost\r\n")),
        row("RFC 3986 §3.2.2: a backslash", head("Host: localhost\\evil.example\r\n")),
        row("RFC 3986 §3.2.2: quoted", head("Host: \"localhost\"\r\n")),
        row("RFC 3986 §3.2.2: brackets of another kind", head("Host: <localhost>\r\n")),
        row("RFC 3986 §3.2.2: beyond ASCII", head("Host: l\u{f6}calhost\r\n")),
    ];
    refuses_and_hangs_up(rows, 400, "bad-request").await;
}

#[tokio::test]
async fn a_head_with_too_many_or_too_long_lines_is_not_read() {
    let rows = [
        row("RFC 6585 §5: 101 lines, with Host", get("X-Test: a\r\n".repeat(100))),
        row("RFC 6585 §5: a line without end", get(format!("X-Test: {}\r\n", "a".repeat(17 * 1024)))),
        row("RFC 6585 §5: a name without end", get(format!("{}: a\r\n", "a".repeat(17 * 1024)))),
    ];
    // Byte by byte that is as much work for the machine as the rest of the battery.
    refuses_and_hangs_up(rows, 431, "head-too-large").await;
    let long = format!("GET /v1/account/list?{} HTTP/1.1\r\n", "a".repeat(17 * 1024));
    refuses_and_hangs_up([row("RFC 9110 §15.5.15", long)], 414, "target-too-long").await;
}
