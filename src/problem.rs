//! Answers of our own on every listener, as RFC 9457 has them: what happened, and what to do about it.

use http::StatusCode;
use serde_json::{Value, json};

/// The body's `Content-Type`.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// The body, to which a listener may add what only it has to say. `code` is stable: programs go by it.
pub fn body(status: StatusCode, code: &str, detail: &str, help: &str) -> Value {
    json!({
        "type": format!("urn:tradovate-proxy:problem:{code}"),
        "title": status.canonical_reason().unwrap_or("Problem"),
        "status": status.as_u16(),
        "code": code,
        "detail": detail,
        "help": help,
    })
}
