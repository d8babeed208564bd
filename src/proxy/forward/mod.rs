//! Sending one request, learning from its answer what it says of the session, and the one second try.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    auth::{Generation, Reader, Sign},
    hygiene::Scrubbed,
    origin::Origin,
    proxy::{
        ProxyError, Worker, departure::Departure, inbound::Stop, observation::Observation, outbound::Outbound,
    },
    tradovate::{Effect, Endpoint},
    upstream::{self, Answer, Choice, Failure, Prepared, Sent},
};

/// Sends a request and waits for the head of its answer.
///
/// It goes out once. There is one second try, and only where the first cannot have done anything: if it failed on
/// a connection that had waited before a byte of it had left; or, for a `read`, if that connection died without
/// answering, or the token has been replaced since it was refused, or the session has moved to another origin since
/// it was redirected.
///
/// A caller that resets its connection is gone. A `read` is then dropped, and upstream's connection with it; anything
/// else is not sent any more if a connection had to be opened for it, or is read to its answer if it was. That a caller has closed its half (FIN) says only
/// that it asks nothing further: it may be waiting for the answer (RFC 9112 §9.6). Nor may it, if the request has
/// waited: whoever gave up on an order may have looked, and ordered again, so that one is not sent any more.
pub(super) async fn forward(
    worker: &Worker,
    outgoing: Outgoing<'_>,
    wire: &mut Vec<u8>,
    asker: &mut impl Asker,
    departure: &mut Departure<'_, '_>,
) -> Result<Answer, Stop> {
    let first = attempt(worker, outgoing, Choice::Any, wire, asker, departure).await;
    let choice = match &first {
        Ok(tried)
            if outgoing.endpoint.effect == Effect::Read
                && tried.may_be_outdated()
                && Box::pin(tried.is_outdated(worker, departure.observation())).await =>
        {
            Choice::Any
        }
        Err(missed) if missed.may_repeat(outgoing.endpoint.effect) => Choice::Fresh,
        Ok(_) | Err(_) => return first.map(|tried| tried.answer).map_err(|missed| missed.error),
    };
    // Boxed: what every connection would else keep room for.
    let second = Box::pin(attempt(worker, outgoing, choice, wire, asker, departure)).await;
    match (first, second) {
        // What the first try is known to have done outweighs what the second could not do.
        (_, Ok(tried)) | (Ok(tried), Err(_)) => Ok(tried.answer),
        (Err(missed), Err(_)) if missed.has_left() => Err(missed.error),
        (Err(_), Err(missed)) => Err(missed.error),
    }
}

/// Who waits for an answer.
pub(super) trait Asker {
    /// Whether it has closed its side, and may have given up.
    fn has_left(&mut self) -> bool;

    /// Whether it has gone, and will read nothing more.
    fn is_reset(&self) -> bool;

    /// Waits until it has. Cancel safe.
    async fn reset(&self);

    /// Passes an interim answer on to it. That it has left shows when the answer itself cannot be written.
    async fn interim(&mut self, answer: &Answer);
}

impl Asker for Outbound<'_> {
    fn has_left(&mut self) -> bool {
        self.stream.has_left()
    }

    fn is_reset(&self) -> bool {
        self.is_reset()
    }

    async fn reset(&self) {
        self.reset().await;
    }

    async fn interim(&mut self, answer: &Answer) {
        // What has been sent is read to its answer all the same, so that its outcome is known.
        let _ = self.interim(answer).await;
    }
}

/// A request as it is sent, once or twice.
#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) request: Scrubbed<'a>,
    pub(super) endpoint: &'a Endpoint,
}

/// An answer, which token was sent for it, and where.
struct Tried {
    answer: Answer,
    generation: Generation,
    origin: Arc<Origin>,
}

/// No answer.
struct Missed {
    error: Stop,
    /// Whether it was missed on a connection that had waited.
    on_reused: bool,
}

/// Sends the request once.
async fn attempt(
    worker: &Worker,
    outgoing: Outgoing<'_>,
    choice: Choice,
    wire: &mut Vec<u8>,
    asker: &mut impl Asker,
    departure: &mut Departure<'_, '_>,
) -> Result<Tried, Missed> {
    let (prepared, generation, origin, on_reused) = loop {
        let session = worker.token()?;
        let lease = worker.upstream.lease(&session.origin, choice).await?;
        let opened_in = lease.opened_in();
        // The token of this very moment, after the connection stands; and only over the way it was issued for. Where
        // one stood already no time has passed.
        let session = match opened_in {
            None => session,
            Some(took) => {
                departure.observation().was_elsewhere(took);
                worker.token()?
            }
        };
        if lease.leads_to(&session.origin) {
            // It may have waited for the token, or the connection; not a byte of it has left.
            worker.proxy.guards.still_passes(outgoing.endpoint)?;
            let request = outgoing.request.authorize(&session.bearer, &session.origin);
            let origin = Arc::clone(&session.origin);
            break (lease.prepare(&request, wire)?, session.generation, origin, opened_in.is_none());
        }
    };
    // The last moment. Whatever took long (the journal of keys, the token, the audit log, a connection), whoever gave up
    // meanwhile may order again elsewhere; what takes risk away is wanted all the same.
    let Endpoint { effect, relief, .. } = *outgoing.endpoint;
    if effect != Effect::Read && !relief && departure.observation().is_late() && asker.has_left() {
        return Err(ProxyError::CallerLeft.into());
    }
    if !on_reused && asker.is_reset() {
        return Err(Missed { error: Stop::Gone, on_reused });
    }
    let budget = &*worker.proxy.budget;
    let holds = budget.holds();
    let answer =
        answer_to(unless_killed(worker, prepared, outgoing.endpoint), effect, asker, departure).await;
    departure.observation().is_answered();
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let missed = Missed { error, on_reused };
            // Why it has not left may be that it was withheld.
            if !missed.has_left() {
                worker.proxy.guards.still_passes(outgoing.endpoint)?;
            }
            return Err(missed);
        }
    };
    let tried = Tried { answer, generation, origin };
    let status = tried.answer.status().as_u16();
    let is_held = budget.learn(holds, generation, status, || tried.answer.retry_after());
    tried.tell(&worker.proxy.session, outgoing.endpoint.operation, is_held);
    Ok(tried)
}

/// Lets the kill switch have the last word, also over HTTP/2, where what has been handed over may not have left.
fn unless_killed<'b>(worker: &Worker, prepared: Prepared<'b>, endpoint: &Endpoint) -> Prepared<'b> {
    if endpoint.effect == Effect::Read {
        return prepared;
    }
    prepared.unless_withheld(|| {
        let (guards, endpoint) = (Arc::clone(&worker.proxy.guards), *endpoint);
        Box::new(move || guards.may_leave(&endpoint))
    })
}

async fn answer_to(
    request: Prepared<'_>,
    effect: Effect,
    asker: &mut impl Asker,
    departure: &mut Departure<'_, '_>,
) -> Result<Answer, Stop> {
    let mut answer = awaited(pin!(departure.send(request)), effect, asker).await?;
    while awaited(pin!(answer.head()), effect, asker).await? == upstream::Head::Interim {
        asker.interim(&answer).await;
    }
    Ok(answer)
}

/// Waits for upstream; with a `read`, only for as long as somebody is there to be answered.
async fn awaited<T>(
    // Pinned where it was made: what is as large as this costs more to move than to poll.
    upstream: Pin<&mut impl Future<Output = Result<T, Failure>>>,
    effect: Effect,
    asker: &impl Asker,
) -> Result<T, Stop> {
    if effect != Effect::Read {
        return Ok(upstream.await?);
    }
    tokio::select! {
        biased;
        came = upstream => Ok(came?),
        () = asker.reset() => Err(Stop::Gone),
    }
}

impl Tried {
    /// Tells the renewer what the answer says of the session.
    fn tell(&self, session: &Reader, operation: &'static str, is_held: bool) {
        if let Some(location) = self.moved_to() {
            return session.report_moved(self.generation, location);
        }
        match sign(self.answer.status(), || self.answer.is_wordless()) {
            Some(Sign::Doubtful) if is_held => session.report(self.generation, operation, Sign::Held),
            Some(sign) => session.report(self.generation, operation, sign),
            None => session.report_well(),
        }
    }

    /// Tradovate: 307, with the request's own path behind another host, means that the session lives there now.
    fn moved_to(&self) -> Option<&str> {
        let is_redirect =
            matches!(self.answer.status(), StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
        is_redirect.then(|| self.answer.location()).flatten()
    }

    /// Whether it is an answer that another session might not get.
    fn may_be_outdated(&self) -> bool {
        self.answer.status() == StatusCode::UNAUTHORIZED || self.moved_to().is_some()
    }

    /// Whether it was refused, or redirected, for what another session would be sent with by now.
    async fn is_outdated(&self, worker: &Worker, observation: &mut Observation<'_>) -> bool {
        let begun = Instant::now();
        let (session, patience) = (&worker.proxy.session, worker.proxy.timeouts.token);
        let is_outdated = if self.answer.status() == StatusCode::UNAUTHORIZED {
            // Tradovate: whether a renewal ends the token before it is stated nowhere. If it does, that token is dead
            // while the answer with the next one is on its way to us.
            session.is_replaced(self.generation, patience).await
        } else {
            // Where a `Location` may lead is for the renewer to judge. If it trusts this one it publishes the session
            // anew, at that origin; if it does not, nothing comes.
            let newer = session.newer_than(self.generation, patience.min(MOVE)).await;
            newer.is_some_and(|session| *session.origin != *self.origin)
        };
        observation.was_elsewhere(begun.elapsed());
        is_outdated
    }
}

/// What a status says against the session, if anything.
///
/// Tradovate: a dead token is refused with words, a missing permission without any (401); and to the token of a
/// session that another login has closed the answer is 408, 429 or 5xx.
fn sign(status: StatusCode, is_wordless: impl FnOnce() -> bool) -> Option<Sign> {
    match status.as_u16() {
        401 if is_wordless() => Some(Sign::Denied),
        401 => Some(Sign::Refused),
        408 | 429 | 500..=599 => Some(Sign::Doubtful),
        _ => None,
    }
}

impl Missed {
    fn has_left(&self) -> bool {
        matches!(&self.error, Stop::Error(ProxyError::Upstream(Failure { sent: Sent::Maybe, .. })))
    }

    fn may_repeat(&self, effect: Effect) -> bool {
        let Stop::Error(ProxyError::Upstream(Failure { error, sent })) = &self.error else { return false };
        self.on_reused
            && match sent {
                Sent::No => !error.is_timeout(),
                Sent::Maybe => effect == Effect::Read && error.is_stale_connection(),
            }
    }
}

/// Before anything was sent.
impl<E: Into<ProxyError>> From<E> for Missed {
    fn from(error: E) -> Self {
        Self { error: Stop::Error(error.into()), on_reused: false }
    }
}

/// How long a redirected `read` waits for the session to move, unless `timeouts.token` is shorter.
const MOVE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
