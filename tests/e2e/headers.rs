//! What crosses and what does not, seen on the wire of either side.

use crate::support::{
    client::write,
    stage::{Stage, Way},
    upstream::{raw, raw_with},
};

/// The one bearer that a raw upstream is to see.
const OURS: &str = "Bearer SIM-access-raw-1";

#[tokio::test]
async fn exactly_one_authorization_goes_out_whatever_comes_in() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for fields in [
        "",
        "Authorization: Bearer theirs",
        "authorization: Bearer a\r\nAUTHORIZATION: Basic b\r\nAuthorization:",
        "Authorization: Bearer theirs\r\nConnection: authorization",
        "Connection: Authorization, Host, Content-Length, close-not",
        "Authorization_: x\r\nAuthoriza_tion: x",
        "Proxy-Authorization: Bearer theirs\r\nProxy_Authorization: Bearer theirs",
        "X-Forwarded-Authorization: Bearer theirs\r\nCookie: Authorization=theirs",
    ] {
        client.send(write(&format!("GET /v1/account/list\r\n{fields}"), "")).await;
        let request = upstream.request().await;
        assert_eq!(request.all("authorization"), [OURS], "{fields:?}");
        assert!(!String::from_utf8_lossy(&request.raw).contains("theirs"), "{fields:?} {:?}", request.head);
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200, "{fields:?}");
    }
}

#[tokio::test]
async fn the_broker_accepts_the_bearer_over_any_way_however_the_caller_tries_to_spoil_it() {
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let answer = stage.ask("GET /v1/account/list\r\nauthorization: a\r\nAuthorization: b", "").await;
        assert_eq!(answer.status(), 200, "{way:?}");
        let seen = &stage.seen()[0];
        assert_eq!(seen.header("authorization").count(), 1, "{way:?}");
        assert!(seen.bearer.is_some_and(|bearer| bearer.refused.is_none()), "{way:?} {seen:?}");
    }
}

#[tokio::test]
async fn upstream_is_told_its_own_authority_and_nothing_of_the_callers() {
    let (mut upstream, proxy) = raw().await;
    let authority = upstream.address.to_string();
    for host in ["localhost:8080", "LOCALHOST", "127.9.9.9:1"] {
        let mut client = proxy.client().await;
        client.send(format!("GET /v1/account/list HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        let request = upstream.request().await;
        assert_eq!(request.all("host"), [authority.as_str()]);
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn fields_that_belong_to_one_connection_or_one_browser_stay_behind() {
    let allowed = ("TRADOVATE_PROXY_ALLOW_ORIGINS", "http://allowed.example");
    let (mut upstream, proxy) = raw_with(|setup| setup.with(allowed.0, allowed.1)).await;
    let mut client = proxy.client().await;
    for field in [
        // RFC 9110 §7.6.1.
        "Connection: keep-alive, X-Test-Hop\r\nX-Test-Hop: 1",
        "Connection: X-Test-Hop\r\nConnection: X-Test-Two\r\nX-Test-Two: 1\r\nx-test-HOP: 2",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "Trailer: X-Sum",
        "Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings_: x",
        // What would be a second session, or tell the broker of a page or a network.
        "Cookie: session=1",
        "Cookie2: $Version=1",
        "Origin: http://allowed.example",
        "Referer: http://localhost/secret",
        "Sec-Fetch-Site: same-origin",
        "Sec-CH-UA: x",
        "Forwarded: for=10.0.0.1",
        "X-Forwarded-For: 10.0.0.1",
        "x_forwarded_proto: https",
        "X.Forwarded.Host: evil",
        "X-Real-IP: 10.0.0.1",
        // What some servers let override the request that was judged.
        "X-Original-URL: /v1/auth/renewaccesstoken",
        "X-Rewrite-URL: /v1/auth/renewaccesstoken",
        "X-HTTP-Method-Override: DELETE",
        "X-Proxy-Outcome: not-sent",
        // A caller's key is for the proxy, whether it asks for one or not.
        "X-Proxy-Key: tpk_x",
        "X_Proxy_Key: tpk_x",
    ] {
        client.send(write(&format!("GET /v1/account/list\r\n{field}"), "")).await;
        let request = upstream.request().await;
        let mut names: Vec<&str> = request.head.fields.iter().map(|(name, _)| name.as_str()).collect();
        names.retain(|name| *name != "HTTP2-Settings_");
        assert_eq!(names, ["Host", "Authorization"], "{field:?}");
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn everything_else_crosses_in_order_case_and_repetition() {
    let fields = [
        ("User-Agent", "curl/8.5.0"),
        ("accept", "*/*"),
        ("Accept-Encoding", "gzip, br;q=0.5"),
        ("X-Test-A", "1"),
        ("If-None-Match", "\"a\", W/\"b\""),
        ("x-test-a", "2"),
        ("X-TEST-A", ""),
        ("X-Test-Utf8", "grün"),
        ("x-!#$%&'*+-.^_`|~", "odd"),
    ];
    let lines = fields.map(|(name, value)| format!("\r\n{name}: {value}"));
    let head = lines.concat();
    let expected = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));

    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(write(&format!("GET /v1/account/list{head}"), "")).await;
    let request = upstream.request().await;
    assert_eq!(request.head.fields[1..=expected.len()], expected);
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200);

    // HTTP/2 has names in lower case, and order only among fields of one name (RFC 9113 §8.2).
    let stage = Stage::by(Way::Http2).await;
    stage.ask(&format!("GET /v1/account/list{head}"), "").await;
    let seen = &stage.seen()[0];
    assert_eq!(seen.header("x-test-a").collect::<Vec<_>>(), ["1", "2", ""]);
    for (name, value) in fields.iter().filter(|(_, value)| value.is_ascii()) {
        assert!(seen.header(name).any(|seen| seen == *value), "{name}: {value} in {seen:?}");
    }
}

#[tokio::test]
async fn answers_cross_less_cookies_grants_and_what_belongs_to_one_connection() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(write("GET /v1/account/list", "")).await;
    let fields = "Content-Type: application/json\r\n\
                  X-Test-A: 1\r\n\
                  Set-Cookie: a=b\r\n\
                  set-cookie2: a=b\r\n\
                  x-test-a: 2\r\n\
                  Access-Control-Allow-Origin: *\r\n\
                  Access-Control-Allow-Credentials: true\r\n\
                  Access-Control-Expose-Headers: Authorization\r\n\
                  Alt-Svc: h3=\":443\"\r\n\
                  Connection: X-Test-Hop, keep-alive\r\n\
                  X-Test-Hop: 1\r\n\
                  Keep-Alive: timeout=5\r\n\
                  Proxy-Authenticate: Basic\r\n\
                  Proxy-Connection: close\r\n\
                  Upgrade: h2\r\n\
                  X-Proxy-Outcome: not-sent\r\n\
                  x_proxy_outcome: not-sent\r\n\
                  Location: /elsewhere\r\n\
                  Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                  Via: 1.1 google\r\n\
                  Content-Length: 2\r\n";
    upstream.request().await.answer(format!("HTTP/1.1 200 OK\r\n{fields}\r\n{{}}")).await;
    let answer = client.answer().await;
    let expected = [
        ("Content-Type", "application/json"),
        ("X-Test-A", "1"),
        ("x-test-a", "2"),
        ("Location", "/elsewhere"),
        ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("Via", "1.1 google"),
        ("Content-Length", "2"),
    ];
    assert_eq!(answer.head.fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn an_answer_without_a_date_gets_one() {
    // RFC 9110 §6.6.1: by a recipient with a clock.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(write("GET /v1/account/list", "")).await;
    upstream.request().await.ok("").await;
    let answer = client.answer().await;
    let date = answer.header("date").unwrap();
    assert!(date.ends_with(" GMT") && date.len() == "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{date:?}");
}

#[tokio::test]
async fn the_brokers_answers_have_only_known_fields_over_any_way() {
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let answer = stage.ask("GET /v1/account/list", "").await;
        let mut names: Vec<String> =
            answer.head.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        assert_eq!(names, ["content-length", "content-type", "date", "via"], "{way:?}");
    }
}
