//! The form of an answer of our own.

use http::StatusCode;
use serde_json::json;

use crate::{problem, upstream::Sent};

/// What an answer of ours says, apart from its framing.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status code.
    pub status: StatusCode,
    /// Stable: the last part of `type`, and the metric label's source.
    pub code: &'static str,
    /// What happened.
    pub detail: String,
    /// What to do.
    pub help: String,
    /// Seconds for `Retry-After` (RFC 9110 §10.2.3).
    pub retry_after: Option<u64>,
    /// For `Allow` (RFC 9110 §10.2.1), which a 405 must carry.
    pub allow: Option<&'static str>,
    /// For `WWW-Authenticate` (RFC 9110 §11.6.1), which a 401 must carry.
    pub challenge: Option<&'static str>,
    /// Whether upstream may have seen the request.
    pub sent: Sent,
}

impl Problem {
    /// The body, as RFC 9457 has it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = problem::body(self.status, self.code, &self.detail, &self.help);
        body["outcome"] = json!(outcome_name(self.sent));
        // Tradovate refuses with this field, mostly under 200, so some clients look for nothing else. They take it for
        // a refusal, which it must not say where the outcome is unknown.
        if self.sent == Sent::No {
            body["errorText"] = json!(self.detail);
        }
        let mut body = body.to_string().into_bytes();
        body.push(b'\n');
        body
    }
}

impl Problem {
    /// That nothing was sent, which a problem has to say otherwise.
    pub(super) fn refused(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (detail, help) = (detail.into(), help.into());
        Self { status, code, detail, help, retry_after: None, allow: None, challenge: None, sent: Sent::No }
    }
}

/// What `X-Proxy-Outcome` says of a request that got no answer from upstream.
pub(in crate::proxy) fn outcome_name(sent: Sent) -> &'static str {
    match sent {
        Sent::No => "not-sent",
        Sent::Maybe => "unknown",
    }
}
