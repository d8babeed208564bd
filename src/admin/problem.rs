//! Orders that were not carried out, as RFC 9457 has it: what happened, and what to do.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    admin::errand::BadTerms,
    auth::Declined,
    callers::{Listener, Stranger},
    problem,
};

/// How an order of some kind is given: for whoever gave it otherwise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// What gives it, on the machine that the proxy runs on.
    pub(super) give: &'static str,
    /// How to look without changing anything.
    pub(super) look: &'static str,
    /// The terms that it takes.
    pub(super) terms: &'static str,
}

/// Why an order was not carried out, by whose fault it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Nobody's orders.
    #[error("the order comes from another machine, and nobody's key came with it")]
    Remote,
    /// The operator's slip.
    #[error("orders are given by POST only")]
    Method,
    /// The operator's slip.
    #[error("the body is not application/json")]
    ContentType,
    /// The operator's slip.
    #[error("the body is larger than {} bytes", super::orders::BODY_BYTES)]
    BodyTooLarge,
    /// The operator's slip, or the network's.
    #[error("the body did not arrive whole")]
    BodyIncomplete,
    /// The operator's slip.
    #[error(transparent)]
    Terms(#[from] BadTerms),
    /// The session stands in the way.
    #[error(transparent)]
    Declined(#[from] Declined),
}

impl Refusal {
    /// What is answered at `now` to an order that is given so; `shown` makes an instant of the session one that people
    /// read.
    pub(super) fn problem(
        &self,
        usage: Usage,
        now: Timestamp,
        shown: impl Fn(Timestamp) -> Timestamp,
    ) -> Problem {
        let problem =
            |status, code, help: &str| Problem::new(status, code, self.to_string(), help.to_owned());
        match self {
            Self::Remote => problem(
                StatusCode::FORBIDDEN,
                "from-elsewhere",
                &format!(
                    "{} on the machine, or in the container, that the proxy runs in; or set \
                     TRADOVATE_PROXY_ADMIN_KEYS, and send a key",
                    usage.give
                ),
            ),
            Self::Method => Problem {
                allow: Some("POST"),
                ..problem(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method-not-allowed",
                    &format!("send POST; {}", usage.look),
                )
            },
            Self::ContentType => problem(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "content-type",
                "with curl: --json instead of -d; or put the term into the query",
            ),
            Self::BodyTooLarge => problem(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", usage.terms),
            Self::BodyIncomplete => {
                problem(StatusCode::BAD_REQUEST, "body-incomplete", "send the body whole, and at once")
            }
            Self::Terms(BadTerms::NotPaused) => problem(
                StatusCode::CONFLICT,
                "not-paused",
                "pause it with an end: POST /session/pause?for=30m",
            ),
            Self::Terms(_) => problem(StatusCode::BAD_REQUEST, "bad-terms", usage.terms),
            Self::Declined(declined) => declined_problem(declined, now, shown),
        }
    }
}

fn declined_problem(declined: &Declined, now: Timestamp, shown: impl Fn(Timestamp) -> Timestamp) -> Problem {
    let problem =
        |status, code, help: &str| Problem::new(status, code, declined.to_string(), help.to_owned());
    match declined {
        Declined::Paused => problem(StatusCode::CONFLICT, "session-paused", "POST /session/resume first"),
        Declined::NoToken => problem(
            StatusCode::CONFLICT,
            "nothing-to-renew",
            "POST /session/acquire opens a session, if the budget of logins allows it",
        ),
        Declined::NothingToResume => problem(
            StatusCode::CONFLICT,
            "nothing-to-resume",
            "/status says how the session stands and what to do",
        ),
        Declined::SameToken => problem(
            StatusCode::CONFLICT,
            "same-token",
            "put another token into TRADOVATE_TOKEN or its file; POST /session/renew extends this one",
        ),
        Declined::NotBefore { at, reason } => {
            let wait = u64::try_from(at.duration_since(now).as_secs()).unwrap_or(0).saturating_add(1);
            let detail = format!("not before {:.0}: {reason}", shown(*at));
            let help = "wait: asking Tradovate sooner brings the user closer to a lock-out; /status says what is planned";
            Problem {
                retry_after: Some(wait),
                ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "not-before", detail, help.to_owned())
            }
        }
        Declined::Failed { .. } => problem(
            StatusCode::BAD_GATEWAY,
            "attempt-failed",
            "/status says how things stand now and what is planned; the log has the cause",
        ),
        Declined::Stopping => problem(
            StatusCode::SERVICE_UNAVAILABLE,
            "stopping",
            "ask the process that runs after it; the session is kept for it",
        ),
    }
}

/// What an answer says, apart from its framing.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: StatusCode,
    /// Stable: the last part of `type`.
    code: &'static str,
    detail: String,
    help: String,
    /// Seconds (RFC 9110 §10.2.3).
    retry_after: Option<u64>,
    /// What a 405 must name (RFC 9110 §15.5.6).
    allow: Option<&'static str>,
    /// What a 401 must name (RFC 9110 §15.5.2).
    challenge: Option<&'static str>,
    /// What only this one has to say (RFC 9457 §3.2).
    members: Map<String, Value>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: String, help: String) -> Self {
        let members = Map::new();
        Self { status, code, detail, help, retry_after: None, allow: None, challenge: None, members }
    }

    /// The same, with one more member.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.members.insert(name.to_owned(), value);
        self
    }

    /// Somebody who may not call.
    pub(super) fn of_stranger(stranger: Stranger) -> Self {
        let help = stranger.help(Listener::Admin).to_owned();
        let problem = Self::new(stranger.status(), stranger.code(), stranger.to_string(), help);
        Self { challenge: stranger.challenge(), ..problem }
    }

    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut body = problem::body(self.status, self.code, &self.detail, &self.help);
        for (name, value) in &self.members {
            body[name] = value.clone();
        }
        let mut response = Response::new(Full::from(format!("{body}\n")));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(problem::MEDIA_TYPE));
        headers.extend(self.retry_after.map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds))));
        headers
            .extend(self.challenge.map(|challenge| (WWW_AUTHENTICATE, HeaderValue::from_static(challenge))));
        headers.extend(self.allow.map(|methods| (ALLOW, HeaderValue::from_static(methods))));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_about_it_is_said_of_the_order_that_was_given() {
        let usage = Usage { give: "run `this`", look: "look there", terms: "these terms" };
        let help = |refusal: Refusal| refusal.problem(usage, Timestamp::UNIX_EPOCH, |at| at).help;
        assert!(help(Refusal::Remote).starts_with("run `this` on the machine"));
        assert_eq!(help(Refusal::Method), "send POST; look there");
        for refusal in [Refusal::BodyTooLarge, Refusal::Terms(BadTerms::Several)] {
            assert_eq!(help(refusal), "these terms");
        }
    }
}
