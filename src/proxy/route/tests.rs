//! Which heads are let through, to whom, and which are not.

use proptest::prelude::*;

use super::*;

fn judge(request_line: &str, fields: &str) -> Result<(String, &'static str, Answerer), Refusal> {
    judge_for(Api::Tradovate, request_line, fields)
}

fn judge_for(
    api: Api,
    request_line: &str,
    fields: &str,
) -> Result<(String, &'static str, Answerer), Refusal> {
    let bytes = format!("{request_line} HTTP/1.1\r\nHost: localhost:8080\r\n{fields}\r\n");
    let mut head = RequestHead::default();
    head.read(bytes.as_bytes()).unwrap();
    let endpoints = Endpoints::new();
    let route = Route::of(&head, bytes.as_bytes(), api, &endpoints, &[])?;
    Ok((route.target.to_owned(), route.endpoint.operation, route.by))
}

#[test]
fn paths_are_known_in_any_case_and_sent_as_they_came() {
    for (target, operation) in [
        ("/v1/account/list", "account-list"),
        ("/V1/Account/LIST?x=%2F..", "account-list"),
        ("/v1/order/placeOrder", "place-order"),
        ("/v1/order/placeorder/", "place-order"),
        ("/v1/no/such", "other"),
        ("/v1/a-b_c~d/e.f", "other"),
        ("/v1/auth/me", "me"),
    ] {
        let judged = judge(&format!("GET {target}"), "").unwrap();
        assert_eq!(judged, (target.to_owned(), operation, Answerer::Upstream), "{target}");
    }
}

#[test]
fn session_calls_are_answered_here_however_they_are_spelled() {
    for (target, call) in [
        ("/v1/auth/accesstokenrequest", SessionCall::AccessToken),
        ("/v1/auth/accessTokenRequest/", SessionCall::AccessToken),
        ("/V1/AUTH/RENEWACCESSTOKEN?x", SessionCall::Renew),
        ("/v1/auth/oAuthToken", SessionCall::OAuth),
        ("/auth/oauthtoken", SessionCall::OAuth),
    ] {
        assert_eq!(judge(&format!("GET {target}"), "").unwrap().2, Answerer::Proxy(call), "{target}");
    }
}

#[test]
fn what_has_two_readings_or_touches_credentials_is_refused() {
    for (line, refusal) in [
        ("CONNECT /v1/a", Refusal::Method),
        ("TRACE /v1/account/list", Refusal::Method),
        ("trace /v1/account/list", Refusal::Method),
        ("OPTIONS *", Refusal::Target),
        ("GET https://localhost:8080/v1/a", Refusal::Target),
        ("GET http://evil.example/v1/account/list", Refusal::Target),
        ("GET http://localhost:8080@evil/v1/a", Refusal::Target),
        ("GET evil:443", Refusal::Target),
        ("GET /", Refusal::NotTheApi),
        ("GET /metrics", Refusal::NotTheApi),
        ("GET /v1", Refusal::NotTheApi),
        ("GET /v2/account/list", Refusal::NotTheApi),
        ("GET //v1/account/list", Refusal::AmbiguousPath),
        ("GET /v1//account/list", Refusal::AmbiguousPath),
        ("GET /v1/./account/list", Refusal::AmbiguousPath),
        ("GET /v1/x/../auth/me", Refusal::AmbiguousPath),
        ("GET /v1/account%2flist", Refusal::AmbiguousPath),
        ("GET /v1/%61uth/renewaccesstoken", Refusal::AmbiguousPath),
        ("GET /v1/auth%5crenewaccesstoken", Refusal::AmbiguousPath),
        ("GET /v1/auth\\renewaccesstoken", Refusal::AmbiguousPath),
        ("GET /v1/auth/renewaccesstoken;a", Refusal::AmbiguousPath),
        ("GET /v1/%2e%2e/a", Refusal::AmbiguousPath),
        ("GET /v1/a%00", Refusal::AmbiguousPath),
        ("GET /v1/a%20b", Refusal::AmbiguousPath),
        ("GET /v1/user/modifypa%C5%BFsword", Refusal::AmbiguousPath),
        ("GET /v1/auth./renewaccesstoken", Refusal::AmbiguousPath),
        ("GET /v1/account/list./", Refusal::AmbiguousPath),
        ("GET /v1/a%2", Refusal::AmbiguousPath),
        ("POST /v1/auth/oauthgrant", Refusal::Credentials),
        ("POST /v1/auth/unheard-of", Refusal::Credentials),
        ("POST /v1/user/modifyPassword", Refusal::Credentials),
    ] {
        assert_eq!(judge(line, "").unwrap_err(), refusal, "{line}");
    }
    assert_eq!(judge("GET http://LOCALHOST:8080/v1/account/list", "").unwrap().0, "/v1/account/list");
}

#[test]
fn another_api_has_any_path_and_none_that_is_known() {
    for target in [
        "/",
        "/?a=b",
        "/api/v3/orders/7/",
        "/v1/account/list",
        "/v1/auth/accesstokenrequest",
        "/v1/user/modifypassword",
        "/auth/oauthtoken",
        "/metrics",
        "/a%20b/%C3%A4/c.",
        "/users/a@b.example",
    ] {
        let judged = judge_for(Api::Other, &format!("POST {target}"), "").unwrap();
        assert_eq!(judged, (target.to_owned(), "other", Answerer::Upstream), "{target}");
    }
    for (line, refusal) in [
        ("CONNECT /a", Refusal::Method),
        ("TRACE /a", Refusal::Method),
        ("OPTIONS *", Refusal::Target),
        ("GET http://evil.example/a", Refusal::Target),
        ("GET //", Refusal::AmbiguousPath),
        ("GET /a//b", Refusal::AmbiguousPath),
        ("GET /a/../b", Refusal::AmbiguousPath),
        ("GET /a;b", Refusal::AmbiguousPath),
        ("GET /a%2fb", Refusal::AmbiguousPath),
    ] {
        assert_eq!(judge_for(Api::Other, line, "").unwrap_err(), refusal, "{line}");
    }
    let websocket = judge_for(Api::Other, "GET /ws", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(websocket.unwrap_err(), Refusal::Upgrade);
    let text = judge_for(Api::Other, "POST /a", "Content-Length: 2\r\nContent-Type: text/plain\r\n");
    assert_eq!(text.unwrap_err(), Refusal::ContentType);
}

#[test]
fn only_json_bodies_pass_and_only_h2c_is_ignored() {
    let post = "POST /v1/order/placeorder";
    for (fields, ok) in [
        ("Content-Length: 2\r\nContent-Type: application/json; charset=utf-8\r\n", true),
        ("Content-Length: 2\r\nContent-Type: text/plain\r\n", false),
        ("Content-Length: 2\r\n", false),
        ("Content-Length: 2\r\nContent-Type: application/json\r\nContent-Type: text/plain\r\n", false),
        ("Transfer-Encoding: chunked\r\n", false),
        ("Content-Length: 0\r\n", true),
    ] {
        let judged = judge(post, fields).map(|_| ());
        assert_eq!(judged, if ok { Ok(()) } else { Err(Refusal::ContentType) }, "{fields:?}");
    }
    assert!(judge("GET /v1/account/list", "Connection: Upgrade\r\nUpgrade: h2c\r\n").is_ok());
    let websocket = judge("GET /v1/websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\n");
    assert_eq!(websocket.unwrap_err(), Refusal::Upgrade);
}

proptest! {
    #[test]
    fn what_was_judged_is_what_is_sent(target in "/(v1|V1)?[/a-zA-Z0-9._~%;@=?&-]{0,30}", api in prop_oneof![Just(Api::Tradovate), Just(Api::Other)]) {
        if let Ok((sent, operation, by)) = judge_for(api, &format!("GET {target}"), "") {
            prop_assert_eq!(&sent, &target);
            // And by itself it is judged the same again.
            prop_assert_eq!(judge_for(api, &format!("GET {sent}"), ""), Ok((target, operation, by)));
        }
    }

    #[test]
    fn nothing_but_a_plain_path_reaches_tradovate(path in "/v1/[ -~]{0,20}") {
        if let Ok((sent, _, Answerer::Upstream)) = judge_unless_unreadable(&path) {
            let path = sent.split('?').next().unwrap();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
            prop_assert!(path.chars().all(is_plain), "{}", path);
            // Nor is a segment empty, a dot or two, or one that some server would take for another without its last dot.
            prop_assert!(!path.contains("//") && !path.split('/').any(|segment| segment.ends_with('.')), "{}", path);
        }
    }
}

fn judge_unless_unreadable(target: &str) -> Result<(String, &'static str, Answerer), Refusal> {
    if target.contains([' ', '#']) { Err(Refusal::Target) } else { judge(&format!("GET {target}"), "") }
}
