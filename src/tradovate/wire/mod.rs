//! The session calls exactly as they go over the wire, and what an answer means.

use std::{fmt, time::Duration};

use bytes::Bytes;
use jiff::{Timestamp, civil, fmt::rfc2822::DateTimeParser, tz::TimeZone};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    auth::{
        courier,
        source::{Grant, SourceError, Ticket},
        state::Call,
        token::User,
    },
    origin::Origin,
    tradovate::{
        credentials::Credentials,
        hosts::{ApiHosts, Steering},
    },
};

/// The body of `accesstokenrequest`, wiped when it is dropped.
pub(super) fn acquire_body(credentials: &Credentials, ticket: Option<&Ticket>) -> serde_json::Result<Bytes> {
    let request = AcquireRequest {
        name: &credentials.name,
        password: credentials.password.expose_secret(),
        app_id: &credentials.app_id,
        app_version: &credentials.app_version,
        device_id: &credentials.device_id,
        cid: credentials.cid,
        sec: credentials.sec.expose_secret(),
        ticket: ticket.map(|ticket| ticket.0.as_str()),
    };
    // Room enough that the buffer never moves and leaves a copy of the password behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    serde_json::to_writer(&mut *bytes, &request)?;
    Ok(Bytes::from_owner(bytes))
}

/// Tradovate: field names are camelCase, except the penalty's. `cid` is a string in the schema and a number in
/// every example; strings have been refused.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcquireRequest<'a> {
    name: &'a str,
    password: &'a str,
    app_id: &'a str,
    app_version: &'a str,
    device_id: &'a str,
    cid: u64,
    sec: &'a str,
    #[serde(rename = "p-ticket", skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
}

/// What an answer to `call` means. Status 200 is no success yet: a wrong password, a penalty and a refused
/// renewal all arrive with it. Words of upstream's that repeat one of the request's `secrets` are left out of the
/// error.
pub(crate) fn decode(
    call: Call,
    status: u16,
    date: Option<&[u8]>,
    body: &[u8],
    steering: &Steering,
    secrets: &[&str],
) -> Result<Grant, SourceError> {
    match status {
        200..=299 => {}
        // Tradovate: the conformance pages say 401 for bad credentials, practice says 200; both are believed.
        400 | 401 => return Err(refusal(call, status, &words(body), secrets)),
        423 => return Err(SourceError::Locked),
        429 => return Err(SourceError::RateLimited),
        _ => return Err(SourceError::UnexpectedStatus { status }),
    }
    // Serde would read a list as a struct, field by field.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(SourceError::Malformed { what: "it is not the JSON expected" });
    }
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|_| SourceError::Malformed { what: "it is not the JSON expected" })?;
    if let Some(objection) = answer.objection(call, status, secrets) {
        return Err(objection);
    }
    let Some(token) = answer.access_token.filter(|token| !token.expose_secret().is_empty()) else {
        return Err(match call {
            // Tradovate: a second factor is asked for by a 200 with neither token nor error text.
            Call::Acquire => SourceError::Challenge,
            Call::Renew => SourceError::Malformed { what: "it holds no token" },
        });
    };
    let user =
        User { id: answer.user_id, name: answer.name, status: answer.user_status, has_live: answer.has_live };
    Ok(Grant {
        token,
        expires_at: answer.expiration_time.as_deref().and_then(instant),
        server_date: date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()),
        user: Some(user).filter(|user| *user != User::default()),
        origin: answer.api_hosts.and_then(|hosts| steering.named(&hosts, secrets)),
        refresh: None,
        opened: call == Call::Acquire,
        proves_bearer: call == Call::Renew,
    })
}

/// An answer of either call. Every field is optional, and one of an unexpected type counts as missing: a grant
/// is too dear to be lost over a field that is only shown.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    access_token: Option<SecretString>,
    #[serde(deserialize_with = "lenient")]
    expiration_time: Option<String>,
    #[serde(deserialize_with = "lenient")]
    error_text: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_id: Option<i64>,
    #[serde(deserialize_with = "lenient")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    user_status: Option<String>,
    #[serde(deserialize_with = "lenient")]
    has_live: Option<bool>,
    #[serde(deserialize_with = "lenient")]
    api_hosts: Option<ApiHosts>,
    #[serde(rename = "p-ticket", deserialize_with = "lenient")]
    ticket: Option<String>,
    #[serde(rename = "p-time", deserialize_with = "lenient")]
    wait_seconds: Option<f64>,
    #[serde(rename = "p-captcha", deserialize_with = "lenient")]
    captcha: Option<bool>,
}

/// The origin that an answer names, if that may receive a token.
pub(crate) fn origin(body: &[u8], steering: &Steering, secrets: &[&str]) -> Option<Origin> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    steering.named(&answer.api_hosts?, secrets)
}

/// The penalty or the refusal that an answer with status 200 may be, to whatever call that opens no session by
/// password. Tradovate: an endpoint's own limit is answered so everywhere.
pub(crate) fn objection(body: &[u8], secrets: &[&str]) -> Option<SourceError> {
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.objection(Call::Renew, 200, secrets)
}

impl Answer {
    fn objection(&self, call: Call, status: u16, secrets: &[&str]) -> Option<SourceError> {
        let text = self.error_text.as_deref().filter(|text| !text.is_empty());
        text.map(|text| refusal(call, status, text, secrets)).or_else(|| self.penalty())
    }

    /// Tradovate: `p-time` is in seconds; with `p-captcha` the ticket is worth nothing to a program.
    fn penalty(&self) -> Option<SourceError> {
        if self.captcha == Some(true) {
            return Some(SourceError::Captcha);
        }
        let ticket = Ticket(self.ticket.clone()?);
        let seconds = self.wait_seconds.unwrap_or(DEFAULT_PENALTY.as_secs_f64()).clamp(0.0, 3600.0);
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(DEFAULT_PENALTY);
        Some(SourceError::Penalty { wait, ticket })
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

/// Tells what a refusal of a login is about by its words, since Tradovate sends no code.
fn refusal(call: Call, status: u16, text: &str, secrets: &[&str]) -> SourceError {
    let about = |word| text.to_ascii_lowercase().contains(word);
    let words = courier::words(text, secrets);
    match call {
        Call::Acquire if status == 401 || about("password") => {
            SourceError::CredentialsRefused { text: words }
        }
        Call::Acquire if about("not registered") => SourceError::AppUnknown { text: words },
        Call::Acquire | Call::Renew => SourceError::Refused { status, text: words },
    }
}

/// The words of a refusal that came with an error status: `errorText`, or one of the plain texts known. Other
/// bodies are not repeated, since one that echoes the request would carry a secret into the log.
fn words(body: &[u8]) -> String {
    match serde_json::from_slice(body) {
        Ok(Answer { error_text: Some(text), .. }) => text,
        _ => {
            PLAIN.into_iter().find(|text| text.as_bytes() == body.trim_ascii()).unwrap_or_default().to_owned()
        }
    }
}

/// Tradovate: ISO 8601 in UTC, with or without fractions of a second; no zone is taken as UTC too.
fn instant(text: &str) -> Option<Timestamp> {
    let zoned = text.parse::<Timestamp>();
    zoned
        .or_else(|_| text.parse::<civil::DateTime>()?.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()))
        .ok()
}

fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// Tradovate: the bodies of a 401, which are plain text (or empty).
const PLAIN: [&str; 2] = ["Access is denied", "Expired Access Token"];

/// Tradovate: "back-off 15 s" on both session calls; for a penalty that does not say.
const DEFAULT_PENALTY: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
