//! The other API: an authorization server by the book, and one path that its tokens open.
//!
//! EdgeTag, as documented: a form, the client by Basic, tokens of two hours. How it refuses is documented nowhere, so it
//! refuses as RFC 6749 §5.2 has it; whether its refresh tokens rotate is a rule.

use std::collections::{HashMap, HashSet};

use http::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use jiff::Timestamp;
use serde_json::json;

use crate::sandbox::{
    api::{call::Call, oauth, reply::Reply},
    options::EDGETAG,
    rules::{RenewalToken, Rules},
    sessions::{Kept, later, mint},
    state::State,
};

/// What the other API's paths begin with.
pub(super) const PREFIX: &str = "oauth-app/";

/// The tokens it has handed out.
#[derive(Debug, Default)]
pub(crate) struct EdgeTag {
    access: HashMap<Kept, Timestamp>,
    refresh: HashSet<Kept>,
    last: u64,
}

impl EdgeTag {
    /// A refresh token, as a consent would bring it.
    pub(crate) fn mint_refresh(&mut self) -> String {
        self.last += 1;
        let refresh = mint("edgetag-refresh", self.last);
        self.refresh.insert(Kept::of(&refresh));
        refresh
    }

    fn mint_access(&mut self, now: Timestamp, rules: &Rules) -> String {
        self.last += 1;
        let access = mint("edgetag-access", self.last);
        self.access.insert(Kept::of(&access), later(now, rules.edgetag_token_life));
        access
    }

    fn honours(&self, call: &Call<'_>, now: Timestamp) -> bool {
        let field = call.headers.get(AUTHORIZATION).and_then(|field| field.to_str().ok());
        let bearer = field.and_then(|field| field.strip_prefix("Bearer "));
        bearer.is_some_and(|bearer| self.access.get(&Kept::of(bearer)).is_some_and(|&expiry| now < expiry))
    }
}

/// Answers a request below its prefix.
pub(super) fn answer(state: &mut State, call: &Call<'_>, now: Timestamp) -> Reply {
    match call.path {
        "oauth-app/client/token" => token(state, call, now).unwrap_or_else(|refusal| refusal),
        "oauth-app/client" if state.edgetag.honours(call, now) => {
            Reply::json(&json!({"clientId": EDGETAG.id}))
        }
        "oauth-app/client" => refusal(StatusCode::UNAUTHORIZED, "invalid_token"),
        _ => Reply::not_found(),
    }
}

fn token(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    let State { edgetag, rules, .. } = state;
    let malformed = || refusal(StatusCode::BAD_REQUEST, "invalid_request");
    let kind = call.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(malformed());
    }
    let fields = oauth::form(call.body)?.ok_or_else(malformed)?;
    let client = oauth::basic(call);
    if client.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()))
        != Some((EDGETAG.id, EDGETAG.secret))
    {
        return Err(refusal(StatusCode::UNAUTHORIZED, "invalid_client"));
    }
    // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
    if oauth::value(&fields, "client_secret").is_some() {
        return Err(malformed());
    }
    match oauth::value(&fields, "grant_type") {
        Some("refresh_token") => {}
        Some(_) => return Err(refusal(StatusCode::BAD_REQUEST, "unsupported_grant_type")),
        None => return Err(malformed()),
    }
    let used = Kept::of(oauth::value(&fields, "refresh_token").ok_or_else(malformed)?);
    if !edgetag.refresh.contains(&used) {
        return Err(refusal(StatusCode::BAD_REQUEST, "invalid_grant"));
    }
    let mut body = json!({
        "access_token": edgetag.mint_access(now, rules),
        "token_type": "Bearer",
        "expires_in": rules.edgetag_token_life.as_secs(),
    });
    if rules.edgetag_refresh_token == RenewalToken::New {
        edgetag.refresh.remove(&used);
        body["refresh_token"] = json!(edgetag.mint_refresh());
    }
    Ok(Reply::json(&body))
}

fn refusal(status: StatusCode, error: &str) -> Reply {
    Reply::json_with(status, &json!({"error": error}))
}
