//! Orders and writes that carry an idempotency key.

use std::sync::Arc;

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    audit,
    callers::Caller,
    http1::Fields,
    idempotency::{self, Admission, Attempt, BadKey, Kept, Key},
    proxy::{
        ProxyError, Worker,
        exchange::{After, stream_back},
        inbound::Head,
        observation::Observation,
        outbound::{Cut, Outbound, Watches as _},
        outcome::Outcome,
        route::{Answerer, Route},
    },
    tradovate::{Effect, Penalty},
    upstream::{Answer, Length, UpstreamError},
};

/// What becomes of the idempotency key that a request may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Keeping {
    /// What its caller expects.
    #[default]
    AsAsked,
    /// It cannot be kept, and the request is sent all the same: a repetition would be sent too.
    NotKept,
}

/// Asks the register for leave, if the request has a key and does something. What takes risk away goes without a key
/// where that cannot be kept: its caller wants it sent above all.
pub(super) async fn begin(
    worker: &Worker,
    caller: &Caller,
    head: &Head,
    body: &[u8],
    route: &Route<'_>,
    observation: &mut Observation<'_>,
) -> Result<Option<Admission>, ProxyError> {
    let Some(key) = key(&head.read.fields(&head.bytes), route)? else { return Ok(None) };
    let begun = Instant::now();
    let request = idempotency::request(head.read.method(&head.bytes), route.target, body);
    let patience = audit::patience(route.endpoint.relief);
    let admission = worker.proxy.register.begin(caller.name(), key, request, patience).await;
    // The disk's time.
    observation.was_elsewhere(begun.elapsed());
    match admission {
        Err(why) if why.is_ours() && route.endpoint.relief => {
            let operation = route.endpoint.operation;
            observation.loses_its_key();
            tracing::warn!(%caller, operation, %why, "a cancel or liquidation is sent as if it had no Idempotency-Key, since that cannot be kept: a repetition would be sent too");
            Ok(None)
        }
        admission => Ok(Some(admission?)),
    }
}

/// The key of a request, if it has one and does something at upstream: for nothing else does a key mean anything.
pub(super) fn key<'a>(fields: &Fields<'a>, route: &Route<'_>) -> Result<Option<Key<'a>>, BadKey> {
    let does_something = matches!(route.endpoint.effect, Effect::Order | Effect::Write);
    if does_something && matches!(route.by, Answerer::Upstream) { Key::among(fields) } else { Ok(None) }
}

/// Gives an answer again.
pub(super) async fn repeat(
    kept: &Kept,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> After {
    observation.repeats();
    outbound.penalty = penalty(kept);
    let written = outbound.kept(kept, true).await;
    observation.complete(kept.status(), Outcome::Replayed);
    match written {
        Ok(true) => After::KeepAlive,
        Ok(false) => After::Close,
        Err(_) => After::Abort,
    }
}

/// Passes the first answer on, once the register has it: whoever has read it may ask again at once. Returns whether the
/// connection can be used again.
pub(super) async fn pass_on(
    worker: &Worker,
    answer: &mut Answer,
    attempt: Attempt,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<bool, Cut> {
    let (status, limit) = (answer.status(), worker.proxy.register.answer_bytes());
    if let Length::Known(length) = answer.length()
        && usize::try_from(length).is_ok_and(|length| length > limit)
    {
        attempt.answered_at_length(status);
        return stream_back(answer, outbound, observation).await;
    }
    // Dropped unsettled, the attempt says that nobody knows.
    let Gathered { kept, is_whole } = gather(answer, limit).await.map_err(Cut::Unbegun)?;
    if !is_whole {
        attempt.answered_at_length(status);
        return outbound.answer_begun(&kept, answer, observation).await;
    }
    let kept = Arc::new(kept);
    attempt.answered(Arc::clone(&kept));
    outbound.penalty = penalty(&kept);
    if outbound.penalty.is_some() {
        observation.is_penalty();
    }
    if let Some(body) = kept.body() {
        observation.saw(body);
    }
    let keep_alive = outbound.kept(&kept, false).await?;
    observation.is_passed_on(true);
    Ok(keep_alive)
}

/// The one that it holds.
fn penalty(kept: &Kept) -> Option<Penalty> {
    kept.body().filter(|_| kept.status() == StatusCode::OK).and_then(Penalty::find)
}

/// An answer as far as it has been read.
struct Gathered {
    kept: Kept,
    is_whole: bool,
}

/// Reads an answer to its end, or until it is longer than `limit`.
async fn gather(answer: &mut Answer, limit: usize) -> Result<Gathered, UpstreamError> {
    let (status, reason) = (answer.status(), answer.reason());
    let mut kept = match answer.length() {
        Length::Bodiless(stated) => Kept::bodiless(status, reason, stated),
        Length::Known(_) | Length::Unknown => Kept::new(status, reason),
    };
    answer.for_each_field(|field| kept.field(&String::from_utf8_lossy(field.name), field.value));
    if kept.body().is_none() {
        return Ok(Gathered { kept, is_whole: true });
    }
    if let Some(data) = answer.data_at_hand()? {
        kept.data(data);
    }
    while kept.body().is_some_and(|body| body.len() <= limit) {
        let Some(data) = answer.next_data().await? else { return Ok(Gathered { kept, is_whole: true }) };
        kept.data(data);
    }
    Ok(Gathered { kept, is_whole: false })
}
