//! Every request that reached the simulated broker, as it came.

use std::{collections::VecDeque, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::sandbox::sessions::{Refusal, Verdict, digest, scrub};

/// One request. Holds no token and no password: what would be one is a digest, equal for equal secrets.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Its place among all requests since the sandbox started, from 1.
    pub sequence: u64,
    /// When it had been read, by the broker's clock.
    pub time: Timestamp,
    /// The connection it came on, from 1.
    pub connection: u64,
    /// `HTTP/1.1` and the like.
    pub version: String,
    /// Its method.
    pub method: String,
    /// The host it was for, with the port if that was given.
    pub host: String,
    /// Path and query, byte for byte.
    pub target: String,
    /// Header fields as received: over HTTP/1.1 in order, in the case they were sent in, with repetitions; over
    /// HTTP/2 grouped by name.
    pub headers: Vec<(String, String)>,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
    /// The body.
    pub body: Body,
    /// What its bearer was worth; absent where none is needed.
    pub bearer: Option<Bearer>,
    /// The status answered; absent while there is no answer, and for good if a fault left it without.
    pub status: Option<u16>,
    /// Whether a fault changed its fate.
    pub is_faulted: bool,
}

impl Record {
    /// The path in lower case, without the query.
    pub fn path(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        path.to_ascii_lowercase()
    }

    /// The values of a header field, in order, whatever the case of its name.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }
}

/// What the bearer of a request was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bearer {
    /// The session it belongs to, where that is known.
    pub session: Option<u64>,
    /// Which of all tokens ever issued it was, if it was accepted.
    pub serial: Option<u64>,
    /// Why it was not.
    pub refused: Option<Refusal>,
}

impl From<Verdict> for Bearer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted { session, serial } => {
                Self { session: Some(session), serial: Some(serial), refused: None }
            }
            Verdict::Refused(refusal, session) => Self { session, serial: None, refused: Some(refusal) },
        }
    }
}

/// A request's body, in JSON `{"text": …}` or, where it is not UTF-8, `{"base64": …}`.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Bytes);

impl Body {
    /// The bytes, scrubbed of secrets.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON in it, or `null`.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(Some(1))?;
        match std::str::from_utf8(&self.0) {
            Ok(text) => map.serialize_entry("text", text)?,
            Err(_) => map.serialize_entry("base64", &STANDARD.encode(&self.0))?,
        }
        map.end()
    }
}

/// The requests seen, the newest [`KEPT`] of them.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    records: VecDeque<Record>,
    last: u64,
}

impl Journal {
    /// Notes a request, scrubbed. Returns its sequence number.
    pub(crate) fn note(&mut self, mut record: Record) -> u64 {
        self.last += 1;
        record.sequence = self.last;
        record.host = scrub(&record.host).into_owned();
        record.target = scrub(&record.target).into_owned();
        for (name, value) in record.headers.iter_mut().chain(&mut record.trailers) {
            *value = without_secret(name, value);
        }
        if self.records.len() == KEPT {
            self.records.pop_front();
        }
        self.records.push_back(record);
        self.last
    }

    /// The record of that number, if it is still kept.
    pub(crate) fn get_mut(&mut self, sequence: u64) -> Option<&mut Record> {
        let first = self.records.front()?.sequence;
        let at = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.records.get_mut(at)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.iter()
    }

    pub(crate) fn clear(&mut self) {
        self.records.clear();
    }
}

/// A body fit to be kept: at most [`KEPT_BODY`] bytes, secrets replaced by digests.
pub(crate) fn body(path: &str, bytes: &Bytes) -> Body {
    if path.contains("auth/")
        || path.contains("oauth-app/")
        || path.contains("credentials")
        || path.contains("password")
    {
        return Body(Bytes::from(without_credentials(bytes)));
    }
    let bytes = bytes.slice(..bytes.len().min(KEPT_BODY));
    match std::str::from_utf8(&bytes).map(scrub) {
        Ok(std::borrow::Cow::Owned(clean)) => Body(Bytes::from(clean)),
        Ok(std::borrow::Cow::Borrowed(_)) | Err(_) => Body(bytes),
    }
}

fn without_credentials(bytes: &[u8]) -> String {
    if let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) {
        for (name, value) in &mut fields {
            if is_secret(name) {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                *value = Value::String(digest(text.as_bytes()));
            }
        }
        return Value::Object(fields).to_string();
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return digest(bytes) };
    let pairs = text.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if is_secret(name) => format!("{name}={}", digest(value.as_bytes())),
        _ => scrub(pair).into_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}

fn without_secret(name: &str, value: &str) -> String {
    let secret = ["authorization", "proxy-authorization", "cookie"];
    if secret.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
        return digest(value.as_bytes());
    }
    scrub(value).into_owned()
}

fn is_secret(field: &str) -> bool {
    let field = field.to_ascii_lowercase();
    ["password", "sec", "secret", "token", "code", "assertion", "enc"].iter().any(|end| field.ends_with(end))
}

/// How many requests are kept.
pub const KEPT: usize = 10_000;

/// How much of a body is kept, in bytes.
pub const KEPT_BODY: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_as_digests_and_the_rest_as_sent() {
        let json = Bytes::from_static(br#"{"name":"n","password":"p-canary","sec":"s-canary","cid":1}"#);
        let kept = body("/v1/auth/accesstokenrequest", &json).json();
        assert_eq!((&kept["name"], &kept["cid"]), (&Value::from("n"), &Value::from(1)));
        assert_eq!(kept["password"], digest(b"p-canary"));
        assert!(!kept.to_string().contains("canary"));

        let form = Bytes::from_static(b"grant_type=refresh_token&client_secret=canary&refresh_token=canary");
        let kept = body("/auth/oauthtoken", &form);
        assert!(
            !format!("{kept:?}").contains("canary") && format!("{kept:?}").contains("grant_type=refresh")
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_told_in_base64() {
        let kept = body("/v1/order/list", &Bytes::from_static(b"\xff\x00"));
        assert_eq!(serde_json::to_string(&kept).unwrap(), r#"{"base64":"/wA="}"#);
    }
}
