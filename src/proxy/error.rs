//! Every answer that the proxy makes because it could not pass a request on: whose fault, what happened, what
//! to do, and what is known of the request.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::{
    http1::BadRequest,
    proxy::{NoToken, route::Refusal},
    upstream::{Failure, Sent, UpstreamError},
};

/// Why a request got no answer from upstream.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The caller's fault: framing or form.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// The caller's fault: it stopped sending.
    #[error("the request did not arrive whole within {0:?}")]
    SlowRequest(Duration),
    /// The caller's fault: the body is too large.
    #[error("the request body is larger than {limit} bytes")]
    BodyTooLarge {
        /// Setting `limits.body-bytes`.
        limit: usize,
    },
    /// The caller's fault: what it asks for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody's: there is no live token, and these are the circumstances.
    #[error("no live token: {0}")]
    NoToken(NoToken),
    /// Nobody's: the caller closed its side while its request waited for a token.
    #[error("the caller closed its side of the connection while the request waited for a token")]
    CallerLeft,
    /// Ours: too much to do.
    #[error("{concurrent} requests are in progress already")]
    Overloaded {
        /// Setting `limits.concurrent-requests`.
        concurrent: usize,
    },
    /// Ours: too many callers.
    #[error("{connections} connections are open already")]
    TooManyConnections {
        /// Setting `limits.connections`.
        connections: usize,
    },
    /// Upstream's, or the network's.
    #[error("upstream failed: {0}")]
    Upstream(#[from] Failure),
}

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
    /// Whether upstream may have seen the request.
    pub sent: Sent,
}

impl Problem {
    /// The body, as RFC 9457 has it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut body = json!({
            "type": format!("urn:tradovate-proxy:problem:{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
            "help": self.help,
            "outcome": outcome_name(self.sent),
        });
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

/// What `X-Proxy-Outcome` says of a request that got no answer from upstream.
pub(super) fn outcome_name(sent: Sent) -> &'static str {
    match sent {
        Sent::No => "not-sent",
        Sent::Maybe => "unknown",
    }
}

impl ProxyError {
    /// Whether the connection must end with this answer, since where the next request starts is not known.
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::BadRequest(_)
            | Self::SlowRequest(_)
            | Self::BodyTooLarge { .. }
            | Self::TooManyConnections { .. } => true,
            Self::Refused(_)
            | Self::NoToken(_)
            | Self::CallerLeft
            | Self::Overloaded { .. }
            | Self::Upstream(_) => false,
        }
    }

    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::BadRequest(bad) => bad_request(*bad),
            Self::SlowRequest(limit) => Problem::refused(
                StatusCode::REQUEST_TIMEOUT,
                "slow-request",
                format!("the request did not arrive whole within {} s", limit.as_secs_f32()),
                "send the head and the body without pausing; raise timeouts.request-head or timeouts.downstream-idle if your network is that slow",
            ),
            Self::BodyTooLarge { limit } => Problem::refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                format!("the request body is larger than {limit} bytes"),
                "Tradovate's request bodies are a few hundred bytes; raise limits.body-bytes if yours are not",
            ),
            Self::Refused(refusal) => refused(*refusal),
            Self::NoToken(no_token) => Problem {
                retry_after: Some(no_token.retry_after()),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no-token",
                    format!("there is no live access token to send this request with: {no_token}"),
                    no_token.help(),
                )
            },
            Self::CallerLeft => Problem::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "caller-left",
                self.to_string(),
                "nothing was sent: wait for the answer with the connection open, longer than timeouts.token",
            ),
            Self::Overloaded { concurrent } => Problem {
                retry_after: Some(1),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "overloaded",
                    format!("{concurrent} requests are in progress already"),
                    "send fewer at a time, or raise limits.concurrent-requests",
                )
            },
            Self::TooManyConnections { connections } => Problem {
                retry_after: Some(1),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too-many-connections",
                    format!("{connections} connections are open already"),
                    "reuse connections (a session in Python's requests), or raise limits.connections",
                )
            },
            Self::Upstream(failure) => upstream(failure),
        }
    }

    /// The `outcome` label of `requests_total`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::BadRequest(_) | Self::SlowRequest(_) | Self::BodyTooLarge { .. } | Self::Refused(_) => {
                "refused"
            }
            Self::NoToken(_) => "no-token",
            Self::CallerLeft => "not-sent",
            Self::Overloaded { .. } | Self::TooManyConnections { .. } => "overloaded",
            Self::Upstream(Failure { error, sent }) => match (sent, error.is_connect(), error.is_timeout()) {
                (_, true, _) => "connect-failed",
                (Sent::No, false, _) => "not-sent",
                (Sent::Maybe, false, true) => "unknown-timeout",
                (Sent::Maybe, false, false) => "unknown-broken",
            },
        }
    }
}

impl Problem {
    fn refused(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let (detail, help) = (detail.into(), help.into());
        Self { status, code, detail, help, retry_after: None, allow: None, sent: Sent::No }
    }
}

fn bad_request(bad: BadRequest) -> Problem {
    let (status, code, help) = match bad {
        BadRequest::HeadTooLong | BadRequest::TooManyFields => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head-too-large",
            "send fewer or shorter headers, or raise limits.head-bytes",
        ),
        BadRequest::TargetTooLong => (
            StatusCode::URI_TOO_LONG,
            "target-too-long",
            "ask for fewer ids at a time, or raise limits.head-bytes",
        ),
        BadRequest::Version => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http-version", "use HTTP/1.1"),
        BadRequest::Expectation => (
            StatusCode::EXPECTATION_FAILED,
            "expectation",
            "leave the Expect header out, or let it be 100-continue",
        ),
        BadRequest::HostMissing | BadRequest::HostTwice | BadRequest::Host => {
            (StatusCode::BAD_REQUEST, "bad-request", "send one Host header that names the proxy")
        }
        BadRequest::Length
        | BadRequest::LengthTwice
        | BadRequest::LengthAndTransferCoding
        | BadRequest::TransferCoding => (
            StatusCode::BAD_REQUEST,
            "bad-request",
            "say how long the body is in one way only: one Content-Length, or Transfer-Encoding: chunked",
        ),
        BadRequest::Chunk | BadRequest::Incomplete => {
            (StatusCode::BAD_REQUEST, "bad-request", "send the body whole, as its head announces it")
        }
        BadRequest::BareLf | BadRequest::Malformed | BadRequest::Target => (
            StatusCode::BAD_REQUEST,
            "bad-request",
            "write the request as RFC 9112 has it (lines end in CR LF), or let an HTTP library write it",
        ),
    };
    let detail = format!("this request is not read, because {bad}; the connection is closed");
    Problem::refused(status, code, detail, help)
}

fn refused(refusal: Refusal) -> Problem {
    let (status, code, help) = match refusal {
        Refusal::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method-not-allowed",
            "use GET for reads and POST with a JSON body for everything else",
        ),
        Refusal::Upgrade => (
            StatusCode::NOT_IMPLEMENTED,
            "upgrade-not-implemented",
            "use the REST endpoints here, or connect to Tradovate's WebSocket directly with a token of your own",
        ),
        Refusal::Target => (
            StatusCode::BAD_REQUEST,
            "bad-target",
            "point the client's base URL at the proxy, not its proxy setting: http://127.0.0.1:8080/v1/…",
        ),
        Refusal::NotTheApi => (
            StatusCode::NOT_FOUND,
            "not-the-api",
            "try /v1/account/list; metrics, health and status are on the admin listener",
        ),
        Refusal::AmbiguousPath => {
            (StatusCode::BAD_REQUEST, "ambiguous-path", "write the path plainly, as the API documents it")
        }
        Refusal::Credentials => (
            StatusCode::FORBIDDEN,
            "credentials-endpoint",
            "make this call directly to Tradovate, with the proxy stopped",
        ),
        Refusal::ContentType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-type",
            "with curl: -H 'Content-Type: application/json' (or --json instead of -d); other types: setting content-types",
        ),
    };
    // RFC 9110 §15.5.6: a 405 names what is allowed.
    let allow = (refusal == Refusal::Method).then_some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    Problem { allow, ..Problem::refused(status, code, refusal.to_string(), help) }
}

fn upstream(failure: &Failure) -> Problem {
    let Failure { error, sent } = failure;
    let status = match error {
        // 502 also when it is the connection that took too long: "cannot connect" is one symptom.
        error if error.is_connect() => StatusCode::BAD_GATEWAY,
        error if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    let code = match error {
        UpstreamError::Connect(_) | UpstreamError::ConnectTimeout => "cannot-connect",
        UpstreamError::Tls(_) | UpstreamError::TlsTimeout => "tls-failed",
        UpstreamError::WriteTimeout | UpstreamError::HeadTimeout | UpstreamError::BodyTimeout => {
            "upstream-too-slow"
        }
        UpstreamError::BadResponse(_) => "bad-answer",
        UpstreamError::NoHttp2Form => "no-http2-form",
        UpstreamError::Write(_)
        | UpstreamError::ClosedEarly
        | UpstreamError::Read(_)
        | UpstreamError::Truncated
        | UpstreamError::Http2(_) => "connection-lost",
    };
    let help = match sent {
        Sent::No => "nothing was sent: it is safe to try again",
        Sent::Maybe => {
            "the request may have been carried out: look (order/list, position/list) before you send it again"
        }
    };
    Problem {
        sent: *sent,
        ..Problem::refused(status, code, format!("there is no answer from upstream: {error}"), help)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_happened_what_to_do_and_whether_it_was_sent() {
        let error = ProxyError::from(Failure { error: UpstreamError::HeadTimeout, sent: Sent::Maybe });
        let problem = error.problem();
        let body: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(problem.status, 504);
        assert_eq!(body["type"], "urn:tradovate-proxy:problem:upstream-too-slow");
        assert_eq!(body["outcome"], "unknown");
        assert_eq!(error.label(), "unknown-timeout");
        assert!(body["help"].as_str().unwrap().contains("before you send it again"));
        assert_eq!(body.get("errorText"), None, "who reads only this would take it for a refusal");
    }

    #[test]
    fn not_connected_means_not_sent() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = ProxyError::from(Failure { error: UpstreamError::Connect(refused), sent: Sent::No });
        assert_eq!((error.problem().status.as_u16(), error.label()), (502, "connect-failed"));
        assert!(error.problem().help.contains("safe to try again"));
        let body: serde_json::Value = serde_json::from_slice(&error.problem().to_json()).unwrap();
        assert_eq!(body["errorText"], body["detail"]);
    }
}
