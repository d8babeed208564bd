//! What a request asks for, and whether it may ask: judged on the head alone, before a byte of the body.
//!
//! Policy goes by the path (Tradovate: methods are not enforced, paths are case-insensitive), so a path must
//! have exactly one reading. What could be read two ways is refused rather than normalised: what was judged is
//! byte for byte what is sent.

use crate::{
    http1::{Framing, RequestHead, Version},
    tradovate::{Effect, Endpoint, Endpoints},
};

/// What is in front of us: which paths there are, and what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Api {
    /// Tradovate's, below `/v1`: the table of endpoints says what each path does.
    #[default]
    Tradovate,
    /// Any other: every path is one, none is known, and so none is ever repeated.
    Other,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// The target in origin-form, as it will be sent.
    pub target: &'a str,
    /// What the table knows of it.
    pub endpoint: &'a Endpoint,
    /// Who answers.
    pub by: Answerer,
}

/// Who answers a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerer {
    /// Tradovate does.
    Upstream,
    /// The proxy does: the call would open or extend a session, and its answer would hold a token.
    Proxy(SessionCall),
}

/// The session calls that stock clients make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionCall {
    /// `accessTokenRequest`.
    AccessToken,
    /// `renewAccessToken`.
    Renew,
    /// `oauthToken`, with or without `/v1`.
    OAuth,
}

/// Why a request is refused by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum Refusal {
    #[error("CONNECT and TRACE are not forwarded: one opens a tunnel, the other would send the token back")]
    Method,
    #[error("switching protocols (WebSocket) is not implemented by this proxy")]
    Upgrade,
    #[error("the request target is neither a path nor a URL of this proxy")]
    Target,
    #[error("only paths below /v1/ are forwarded")]
    NotTheApi,
    #[error(
        "the path can be read in more than one way (empty or dot segment, dot at a segment's end, ';', '\\' or needless percent-encoding)"
    )]
    AmbiguousPath,
    #[error("this endpoint would disclose, replace or end the credentials that the proxy holds")]
    Credentials,
    #[error("the body is not marked as application/json")]
    ContentType,
}

impl<'a> Route<'a> {
    /// Judges a head.
    ///
    /// # Errors
    /// When what it asks for is refused.
    pub fn of(
        head: &RequestHead,
        bytes: &'a [u8],
        api: Api,
        endpoints: &'a Endpoints,
        content_types: &[String],
    ) -> Result<Self, Refusal> {
        // RFC 9110 §9.3.8: TRACE would send our Authorization back. §9.3.6: CONNECT makes a tunnel.
        let method = head.method(bytes);
        if ["CONNECT", "TRACE"].iter().any(|refused| refused.eq_ignore_ascii_case(method)) {
            return Err(Refusal::Method);
        }
        // RFC 9110 §7.8: ignored in a HTTP/1.0 request.
        if head.wants_upgrade() && head.version() == Version::Http11 && !offers_only_h2c(head, bytes) {
            return Err(Refusal::Upgrade);
        }
        let target = origin_form(head, bytes)?;
        let path = target.split('?').next().unwrap_or_default();
        if !has_one_reading(path) {
            return Err(Refusal::AmbiguousPath);
        }
        let (endpoint, by) = match api {
            Api::Tradovate => tradovates(path, endpoints)?,
            Api::Other => (endpoints.other(), Answerer::Upstream),
        };
        if by == Answerer::Upstream && !is_acceptable_body(head, bytes, content_types) {
            return Err(Refusal::ContentType);
        }
        Ok(Self { target, endpoint, by })
    }
}

/// What Tradovate has at `path`, and who answers for it.
fn tradovates<'a>(path: &str, endpoints: &'a Endpoints) -> Result<(&'a Endpoint, Answerer), Refusal> {
    // Tradovate: no path has anything that needs encoding, or a segment that ends in a dot. Servers differ on whether
    // such a dot, or a blank, is dropped, and on which letters beyond ASCII are another case of one within.
    if path.contains('%') || path.split('/').any(|segment| segment.ends_with('.')) {
        return Err(Refusal::AmbiguousPath);
    }
    let below = below_v1(path);
    // Tradovate: the OAuth token call is served without /v1 too.
    let lookup = below.unwrap_or(path).trim_end_matches('/');
    let endpoint = endpoints.find(lookup);
    if let Some(call) = session_call(lookup) {
        return Ok((endpoint, Answerer::Proxy(call)));
    }
    if below.is_none() {
        return Err(Refusal::NotTheApi);
    }
    let is_token_call = starts_with_ignoring_case(lookup, "/auth/") && endpoint.effect != Effect::Read;
    if endpoint.effect == Effect::Auth || is_token_call {
        return Err(Refusal::Credentials);
    }
    Ok((endpoint, Answerer::Upstream))
}

/// RFC 9112 §3.2: origin-form, or the absolute-form that a server must accept, if it names the `Host`.
fn origin_form<'a>(head: &RequestHead, bytes: &'a [u8]) -> Result<&'a str, Refusal> {
    let target = head.target(bytes);
    if target.starts_with('/') {
        return Ok(target);
    }
    let rest = target.strip_prefix("http://").ok_or(Refusal::Target)?;
    let (authority, path) = rest.split_at(rest.find('/').ok_or(Refusal::Target)?);
    let host = head.host(bytes).unwrap_or_default();
    if authority.is_empty() || !authority.as_bytes().eq_ignore_ascii_case(host) {
        return Err(Refusal::Target);
    }
    Ok(path)
}

/// Whether no server could take `path` for another one: no empty, `.` or `..` segment, no path parameter, no
/// backslash, and nothing percent-encoded that has a plain form or ends a segment.
fn has_one_reading(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/') else { return false };
    if inner.is_empty() {
        return true;
    }
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if inner.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return false;
    }
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' | b';' => return false,
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else { return false };
                let decoded = u8::try_from(high * 16 + low).unwrap_or_default();
                let has_plain_form = decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded);
                if has_plain_form || decoded.is_ascii_control() || b"/\\%;?#".contains(&decoded) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

fn below_v1(path: &str) -> Option<&str> {
    starts_with_ignoring_case(path, "/v1/").then(|| &path[3..])
}

fn session_call(path: &str) -> Option<SessionCall> {
    [
        ("/auth/accesstokenrequest", SessionCall::AccessToken),
        ("/auth/renewaccesstoken", SessionCall::Renew),
        ("/auth/oauthtoken", SessionCall::OAuth),
    ]
    .into_iter()
    .find_map(|(known, call)| path.eq_ignore_ascii_case(known).then_some(call))
}

fn starts_with_ignoring_case(path: &str, prefix: &str) -> bool {
    path.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// RFC 9110 §7.8 lets a server ignore an upgrade. Java's own client offers h2c with every request, and goes on
/// in HTTP/1.1 when nobody takes it up; every other protocol is asked for in earnest.
fn offers_only_h2c(head: &RequestHead, bytes: &[u8]) -> bool {
    head.fields(bytes).all("upgrade").all(|value| value.eq_ignore_ascii_case(b"h2c"))
}

/// Tradovate: bodies are JSON. A web page can send other types across origins without being asked first, so
/// those are refused unless configured.
fn is_acceptable_body(head: &RequestHead, bytes: &[u8], content_types: &[String]) -> bool {
    if head.framing() == Framing::Empty {
        return true;
    }
    let value = head.fields(bytes).only("content-type").and_then(|value| str::from_utf8(value).ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || content_types.iter().any(|allowed| allowed.eq_ignore_ascii_case(essence))
}

#[cfg(test)]
mod tests {
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
}
