//! Answers to the session calls that stock clients make by themselves.
//!
//! A client library that insists on logging in gets a well-formed answer with the true expiry and user, and a
//! placeholder where the token would be. It then sends the placeholder with each request, where it is replaced
//! like anything else a caller puts into `Authorization`. Nothing reaches Tradovate, no session is opened.
//!
//! What the caller sent is not looked at: whatever its name and password, penalty ticket or refresh token, there is
//! one session, and this is it. Without a live one the answer is the [`Problem`](crate::proxy::Problem) that any
//! request gets, a 503: a 200 with nothing but `errorText`, Tradovate's way to refuse, is what clients take for a
//! wrong password, and some never try again after it. Those that look at nothing else find it in the problem.
//!
//! Every field is the truth or absent. There is no `apiHosts`, although Tradovate sends it: a client that follows it
//! leaves the proxy.

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::json;

use crate::{auth::Session, clock::Clock, proxy::route::SessionCall};

/// The body of the answer to `call`: 200, JSON. `skew` is upstream's clock minus our wall clock.
pub(super) fn answer(call: SessionCall, session: &Session, clock: &Clock, skew: SignedDuration) -> Vec<u8> {
    let body = match call {
        SessionCall::AccessToken | SessionCall::Renew => json!(Grant::of(session, clock, skew)),
        SessionCall::OAuth => json!(OAuthGrant::of(session, clock)),
    };
    body.to_string().into_bytes()
}

/// As `accessTokenRequest` and `renewAccessToken` have it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    access_token: &'static str,
    /// Tradovate: not in the published schema, but always there; some clients refuse a login without it.
    md_access_token: &'static str,
    /// Tradovate: milliseconds, UTC.
    expiration_time: String,
    /// These as far as a login has told. A token that was handed in belongs to nobody known, and no user is better
    /// than user 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    has_live: Option<bool>,
}

impl<'a> Grant<'a> {
    fn of(session: &'a Session, clock: &Clock, skew: SignedDuration) -> Self {
        // The instant that upstream stated, as a client would have it without a proxy: corrected for our clock, it
        // would look wrong to one that goes by the `Date` of upstream's answers.
        let expires_at = clock.shown(session.expires_at);
        let expires_at = expires_at.checked_add(skew).unwrap_or(expires_at);
        let user = &session.user;
        Self {
            access_token: PLACEHOLDER,
            md_access_token: PLACEHOLDER,
            expiration_time: format!("{expires_at:.3}"),
            user_status: user.status.as_deref(),
            user_id: user.id,
            name: user.name.as_deref(),
            has_live: user.has_live,
        }
    }
}

/// As `oauthToken` has it (RFC 6749 §5.1).
#[derive(Serialize)]
struct OAuthGrant {
    access_token: &'static str,
    token_type: &'static str,
    expires_in: i64,
    /// Good for what a client does with it, which is to ask here again.
    refresh_token: &'static str,
}

impl OAuthGrant {
    fn of(session: &Session, clock: &Clock) -> Self {
        Self {
            access_token: PLACEHOLDER,
            token_type: "Bearer",
            expires_in: session.expires_at.duration_since(clock.now()).as_secs().max(0),
            refresh_token: PLACEHOLDER,
        }
    }
}

/// What stands where a token would. Public on purpose: it opens nothing.
pub const PLACEHOLDER: &str = "held-by-tradovate-proxy";

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use jiff::Timestamp;
    use serde_json::Value;

    use super::*;
    use crate::{
        auth::{Generation, User},
        bearer::Bearer,
    };

    const NOW: Timestamp = Timestamp::constant(1_795_190_400, 123_456_789);

    fn answered(call: SessionCall, user: User, skew: i64) -> Value {
        let session = Session {
            bearer: Bearer::new(&"canary".into()).unwrap(),
            expires_at: NOW + Duration::from_secs(4800),
            issued_at: NOW,
            generation: Generation(1),
            origin: Arc::new("https://demo.tradovateapi.com".parse().unwrap()),
            user,
        };
        let body = answer(call, &session, &Clock::simulated(NOW), SignedDuration::from_secs(skew));
        serde_json::from_slice(&body).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_is_answered_with_all_that_is_known_and_nothing_else() {
        let known = User {
            id: Some(15460),
            name: Some("sim_trader".into()),
            status: Some("Active".into()),
            has_live: Some(true),
        };
        for call in [SessionCall::AccessToken, SessionCall::Renew] {
            let expected = json!({
                "accessToken": PLACEHOLDER,
                "mdAccessToken": PLACEHOLDER,
                "expirationTime": "2026-11-20T17:20:00.123Z",
                "userStatus": "Active",
                "userId": 15460,
                "name": "sim_trader",
                "hasLive": true,
            });
            assert_eq!(answered(call, known.clone(), 0), expected);
            // A user that nobody named is left out rather than made up.
            let expected = json!({
                "accessToken": PLACEHOLDER,
                "mdAccessToken": PLACEHOLDER,
                "expirationTime": "2026-11-20T17:20:00.123Z",
            });
            assert_eq!(answered(call, User::default(), 0), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn expiry_is_by_upstreams_clock_and_what_is_left_of_it_by_ours() {
        let grant = answered(SessionCall::Renew, User::default(), -7200);
        assert_eq!(grant["expirationTime"], "2026-11-20T15:20:00.123Z");
        let grant = answered(SessionCall::OAuth, User::default(), -7200);
        let expected = json!({
            "access_token": PLACEHOLDER,
            "token_type": "Bearer",
            "expires_in": 4800,
            "refresh_token": PLACEHOLDER,
        });
        assert_eq!(grant, expected);
    }
}
