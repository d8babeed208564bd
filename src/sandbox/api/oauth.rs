//! `auth/oauthtoken`: the refresh grant.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::sandbox::{
    api::{call, call::Call, grants, reply::Reply},
    options::CREDENTIALS,
    state::State,
};

/// Answers a token request (RFC 6749 §6), whose fields come as a form or as JSON.
pub(crate) fn token(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    let fields = fields(call)?;
    let field = |name: &str| fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let (id, secret) = match basic(call) {
        Some(pair) => pair,
        None => {
            (field("client_id").unwrap_or_default().into(), field("client_secret").unwrap_or_default().into())
        }
    };
    if (id.as_str(), secret.as_str()) != (CREDENTIALS.cid.to_string().as_str(), CREDENTIALS.sec) {
        return Ok(refusal("invalid_client", Some("Wrong client_id")));
    }
    match field("grant_type") {
        Some("refresh_token") => {}
        Some(_) => return Ok(refusal("unsupported_grant_type", None)),
        None => return Ok(refusal("invalid_request", None)),
    }
    let State { sessions, rules, authority, .. } = state;
    let redeemed = sessions.redeem(field("refresh_token").unwrap_or_default(), now, rules);
    Ok(match redeemed {
        Some((grant, next)) => Reply::json(&grants::oauth_json(&grant, &next, now, rules, authority)),
        None => refusal("invalid_token", None),
    })
}

/// Tradovate: a refusal is a 200 too, measured.
fn refusal(error: &str, description: Option<&str>) -> Reply {
    match description {
        Some(description) => Reply::json(&json!({"error": error, "error_description": description})),
        None => Reply::json(&json!({"error": error})),
    }
}

fn fields(call: &Call<'_>) -> Result<Vec<(String, String)>, Reply> {
    if call.body.first() != Some(&b'{') {
        let text = std::str::from_utf8(call.body).map_err(|_| Reply::empty(StatusCode::BAD_REQUEST))?;
        return Ok(call::pairs(text));
    }
    let fields: serde_json::Map<String, Value> = call.json()?;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(fields.into_iter().map(|(name, value)| (name, text(value))).collect())
}

/// Client id and secret from `Authorization: Basic` (RFC 6749 §2.3.1).
fn basic(call: &Call<'_>) -> Option<(String, String)> {
    let field = call.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(field).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((call::decode(id).into_owned(), call::decode(secret).into_owned()))
}
