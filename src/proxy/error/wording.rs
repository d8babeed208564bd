//! The words for each error: what happened, and what to do next.

use http::StatusCode;

use crate::{
    budget::{Cause, Refusal},
    callers::Listener,
    guard,
    http1::BadRequest,
    idempotency,
    proxy::{
        error::{Problem, ProxyError},
        route,
    },
    upstream::{Failure, Sent, UpstreamError},
};

impl ProxyError {
    /// What the caller is told.
    pub fn problem(&self) -> Problem {
        match self {
            Self::BadRequest(bad) => bad_request(*bad),
            Self::Stranger(stranger) => Problem {
                challenge: stranger.challenge(),
                ..Problem::refused(
                    stranger.status(),
                    stranger.code(),
                    stranger.to_string(),
                    stranger.help(Listener::Proxy),
                )
            },
            Self::SlowRequest(slow) => Problem::refused(
                StatusCode::REQUEST_TIMEOUT,
                "slow-request",
                self.to_string(),
                format!(
                    "nothing was sent: send head and body without pausing, or raise {} if your network is that slow",
                    slow.setting()
                ),
            ),
            Self::BodyTooLarge { limit } => Problem::refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body-too-large",
                format!("the request body is larger than {limit} bytes"),
                "Tradovate's request bodies are a few hundred bytes; raise limits.body-bytes if yours are not",
            ),
            Self::Refused(refusal) => refused(*refusal),
            Self::Guarded(refusal) => guarded(refusal),
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
                "nothing was sent: wait for the answer with the connection open, longer than timeouts.token, timeouts.connect and timeouts.tls together",
            ),
            Self::NotRecorded(_) => Problem {
                retry_after: Some(1),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "not-recorded",
                    self.to_string(),
                    "nothing was sent: free the disk or mend what the reason names, and orders pass again within seconds; cancels and liquidations pass meanwhile; audit.on-failure = go-on sends orders without a record",
                )
            },
            Self::Budget(refusal) => budget(refusal),
            Self::Overloaded { concurrent } => Problem {
                retry_after: Some(1),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "overloaded",
                    format!("{concurrent} requests are in progress already"),
                    "send fewer at a time, or raise limits.concurrent-requests",
                )
            },
            Self::BuffersFull { limit } => Problem {
                retry_after: Some(1),
                ..Problem::refused(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "overloaded",
                    format!("request bodies hold as much memory as they may together, {limit} bytes"),
                    "nothing was sent: send it again when others are done, send fewer large bodies at a time, or raise limits.buffered-bytes; a body of up to 16 KiB is never refused for this",
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
            Self::ForeignUser(_) => Problem::refused(
                StatusCode::FORBIDDEN,
                "socket-user",
                self.to_string(),
                "run the caller as the user of the proxy, or name its user id in socket-users",
            ),
            Self::BadKey(bad) => Problem::refused(
                StatusCode::BAD_REQUEST,
                "idempotency-key",
                format!("nothing was sent, because {bad}"),
                "send one key of your own making, a UUID for example, and another one for every order",
            ),
            Self::Keyed(refusal) => keyed(refusal),
            Self::Upstream(failure) => upstream(failure),
        }
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

fn refused(refusal: route::Refusal) -> Problem {
    use route::Refusal;

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
            "point the client's base URL at the proxy, not its proxy setting: http://ADDRESS:PORT/v1/…, as listen has them",
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
    let allow = (refusal == Refusal::Method).then_some(route::ALLOW);
    Problem { allow, ..Problem::refused(status, code, refusal.to_string(), help) }
}

fn budget(refusal: &Refusal) -> Problem {
    let (code, detail, help) = match refusal {
        Refusal::Spent { reserve, .. } => (
            "budget-spent",
            format!("{refusal}, and the last {reserve} are kept for cancels and liquidations"),
            "ask less often: /status on the admin listener says which caller sends how many; cancels and \
             liquidations still pass"
                .to_owned(),
        ),
        Refusal::Held(held) => (
            "held",
            format!("{refusal}, so that this one is not sent"),
            match held.cause {
                Cause::Limited => {
                    "cancels and liquidations still pass; the proxy lets a request through now and then, and all of \
                     them once one is answered; budget.hold = \"0s\" in the configuration file ends the hold without a \
                     restart"
                }
                Cause::Locked => {
                    "Tradovate wants a captcha solved: sign in at trader.tradovate.com, and stop all programs that use \
                     this user; each call may put the end off. Once it is solved, budget.hold = \"0s\" in the \
                     configuration file ends the hold without a restart"
                }
            }
            .to_owned(),
        ),
    };
    Problem {
        retry_after: Some(refusal.retry_after()),
        ..Problem::refused(StatusCode::TOO_MANY_REQUESTS, code, detail, help)
    }
}

fn guarded(refusal: &guard::Refusal) -> Problem {
    use guard::Refusal as By;

    let status = match refusal {
        By::ExpectEnv { .. } => StatusCode::PRECONDITION_FAILED,
        By::Body(_) => StatusCode::UNPROCESSABLE_ENTITY,
        By::Pace { .. } => StatusCode::TOO_MANY_REQUESTS,
        By::Killed(_)
        | By::ReadOnly
        | By::CancelOnly
        | By::Account { .. }
        | By::Symbol { .. }
        | By::OrderType { .. }
        | By::Quantity { .. } => StatusCode::FORBIDDEN,
    };
    let retry_after =
        if let By::Pace { wait, .. } = refusal { Some(wait.as_secs().saturating_add(1)) } else { None };
    Problem { retry_after, ..Problem::refused(status, refusal.code(), refusal.to_string(), refusal.help()) }
}

/// What is said of "sent" is said of the order, whichever attempt it left in: a caller that reads "not sent" may give
/// it another key.
fn keyed(refusal: &idempotency::Refusal) -> Problem {
    use idempotency::{Refusal, Unwritable};

    let (status, code, sent, help) = match refusal {
        Refusal::InFlight => (
            StatusCode::CONFLICT,
            "idempotency-in-flight",
            Sent::Maybe,
            "wait for the answer to the first one, or ask again with the same key in a few seconds",
        ),
        Refusal::AnotherRequest => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency-mismatch",
            Sent::No,
            "give every order a key of its own; to repeat one, send the same method, target and body",
        ),
        Refusal::OutcomeUnknown => (
            StatusCode::CONFLICT,
            "outcome-unknown",
            Sent::Maybe,
            "look (order/list, position/list). If it is there, you are done. If it is not, free the key with POST /idempotency/forget?key=… on the admin listener, or take a new one",
        ),
        Refusal::NotKept { .. } => (
            StatusCode::CONFLICT,
            "answer-not-kept",
            Sent::Maybe,
            "it was carried out or refused once, with that status: look at order/list; for larger answers raise idempotency.answer-bytes",
        ),
        Refusal::Full { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "idempotency-full",
            Sent::No,
            "look into those orders and free their keys with POST /idempotency/forget?key=… on the admin listener, or raise idempotency.entries",
        ),
        Refusal::Unwritable(Unwritable::Unread(_)) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "idempotency-unavailable",
            Sent::Maybe,
            "an order may have gone before under this key: look at order/list before you send it under another one; the log says what is wrong with the journal in the state directory",
        ),
        Refusal::Unwritable(Unwritable::Disk(_) | Unwritable::Nowhere) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "idempotency-unavailable",
            Sent::No,
            "nothing was sent: look at the disk and the state directory (the log says more), or send it without an Idempotency-Key and without that guarantee",
        ),
    };
    Problem { sent, ..Problem::refused(status, code, refusal.to_string(), help) }
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
        UpstreamError::TokenEchoed => "token-echoed",
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
