//! What a request asks for, and whether it may ask: judged on the head alone, before a byte of the body.
//!
//! Policy goes by the path (Tradovate: methods are not enforced, paths are case-insensitive), so a path must
//! have exactly one reading. What could be read two ways is refused rather than normalised: what was judged is
//! byte for byte what is sent.

mod path;

use memchr::memchr;

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
    #[error("only GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS are forwarded, in capitals")]
    Method,
    #[error("switching protocols (WebSocket) is not implemented by this proxy")]
    Upgrade,
    #[error("the request target is neither a path nor a URL of this proxy")]
    Target,
    #[error("only paths below /v1/ are forwarded")]
    NotTheApi,
    #[error(
        "the path can be read in more than one way (an empty or dot segment, a dot or space at a segment's end, percent-encoding or a character that it does not need)"
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
        stays_in_http(head, bytes)?;
        let target = origin_form(head, bytes)?;
        let path = &target[..memchr(b'?', target.as_bytes()).unwrap_or(target.len())];
        let has_one_reading = match api {
            Api::Tradovate => path::is_plain(path),
            Api::Other => path::has_one_reading(path),
        };
        if !has_one_reading {
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

/// Whether what comes behind a request is a request too. RFC 9110 §9.3.6, §7.8: whoever asks for a tunnel or another
/// protocol may go on in it without waiting for an answer.
///
/// # Errors
/// When it need not be: the connection must end with the answer, whoever asked and whatever else is wrong.
pub(super) fn stays_in_http(head: &RequestHead, bytes: &[u8]) -> Result<(), Refusal> {
    // RFC 9110 §9.3.8: TRACE would send our Authorization back. §9.3.6: CONNECT makes a tunnel. §9.1: methods are
    // case-sensitive, and a server that knows no case frames its answer to `head` as none that we would read.
    if !METHODS.contains(&head.method(bytes)) {
        return Err(Refusal::Method);
    }
    // RFC 9110 §7.8: ignored in a HTTP/1.0 request.
    if head.wants_upgrade() && head.version() == Version::Http11 && !offers_only_h2c(head, bytes) {
        return Err(Refusal::Upgrade);
    }
    Ok(())
}

/// What Tradovate has at `path`, and who answers for it.
fn tradovates<'a>(path: &str, endpoints: &'a Endpoints) -> Result<(&'a Endpoint, Answerer), Refusal> {
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

/// What is forwarded, as `Allow` has it.
pub(super) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[cfg(test)]
mod tests;
