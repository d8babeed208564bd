//! `POST /idempotency/forget?key=…`: somebody has looked what became of an order, and its key is free again.

use std::borrow::Cow;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::json;

use crate::{
    admin::{
        Inner,
        admission::Ends,
        errand::BadTerms,
        orders,
        problem::{Problem, Refusal, Usage},
        routes,
    },
    callers::Caller,
    idempotency::{BadKey, Key, Unforgettable},
};

/// The route.
pub(super) const PATH: &str = "/idempotency/forget";

/// What it does, in logs.
pub(super) const WHAT: &str = "forget an idempotency key";

/// Why a key is not forgotten.
#[derive(Debug, thiserror::Error)]
enum Remembered {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the key is none: {0}")]
    Key(#[from] BadKey),
    #[error(
        "{} this key: it was never used, its order was not sent, or its answer is too old",
        if *is_named { "that caller does not have" } else { "no caller without a name has" }
    )]
    NotKnown {
        /// Whether the request says whose it is.
        is_named: bool,
    },
    #[error(transparent)]
    Unforgettable(#[from] Unforgettable),
}

/// Which key, and whose; that of callers without a name, if it does not say.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms<'a> {
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    caller: Option<Cow<'a, str>>,
}

impl<'a> Terms<'a> {
    /// All that is in `query` and `body` together.
    fn read(query: Option<&'a str>, body: &'a [u8]) -> Result<Self, BadTerms> {
        let mut terms = match body {
            [] => Self::default(),
            body => serde_json::from_slice(body).map_err(|_| BadTerms::Body)?,
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let term = match &*name {
                "key" => &mut terms.key,
                "caller" => &mut terms.caller,
                _ => return Err(BadTerms::Unknown),
            };
            if term.replace(value).is_some() {
                return Err(BadTerms::Several);
            }
        }
        Ok(terms)
    }
}

/// The answer to an order of `operator`'s to forget a key.
pub(super) async fn answer(
    admin: &Inner,
    ends: &Ends,
    operator: &Caller,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    match forget(admin, ends, operator, request).await {
        Ok(()) => {
            // Not the key, which is the caller's affair.
            tracing::info!(caller = %operator, "an operator had an idempotency key forgotten: its order may be sent again");
            routes::json(&json!({ "forgotten": true }))
        }
        Err(remembered) => {
            if let Remembered::Refused(refusal) = &remembered {
                orders::note(refusal, &WHAT);
            } else {
                tracing::info!(%remembered, "an idempotency key was not forgotten");
            }
            remembered.problem().response()
        }
    }
}

async fn forget(
    admin: &Inner,
    ends: &Ends,
    operator: &Caller,
    request: Request<Incoming>,
) -> Result<(), Remembered> {
    let (query, body) = orders::received(ends, operator, request).await?;
    let Terms { key, caller } = Terms::read(query.as_deref(), &body).map_err(Refusal::from)?;
    let key = key.ok_or(BadTerms::Missing).map_err(Refusal::from)?;
    let is_named = caller.is_some();
    let caller = caller.as_deref().unwrap_or_else(|| Caller::Local.name());
    let known = admin.register.forget(caller, Key::new(&key)?).await?;
    if known { Ok(()) } else { Err(Remembered::NotKnown { is_named }) }
}

impl Remembered {
    fn problem(&self) -> Problem {
        let (status, code, help) = match self {
            // Only the session declines, so no instant has to be shown.
            Self::Refused(refusal) => {
                return refusal.problem(USAGE, jiff::Timestamp::UNIX_EPOCH, |at| at);
            }
            Self::Key(_) => (StatusCode::BAD_REQUEST, "bad-terms", USAGE.terms),
            Self::NotKnown { is_named: false } => (
                StatusCode::NOT_FOUND,
                "not-known",
                "keys belong to callers: if the order is one of a caller with a name, add &caller=NAME, as the log has \
                 it; if not, nothing has to be done: an order under this key will be sent",
            ),
            Self::NotKnown { is_named: true } => (
                StatusCode::NOT_FOUND,
                "not-known",
                "keys belong to callers: look whether that is the caller's name, as the log has it; if it is, nothing \
                 has to be done: its order under this key will be sent",
            ),
            Self::Unforgettable(Unforgettable::InFlight) => {
                (StatusCode::CONFLICT, "in-flight", "wait until it has ended: at most timeouts.response-head")
            }
            Self::Unforgettable(Unforgettable::Unwritable(_)) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unwritable",
                "look at the disk and the state directory; or take a new key for the order",
            ),
        };
        Problem::new(status, code, self.to_string(), help.to_owned())
    }
}

const USAGE: Usage = Usage {
    give: "send it",
    look: "order/list shows what became of an order without forgetting its key",
    terms: "one key=…, and at most one caller=… beside it, as a query (percent-encoded where they are not letters and \
            digits) or as a JSON body",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_order_are_taken_strictly() {
        let named = |key: &'static str, caller: Option<&'static str>| {
            Ok(Terms { key: Some(key.into()), caller: caller.map(Into::into) })
        };
        for (query, body, expected) in [
            ("", "", Ok(Terms::default())),
            ("key=a%20b", "", named("a b", None)),
            ("key=a&caller=desk", "", named("a", Some("desk"))),
            ("", r#"{"key":"a","caller":"desk"}"#, named("a", Some("desk"))),
            ("caller=desk", r#"{"key":"a"}"#, named("a", Some("desk"))),
            ("key=a&key=b", "", Err(BadTerms::Several)),
            ("key=a", r#"{"key":"a"}"#, Err(BadTerms::Several)),
            ("key=a&now", "", Err(BadTerms::Unknown)),
            ("", r#"{"key":"a","key":"b"}"#, Err(BadTerms::Body)),
            ("", r#"{"kee":"a"}"#, Err(BadTerms::Body)),
            ("", "key=a", Err(BadTerms::Body)),
        ] {
            let query = (!query.is_empty()).then_some(query);
            assert_eq!(Terms::read(query, body.as_bytes()), expected, "{query:?} {body}");
        }
    }
}
