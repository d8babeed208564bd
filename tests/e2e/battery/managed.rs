//! The fields that are the proxy's to say: nothing that a caller sends adds, removes or doubles one, or has it said to
//! another authority.

use super::forwards;

/// Each of these fields leaves a GET as if they had not been there.
async fn leaves_nothing(rows: impl IntoIterator<Item = (&'static str, String)>) {
    let expected = "GET /v1/account/list HTTP/1.1\r\nHost: {host}\r\n{bearer}\r\n";
    forwards(rows.into_iter().map(|(rule, fields)| {
        let sent = format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        (rule, sent.into(), expected.into())
    }))
    .await;
}

#[tokio::test]
async fn connection_removes_nothing_of_ours_however_it_names_it() {
    let fields = [
        "Connection: Authorization",
        "Connection: authorization",
        "Connection: AUTHORIZATION",
        "Connection: aUtHoRiZaTiOn",
        "CONNECTION: Authorization",
        "connection: authorization",
        "Connection: keep-alive, Authorization",
        "Connection: Authorization, keep-alive",
        "Connection:Authorization",
        "Connection: \tAuthorization\t",
        "Connection: keep-alive\t,\tAuthorization",
        "Connection: ,,Authorization,,",
        "Connection: , ,\t, Authorization",
        "Connection: keep-alive\r\nConnection: Authorization",
        "Connection:\r\nConnection: Authorization",
        "Connection: Authorization\r\nconnection: Authorization\r\nCONNECTION: Authorization",
        "Connection: Host",
        "Connection: host, authorization",
        "Connection: Content-Length, Transfer-Encoding, Host",
        "Connection: \"Authorization\"",
        "Connection: Authorization;q=1",
        "Connection: Authorization Host",
        "Connection: Connection",
        "Connection: *",
        "Proxy-Connection: Authorization",
        "Keep-Alive: Authorization",
        "Connection: Authorization\r\nAuthorization: Bearer theirs",
        "Authorization: Bearer theirs\r\nConnection: Authorization",
    ];
    let rows =
        fields.map(|fields| ("CVE-2022-31813, CVE-2024-45410, CVE-2026-29054", format!("{fields}\r\n")));
    leaves_nothing(rows).await;
}

#[tokio::test]
async fn what_connection_names_stays_behind() {
    let rows = [
        "Connection: X-Test\r\nX-Test: 1",
        "X-Test: 1\r\nConnection: X-Test",
        "Connection: x-test\r\nX-TEST: 1\r\nx-Test: 2",
        "Connection: keep-alive\r\nX-Test: 1\r\nConnection: X-Test",
        "Connection: ,\tX-Test\t, X-Test-Two ,\r\nX-Test: 1\r\nX-Test-Two: 2",
    ];
    leaves_nothing(rows.map(|fields| ("RFC 9110 §7.6.1", format!("{fields}\r\n")))).await;
}

#[tokio::test]
async fn what_belongs_to_a_hop_a_credential_or_a_browser_stays_behind_however_it_is_spelled() {
    let names = [
        ("RFC 9110 §7.6.1", "Keep-Alive"),
        ("RFC 9110 §7.6.1", "TE"),
        ("RFC 9110 §6.6.2", "Trailer"),
        ("RFC 9110 §7.6.1", "Proxy-Connection"),
        ("RFC 9110 §11.7.1", "Proxy-Authenticate"),
        ("RFC 9110 §11.7.2", "Proxy-Authorization"),
        ("RFC 9110 §11.7.3", "Proxy-Authentication-Info"),
        ("RFC 7540 §3.2.1", "HTTP2-Settings"),
        ("RFC 9110 §11.6.2", "Authorization"),
        ("RFC 6265 §5.4", "Cookie"),
        ("RFC 2965", "Cookie2"),
        ("RFC 6454 §7", "Origin-"),
        ("RFC 9110 §10.1.3", "Referer"),
        ("a browser's", "Sec-CH-UA"),
        ("a browser's", "Sec-WebSocket-Key"),
        ("RFC 7239", "Forwarded"),
        ("a proxy's", "X-Forwarded"),
        ("a proxy's", "X-Forwarded-For"),
        ("a proxy's", "X-Forwarded-Host"),
        ("a proxy's", "X-Forwarded-Uri"),
        ("a proxy's", "X-Forwarded-Authorization"),
        ("a proxy's", "X-Real-IP"),
        ("a proxy's", "True-Client-IP"),
        ("a proxy's", "CF-Connecting-IP"),
        ("a proxy's", "X-Client-IP"),
        ("a proxy's", "X-Envoy-Original-Path"),
        ("overrides what was judged", "X-Original-URL"),
        ("overrides what was judged", "X-Original-URI"),
        ("overrides what was judged", "X-Original-Host"),
        ("overrides what was judged", "X-Rewrite-URL"),
        ("overrides what was judged", "X-Override-URL"),
        ("overrides what was judged", "X-HTTP-Method"),
        ("overrides what was judged", "X-HTTP-Method-Override"),
        ("overrides what was judged", "X-Method-Override"),
        ("overrides what was judged", "X-Host"),
        ("ours", "X-Proxy-Outcome"),
        ("CVE-2016-5385, httpoxy", "Proxy"),
    ];
    // CVE-2026-33433, CVE-2026-54763, CVE-2026-88011: aliases.
    let spelled = |name: &str| {
        let odd: String = name
            .char_indices()
            .map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c.to_ascii_uppercase() })
            .collect();
        [
            name.to_owned(),
            name.to_ascii_lowercase(),
            name.to_ascii_uppercase(),
            odd,
            name.replace('-', "_"),
            name.replace('-', "."),
            name.replacen('-', "_", 1),
            format!("{name}_"),
            format!("{name}."),
            format!("{name}-"),
            format!("{name}_._-"),
        ]
    };
    let rows = names.into_iter().flat_map(|(rule, name)| {
        spelled(name)
            .into_iter()
            .map(move |name| (rule, format!("{name}: Bearer theirs\r\n{name}: theirs\r\n")))
    });
    leaves_nothing(rows).await;
}

#[tokio::test]
async fn a_look_alike_of_framing_or_authority_stays_behind() {
    let rows = [
        "Host_: evil.example",
        "HOST.: evil.example",
        "Content_Length: 9",
        "Content.Length: 9",
        "Content-Length_: 9",
        "Content-Length-: 9",
        "Transfer_Encoding: chunked",
        "Transfer.Encoding: chunked",
        "transfer_encoding: gzip",
        "Transfer-Encoding_: chunked",
        "Expect_: 100-continue",
        "Connection_: Authorization",
        "Connection.: Authorization",
        "Upgrade_: websocket",
        "Upgrade-: websocket",
    ];
    leaves_nothing(rows.map(|fields| ("spellings that some servers take for it", format!("{fields}\r\n"))))
        .await;
}

#[tokio::test]
async fn everything_else_crosses_as_it_came() {
    let fields = [
        "Accept: */*",
        "accept-ENCODING: gzip, br;q=0.5",
        "User-Agent: a\tb",
        "X-Test: 1\r\nx-test: 2\r\nX-TEST: ",
        "X-Test: a, b ,, c",
        "X-Test: \"a\\\"b\" (c) <d> [e] {f}",
        "X-Test_Two: 1",
        "X-Authorization: 1",
        "Authorization2: 1",
        "!#$%&'*+-.^_`|~: 1",
        "Range: bytes=0-",
        "If-Match: \"a\"",
        "Via: 1.0 a",
        "Max-Forwards: 0",
        "X-Request-Id: 7",
        "Secret: 1",
        "Proxyish: 1",
    ];
    let rows = fields.map(|fields| {
        let head = format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n");
        let expected =
            format!("GET /v1/account/list HTTP/1.1\r\nHost: {{host}}\r\n{fields}\r\n{{bearer}}\r\n");
        ("RFC 9110 §7.6: what is not known passes", head.into(), expected.into())
    });
    forwards(rows).await;
}
