//! Answers to the session calls that stock clients make by themselves.
//!
//! A client library that insists on logging in gets a well-formed answer with the true expiry and user, and a
//! placeholder where the token would be. It then sends the placeholder with each request, where it is replaced
//! like anything else a caller puts into `Authorization`. Nothing reaches Tradovate, no session is opened.

use serde::Serialize;

use crate::{auth::Session, clock::Clock, proxy::route::SessionCall};

/// The body of the answer to `call`: 200, JSON.
pub(super) fn answer(call: SessionCall, session: &Session, clock: &Clock) -> Vec<u8> {
    let user = &session.user;
    let body = match call {
        SessionCall::AccessToken | SessionCall::Renew => serde_json::to_vec(&Grant {
            access_token: PLACEHOLDER,
            md_access_token: PLACEHOLDER,
            // Tradovate: milliseconds, UTC. The client compares it with its own wall clock.
            expiration_time: format!("{:.3}", clock.shown(session.expires_at)),
            user_status: user.status.as_deref(),
            user_id: user.id,
            name: user.name.as_deref(),
            has_live: user.has_live,
        }),
        SessionCall::OAuth => serde_json::to_vec(&OAuthGrant {
            access_token: PLACEHOLDER,
            token_type: "Bearer",
            expires_in: session.expires_at.duration_since(clock.now()).as_secs().max(0),
        }),
    };
    body.expect("text and numbers have a form in JSON")
}

/// As `accesstokenrequest` and `renewaccesstoken` answer it; what upstream has not told is left out here too.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    access_token: &'static str,
    md_access_token: &'static str,
    expiration_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_live: Option<bool>,
}

/// As `oauthtoken` answers it.
#[derive(Serialize)]
struct OAuthGrant {
    access_token: &'static str,
    token_type: &'static str,
    expires_in: i64,
}

/// What stands where a token would. Public on purpose: it opens nothing.
pub const PLACEHOLDER: &str = "held-by-tradovate-proxy";
