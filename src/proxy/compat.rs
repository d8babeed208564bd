//! Answers to the session calls that stock clients make by themselves.
//!
//! A client library that insists on logging in gets a well-formed answer with the true expiry and user, and a
//! placeholder where the token would be. It then sends the placeholder with each request, where it is replaced
//! like anything else a caller puts into `Authorization`. Nothing reaches Tradovate, no session is opened.

use serde_json::json;

use crate::{auth::Session, clock::Clock, proxy::route::SessionCall};

/// The body of the answer to `call`: 200, JSON.
pub(super) fn answer(call: SessionCall, session: &Session, clock: &Clock) -> Vec<u8> {
    let body = match call {
        SessionCall::AccessToken | SessionCall::Renew => json!({
            "accessToken": PLACEHOLDER,
            "mdAccessToken": PLACEHOLDER,
            // Tradovate: milliseconds, UTC. The client compares it with its own wall clock.
            "expirationTime": format!("{:.3}", clock.shown(session.expires_at)),
            "userStatus": session.user.status,
            "userId": session.user.id,
            "name": session.user.name,
            "hasLive": session.user.has_live,
        }),
        SessionCall::OAuth => json!({
            "access_token": PLACEHOLDER,
            "token_type": "Bearer",
            "expires_in": session.expires_at.duration_since(clock.now()).as_secs().max(0),
        }),
    };
    body.to_string().into_bytes()
}

/// What stands where a token would. Public on purpose: it opens nothing.
pub const PLACEHOLDER: &str = "held-by-tradovate-proxy";
