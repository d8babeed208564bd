//! An answer of the simulated broker, before it goes on the wire.

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::sandbox::sessions::Penalty;

/// Status and body; the header fields that every answer has are added on the way out. Not `Debug`: it may hold
/// a grant.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) content: Content,
}

/// A body and its type.
pub(crate) enum Content {
    /// None.
    Empty,
    /// `application/json`
    Json(Bytes),
    /// Without a content type: how Tradovate tells its plain errors.
    Text(&'static str),
    /// None, and this `Location`.
    Elsewhere(String),
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn json(body: &impl Serialize) -> Self {
        Self::json_with(StatusCode::OK, body)
    }

    /// A status with JSON.
    pub(crate) fn json_with(status: StatusCode, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { status, content: Content::Json(Bytes::from(body)) }
    }

    /// A status alone.
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, content: Content::Empty }
    }

    /// Tradovate: an unknown path or entity is a 404 without a body.
    pub(crate) fn not_found() -> Self {
        Self::empty(StatusCode::NOT_FOUND)
    }

    /// 307 to this URL.
    pub(crate) fn moved(location: String) -> Self {
        Self { status: StatusCode::TEMPORARY_REDIRECT, content: Content::Elsewhere(location) }
    }

    /// A status with a line of text.
    pub(crate) fn text(status: StatusCode, text: &'static str) -> Self {
        Self { status, content: Content::Text(text) }
    }

    /// 200 with `errorText`. Tradovate: HTTP 200 is not success.
    pub(crate) fn error_text(text: &str) -> Self {
        Self::json(&json!({"errorText": text}))
    }

    /// 200 with a penalty.
    pub(crate) fn penalty(penalty: &Penalty) -> Self {
        let mut body = Map::new();
        body.insert("p-ticket".to_owned(), Value::from(penalty.ticket.as_str()));
        body.insert("p-time".to_owned(), Value::from(penalty.wait.as_secs()));
        if penalty.captcha {
            body.insert("p-captcha".to_owned(), Value::Bool(true));
        }
        Self::json(&body)
    }

    /// The body's bytes.
    pub(crate) fn bytes(&self) -> Bytes {
        match &self.content {
            Content::Empty | Content::Elsewhere(_) => Bytes::new(),
            Content::Json(bytes) => bytes.clone(),
            Content::Text(text) => Bytes::from_static(text.as_bytes()),
        }
    }
}
