//! What a token answer means (RFC 6749 §5).

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::auth::{
    courier::{self, repeats, words},
    source::SourceError,
};

/// A grant as it was answered.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) token: SecretString,
    /// The token's life, counted from the answer, if it was told legibly.
    pub(crate) life: Option<Duration>,
    /// The refresh token to use from now on, if there is one.
    pub(crate) refresh: Option<SecretString>,
    /// Its life, likewise.
    pub(crate) refresh_life: Option<Duration>,
}

/// What an answer means. `secrets` are those of the request; words of the server's that repeat one of them, or a token
/// of its own, are left out of the error.
pub(crate) fn decode(answer: &courier::Answer, secrets: &[&str]) -> Result<Granted, SourceError> {
    let status = answer.status.as_u16();
    match status {
        423 => return Err(SourceError::Locked),
        429 => return Err(SourceError::RateLimited),
        200..=299 | 400..=499 => {}
        // RFC 6749 §5.2 has no error with another status.
        _ => return Err(SourceError::UnexpectedStatus { status }),
    }
    let fields: Result<Fields, SourceError> = answer.json();
    if let Ok(fields) = &fields
        && let Some(refusal) = fields.refusal(status, secrets)
    {
        return Err(refusal);
    }
    match status {
        200..=299 => fields?.granted(),
        // A refusal all the same; a body of another form might be anything, and is not repeated.
        400 | 401 | 403 => Err(SourceError::Refused { status, text: words("no reason given", &[]) }),
        _ => Err(SourceError::UnexpectedStatus { status }),
    }
}

/// The fields of either answer (RFC 6749 §5.1, §5.2). Whatever else there is, is ignored; all but the tokens may be of
/// an unexpected type, and count as missing then: a grant is too dear to be lost over a field that is only advice.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Fields {
    access_token: Option<SecretString>,
    refresh_token: Option<SecretString>,
    token_type: Value,
    #[serde(deserialize_with = "seconds")]
    expires_in: Option<Duration>,
    #[serde(deserialize_with = "seconds")]
    refresh_token_expires_in: Option<Duration>,
    error: Value,
    error_description: Value,
}

impl Fields {
    /// The refusal, if it is one: whatever the status, and whatever else is there. Tradovate: a refusal comes with
    /// status 200.
    fn refusal(&self, status: u16, secrets: &[&str]) -> Option<SourceError> {
        let code = match &self.error {
            Value::Null => return None,
            Value::String(code) if code.is_empty() => return None,
            Value::String(code) => code.as_str(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => "no legible reason",
        };
        let tokens = [&self.access_token, &self.refresh_token];
        let tokens = tokens.into_iter().flatten().map(ExposeSecret::expose_secret);
        let secrets: Vec<&str> = secrets.iter().copied().chain(tokens).collect();
        let described = self.error_description.as_str().filter(|text| !text.is_empty());
        let text = match described.filter(|text| !repeats(text, &secrets)) {
            Some(description) => words(&format!("{code}: {description}"), &secrets),
            None => words(code, &secrets),
        };
        Some(match code {
            // RFC 6749 §5.2: it is this client that is refused, so another try changes nothing.
            "invalid_client" | "unauthorized_client" => SourceError::CredentialsRefused { text },
            _ => SourceError::Refused { status, text },
        })
    }

    fn granted(self) -> Result<Granted, SourceError> {
        let filled = |token: &SecretString| !token.expose_secret().is_empty();
        let token =
            self.access_token.filter(filled).ok_or(SourceError::Malformed { what: "it holds no token" })?;
        // RFC 6749 §7.1: a token of a type that is not understood must not be used. Missing is common enough.
        let kind = self.token_type.as_str();
        let is_bearer =
            self.token_type.is_null() || kind.is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        if !is_bearer {
            return Err(SourceError::Malformed { what: "its token is no bearer token" });
        }
        Ok(Granted {
            token,
            life: self.expires_in,
            refresh: self.refresh_token.filter(filled),
            refresh_life: self.refresh_token_expires_in,
        })
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields").finish_non_exhaustive()
    }
}

/// A number of seconds, as a number or as text; what is neither, or no life of anything, counts as missing.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let seconds = match Value::deserialize(deserializer)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let seconds = seconds.filter(|seconds| (1.0..=LONGEST_LIFE.as_secs_f64()).contains(seconds));
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// A hundred years: more is a slip, or a sentinel.
const LONGEST_LIFE: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

#[cfg(test)]
mod tests;
