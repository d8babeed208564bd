//! `auth/oauthtoken`: the refresh grant. What would come before it, a consent in the browser and its code, is left to
//! the control API, which hands out the first refresh token.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sandbox::{
    api::{call, call::Call, grants, reply::Reply},
    options::CREDENTIALS,
    rules::{OAuthBody, OAuthRefusal, Rules},
    state::State,
};

/// Answers a token request (RFC 6749 §6).
pub(crate) fn token(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    let State { sessions, rules, authority, .. } = state;
    let Some(fields) = fields(call, rules)? else { return Ok(refusal(rules, "invalid_request", None)) };
    let field = |name: &str| value(&fields, name);
    let (id, secret) = match basic(call) {
        Some(pair) => pair,
        None => {
            (field("client_id").unwrap_or_default().into(), field("client_secret").unwrap_or_default().into())
        }
    };
    if (id.as_str(), secret.as_str()) != (CREDENTIALS.cid.to_string().as_str(), CREDENTIALS.sec) {
        return Ok(refusal(rules, "invalid_client", Some("Wrong client_id")));
    }
    match field("grant_type") {
        Some("refresh_token") => {}
        Some(_) => return Ok(refusal(rules, "unsupported_grant_type", None)),
        None => return Ok(refusal(rules, "invalid_request", None)),
    }
    let redeemed = sessions.redeem(field("refresh_token").unwrap_or_default(), now, rules);
    Ok(match redeemed {
        Some((grant, next)) => Reply::json(&grants::oauth_json(&grant, &next, now, rules, authority)),
        None => refusal(rules, "invalid_token", None),
    })
}

/// Tradovate: a refusal is a 200 too, measured.
fn refusal(rules: &Rules, error: &str, description: Option<&str>) -> Reply {
    let mut body = Map::from_iter([("error".to_owned(), json!(error))]);
    body.extend(description.map(|description| ("error_description".to_owned(), json!(description))));
    let status = match (rules.oauth_refusal, error) {
        (OAuthRefusal::Ok, _) => StatusCode::OK,
        (OAuthRefusal::Standard, "invalid_client") => StatusCode::UNAUTHORIZED,
        (OAuthRefusal::Standard, _) => StatusCode::BAD_REQUEST,
    };
    Reply::json_with(status, &body)
}

/// The fields, or nothing where they come in a form that is not taken, or one of them twice (RFC 6749 §3.2).
fn fields(call: &Call<'_>, rules: &Rules) -> Result<Option<Vec<(String, String)>>, Reply> {
    if call.body.first() != Some(&b'{') {
        return form(call.body);
    }
    if rules.oauth_body == OAuthBody::Form {
        return Ok(None);
    }
    let fields: Map<String, Value> = call.json()?;
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Ok(Some(fields.into_iter().map(|(name, value)| (name, text(value))).collect()))
}

/// The fields of a form; nothing where one comes twice.
pub(super) fn form(body: &[u8]) -> Result<Option<Vec<(String, String)>>, Reply> {
    let text = std::str::from_utf8(body).map_err(|_| Reply::empty(StatusCode::BAD_REQUEST))?;
    let fields = call::pairs(text);
    let is_first = |at: usize| fields[..at].iter().all(|(name, _)| *name != fields[at].0);
    Ok((0..fields.len()).all(is_first).then_some(fields))
}

/// A field's value.
pub(super) fn value<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
}

/// Client id and secret from `Authorization: Basic` (RFC 6749 §2.3.1).
pub(super) fn basic(call: &Call<'_>) -> Option<(String, String)> {
    let field = call.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Basic ")?;
    let text = String::from_utf8(STANDARD.decode(field).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let plain = |text: &str| call::decode(&text.replace('+', " ")).into_owned();
    Some((plain(id), plain(secret)))
}
