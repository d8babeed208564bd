//! `POST /idempotency/forget?key=…`: somebody has looked what became of an order, and its key is free again.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;

use crate::{
    admin::{
        Inner,
        admission::{Ends, may_give_orders},
        problem::Problem,
        routes,
    },
    callers::{Caller, Stranger},
    idempotency::{BadKey, Key, Unforgettable},
};

/// The route.
pub(super) const PATH: &str = "/idempotency/forget";

/// Why a key is not forgotten.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Stranger(#[from] Stranger),
    #[error("keys are forgotten for this machine only, or for somebody with a key")]
    Remote,
    #[error("keys are forgotten by POST only")]
    Method,
    #[error("the query is not one key=…, with at most one caller=… beside it")]
    Terms,
    #[error("the key is none: {0}")]
    Key(#[from] BadKey),
    #[error("this key is not known: it was never used, its order was not sent, or its answer is too old")]
    NotKnown,
    #[error(transparent)]
    Unforgettable(#[from] Unforgettable),
}

/// The answer to a request of `admitted`'s.
pub(super) async fn answer<B>(
    admin: &Inner,
    ends: &Ends,
    admitted: Result<Caller, Stranger>,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    let who = admitted.clone().unwrap_or_default();
    match forget(admin, ends, admitted, request).await {
        Ok(()) => {
            // Not the key, which is the caller's affair.
            tracing::info!(caller = %who, "an operator had an idempotency key forgotten: its order may be sent again");
            routes::json(&json!({ "forgotten": true }))
        }
        Err(refusal @ (Refusal::Stranger(_) | Refusal::Remote)) => {
            // Somebody tries what must not succeed.
            tracing::warn!(%refusal, "an order to forget an idempotency key was refused");
            refusal.problem().response()
        }
        Err(refusal) => {
            tracing::info!(%refusal, "an idempotency key was not forgotten");
            refusal.problem().response()
        }
    }
}

async fn forget<B>(
    admin: &Inner,
    ends: &Ends,
    admitted: Result<Caller, Stranger>,
    request: &Request<B>,
) -> Result<(), Refusal> {
    let operator = admitted?;
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    if !may_give_orders(&operator, ends) {
        return Err(Refusal::Remote);
    }
    let (mut key, mut caller) = (None, None);
    for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
        let term = match &*name {
            "key" => &mut key,
            "caller" => &mut caller,
            _ => return Err(Refusal::Terms),
        };
        if term.replace(value).is_some() {
            return Err(Refusal::Terms);
        }
    }
    let key = key.ok_or(Refusal::Terms)?;
    let known = admin
        .register
        .forget(caller.as_deref().unwrap_or_else(|| Caller::Local.name()), Key::new(&key)?)
        .await?;
    if known { Ok(()) } else { Err(Refusal::NotKnown) }
}

impl Refusal {
    fn problem(&self) -> Problem {
        let (status, code, help) = match self {
            Self::Stranger(stranger) => return Problem::of_stranger(*stranger),
            Self::Remote => (
                StatusCode::FORBIDDEN,
                "from-elsewhere",
                "send it from the machine that the proxy runs on; or set TRADOVATE_PROXY_ADMIN_KEYS, and send a key",
            ),
            Self::Method => {
                let help = "send POST: curl -X POST 'http://localhost:9464/idempotency/forget?key=…'";
                return Problem::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "method-not-allowed",
                    self.to_string(),
                    help.to_owned(),
                )
                .allowing("POST");
            }
            Self::Terms | Self::Key(_) => (
                StatusCode::BAD_REQUEST,
                "bad-terms",
                "POST /idempotency/forget?key=…, the key percent-encoded where it is not letters and digits",
            ),
            Self::NotKnown => (
                StatusCode::NOT_FOUND,
                "not-known",
                "nothing has to be done: an order under this key will be sent",
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
