//! What is read, in all its allowed forms, is written anew in one: the bytes that upstream receives are known to the last.

use super::forwards;

const JSON: &str = "Content-Type: application/json\r\n";

fn table(rows: &[(&'static str, &str, &str)]) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    rows.iter().map(|&(rule, sent, expected)| (rule, sent.into(), expected.into())).collect()
}

#[tokio::test]
async fn a_request_without_a_body_is_sent_without_one() {
    let plain = "GET /v1/account/list HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n";
    forwards(table(&[
        ("RFC 9112 §3", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n", plain),
        ("RFC 9112 §2.2: a line end before it", "\r\nGET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n", plain),
        ("RFC 9112 §2.2: line ends before it", "\r\n\r\n\r\nGET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n", plain),
        ("RFC 9112 §3.2.2: absolute-form", "GET http://localhost/v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n", plain),
        ("RFC 9112 §5.1: no blank", "GET /v1/account/list HTTP/1.1\r\nHost:localhost\r\n\r\n", plain),
        ("RFC 9112 §5.1: blanks and tabs", "GET /v1/account/list HTTP/1.1\r\nHost: \t localhost \t \r\n\r\n", plain),
        ("RFC 9110 §5.1: names have no case", "GET /v1/account/list HTTP/1.1\r\nhOsT: localhost\r\n\r\n", plain),
        ("RFC 9110 §8.6: a length of none", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", plain),
        ("RFC 9110 §8.6: zeros", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0000\r\n\r\n", plain),
        ("RFC 9112 §9.6: kept alive as ever", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n", plain),
        ("RFC 9112 §9.3: HTTP/1.0", "GET /v1/account/list HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n", plain),
        ("RFC 9112 §3.2: HTTP/1.0 need not name a host", "GET /v1/account/list HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", plain),
        ("RFC 9110 §7.8: HTTP/1.0 knows no upgrade", "GET /v1/account/list HTTP/1.0\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n", plain),
        ("RFC 9110 §7.8: h2c is not taken up", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n", plain),
        ("RFC 9110 §10.1.1: nothing to continue with", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\r\n", plain),
        ("RFC 9110 §10.1.1: in any case", "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nEXPECT: 100-Continue\r\n\r\n", plain),
    ]))
    .await;
}

#[tokio::test]
async fn a_target_is_sent_as_it_came() {
    let targets = [
        "/v1/account/list",
        "/V1/Account/LIST",
        "/v1/account/list/",
        "/v1/account/list?",
        "/v1/account/list??",
        "/v1/account/list?a=b&&c",
        "/v1/account/list?x=/../..//%2f%2e;@:%00\\",
        "/v1/account/list?\"<>^`{|}'()*!$",
        "/v1/account/list?%C5%BF%ff%",
        "/v1/.well-known/openid-configuration",
    ];
    let rows = targets.map(|target| {
        (
            "RFC 9112 §3.2.1: nothing is normalised",
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into(),
            format!("GET {target} HTTP/1.1\r\nHost: {{host}}\r\n{{bearer}}\r\n").into(),
        )
    });
    forwards(rows).await;
    let methods = ["PUT", "PATCH", "POST"].map(|method| {
        (
            "RFC 9110 §8.6: a method that expects a body says that there is none",
            format!("{method} /v1/order/list HTTP/1.1\r\nHost: localhost\r\n\r\n").into(),
            format!(
                "{method} /v1/order/list HTTP/1.1\r\nHost: {{host}}\r\n{{bearer}}Content-Length: 0\r\n\r\n"
            )
            .into(),
        )
    });
    forwards(methods).await;
    let methods = ["GET", "DELETE", "OPTIONS", "HEAD"].map(|method| {
        (
            "RFC 9110 §8.6: one that does not is silent",
            format!("{method} /v1/order/list HTTP/1.1\r\nHost: localhost\r\n\r\n").into(),
            format!("{method} /v1/order/list HTTP/1.1\r\nHost: {{host}}\r\n{{bearer}}\r\n").into(),
        )
    });
    forwards(methods).await;
}

#[tokio::test]
async fn a_body_is_sent_with_its_length_however_it_came() {
    let inner = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let head = format!("POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\n{JSON}");
    let written = |body: &str| {
        format!(
            "POST /v1/order/list HTTP/1.1\r\nHost: {{host}}\r\n{JSON}{{bearer}}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut rows = Vec::new();
    for (rule, rest, body) in [
        ("RFC 9110 §8.6", "Content-Length: 2\r\n\r\n{}", "{}"),
        ("RFC 9110 §8.6: zeros", "Content-Length: 0002\r\n\r\n{}", "{}"),
        ("RFC 9110 §8.6: blanks", "Content-Length: \t 2 \t\r\n\r\n{}", "{}"),
        ("RFC 9112 §7.1", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}"),
        ("RFC 9112 §7: codings have no case", "Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "{}"),
        (
            "RFC 9110 §5.5: blanks around it",
            "Transfer-Encoding: \tchunked \t\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1: chunks of one byte",
            "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1: zeros",
            "Transfer-Encoding: chunked\r\n\r\n0000000000000002\r\n{}\r\n0000000000000000\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1: letters of either case",
            "Transfer-Encoding: chunked\r\n\r\nA\r\n[1,2,3,45]\r\na\r\n          \r\n0\r\n\r\n",
            "[1,2,3,45]          ",
        ),
        (
            "RFC 9112 §7.1.1: extensions",
            "Transfer-Encoding: chunked\r\n\r\n2;x=y;z=\"a b\"\r\n{}\r\n0;x\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1.1: a blank before one",
            "Transfer-Encoding: chunked\r\n\r\n2 \t;x\r\n{}\r\n0 ;x\r\n\r\n",
            "{}",
        ),
        ("RFC 9112 §7.1.1: an empty one", "Transfer-Encoding: chunked\r\n\r\n2;\r\n{}\r\n0\r\n\r\n", "{}"),
        (
            "RFC 9110 §6.5.1: trailers",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Test: a\r\n\r\n",
            "{}",
        ),
        (
            "K2: a credential in a trailer",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: Bearer theirs\r\nHost: evil.example\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9110 §6.5.1: framing in a trailer",
            "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
            "{}",
        ),
        (
            "RFC 9112 §7.1: line ends in the data",
            "Transfer-Encoding: chunked\r\n\r\n8\r\n\r\n0\r\n\r\n \r\n0\r\n\r\n",
            "\r\n0\r\n\r\n ",
        ),
    ] {
        rows.push((rule, format!("{head}{rest}").into(), written(body).into()));
    }
    let length = inner.len();
    rows.push((
        "a request within a body",
        format!("{head}Content-Length: {length}\r\n\r\n{inner}").into(),
        written(inner).into(),
    ));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n");
    rows.push(("a request within a chunk", chunked.into(), written(inner).into()));
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    rows.push(("RFC 9112 §7.1: no chunk but the last", chunked.into(), written("").into()));
    forwards(rows).await;
}

#[tokio::test]
async fn a_body_of_a_get_goes_with_it() {
    // RFC 9110 §9.3.1: no meaning, but a length; whoever ignores it reads the body for a request.
    let inner = "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = inner.len();
    let rows = ["GET", "DELETE", "OPTIONS", "HEAD"].map(|method| {
        (
            "CVE-2020-35863: a body of a GET",
            format!("{method} /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{JSON}Content-Length: {length}\r\n\r\n{inner}").into(),
            format!("{method} /v1/account/list HTTP/1.1\r\nHost: {{host}}\r\n{JSON}{{bearer}}Content-Length: {length}\r\n\r\n{inner}").into(),
        )
    });
    forwards(rows).await;
}
