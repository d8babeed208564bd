//! One request, from its first byte to its answer's last, in the order it happens.

use std::{io, mem::MaybeUninit};

use http::StatusCode;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::{
    auth::Generation,
    hygiene::{Received, Scrubbed},
    proxy::{
        ProxyError, Worker, compat,
        connection::Connection,
        inbound::{Head, Stop},
        metrics::Observation,
        outbound::{Cut, Outbound},
        route::{Answerer, Route},
    },
    tradovate::Effect,
    upstream::{self, Answer, Choice, Failure, Prepared, Sent},
};

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It carries the next request.
    KeepAlive,
    /// It has been told that it ends.
    Close,
    /// It ends so that the caller cannot take half an answer for a whole one.
    Abort,
}

/// Serves one request.
pub(super) async fn exchange(worker: &Worker, connection: &mut Connection) -> After {
    let mut observation = worker.metrics.observe();
    match serve(worker, connection, &mut observation).await {
        Ok(after) => after,
        Err(Stop::Gone) => After::Abort,
        Err(Stop::Error(error)) => refuse(worker, connection, &error, &mut observation).await,
    }
}

async fn serve(
    worker: &Worker,
    connection: &mut Connection,
    observation: &mut Observation<'_>,
) -> Result<After, Stop> {
    let Connection { stream, head, inbound, buffer, wire, .. } = connection;
    let proxy = &*worker.proxy;

    // Judge the head before the body is let in.
    inbound.read_head(stream, head, &proxy.limits, &proxy.timeouts).await?;
    let route = Route::of(&head.read, &head.bytes, &proxy.endpoints, &proxy.content_types)?;
    observation.is_for(route.endpoint);
    inbound.read_body(stream, head, &proxy.limits, &proxy.timeouts).await?;
    observation.is_read();

    // From here on the request is whole, and one of a bounded number.
    let _permit = worker.admit()?;
    let waited = worker.wait_for_token().await?;
    observation.was_elsewhere(waited);
    // Whoever gave up meanwhile may have looked, and ordered again. A caller that has only closed its half cannot
    // be told from one that has left; for one that had to wait, that is reason enough.
    if !waited.is_zero() && route.endpoint.effect != Effect::Read && has_left(stream) {
        return Err(ProxyError::CallerLeft.into());
    }

    let mut outbound = worker.outbound(stream, buffer, Some(head));
    match route.by {
        Answerer::Proxy(call) => {
            let body = compat::answer(call, &*worker.token()?, &proxy.clock);
            Ok(answer_locally(&body, &mut outbound, observation).await)
        }
        Answerer::Upstream => {
            let request = Received::new(&head.read, &head.bytes, route.target, inbound.body()).scrub();
            let effect = route.endpoint.effect;
            let answer = forward(worker, request, effect, wire, &mut outbound, observation).await?;
            pass_on(answer, &mut outbound, observation).await
        }
    }
}

/// Whether the caller has closed its side: behind a request read whole, the kernel has its end and nothing else.
fn has_left(stream: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match SockRef::from(stream).peek(&mut byte) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Sends a request and waits for the head of its answer.
///
/// It goes out once. There is one second try, and only where the first cannot have done anything: if it failed on
/// a connection that had waited before a byte of it had left; or, for a `read`, if that connection died without
/// answering, or the token has been replaced since it was refused.
async fn forward(
    worker: &Worker,
    request: Scrubbed<'_>,
    effect: Effect,
    wire: &mut Vec<u8>,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<Answer, ProxyError> {
    let first = attempt(worker, request, Choice::Any, wire, outbound, observation).await;
    let choice = match &first {
        Ok(tried) if effect == Effect::Read && tried.is_refused_as_outdated(worker) => Choice::Any,
        Err(missed) if missed.may_repeat(effect) => Choice::Fresh,
        Ok(_) | Err(_) => return first.map(|tried| tried.answer).map_err(|missed| missed.error),
    };
    let second = attempt(worker, request, choice, wire, outbound, observation).await;
    match (first, second) {
        // What the first try is known to have done outweighs what the second could not do.
        (_, Ok(tried)) | (Ok(tried), Err(_)) => Ok(tried.answer),
        (Err(missed), Err(_)) if missed.has_left() => Err(missed.error),
        (Err(_), Err(missed)) => Err(missed.error),
    }
}

/// An answer, and which token was sent for it.
struct Tried {
    answer: Answer,
    generation: Generation,
}

/// No answer.
struct Missed {
    error: ProxyError,
    /// Whether it was missed on a connection that had waited.
    on_reused: bool,
}

/// Sends the request once.
async fn attempt(
    worker: &Worker,
    request: Scrubbed<'_>,
    choice: Choice,
    wire: &mut Vec<u8>,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<Tried, Missed> {
    let (prepared, generation, on_reused) = loop {
        let origin = worker.token()?.origin.clone();
        let lease = worker.upstream.lease(&origin, choice).await?;
        let opened_in = lease.opened_in();
        observation.was_elsewhere(opened_in.unwrap_or_default());

        // The token of this very moment, after the connection stands; and only over the way it was issued for.
        let session = worker.token()?;
        if lease.leads_to(&session.origin) {
            let request = request.authorize(&session.bearer, &session.origin);
            break (lease.prepare(&request, wire)?, session.generation, opened_in.is_none());
        }
    };
    observation.is_sent();
    let answer = answer_to(prepared, outbound).await;
    observation.is_answered();
    let answer = answer.map_err(|failure| Missed { error: failure.into(), on_reused })?;
    if answer.status() == StatusCode::UNAUTHORIZED {
        worker.proxy.session.report_rejected(generation);
    }
    Ok(Tried { answer, generation })
}

async fn answer_to(request: Prepared<'_>, outbound: &mut Outbound<'_>) -> Result<Answer, Failure> {
    let mut answer = request.send().await?;
    while answer.head().await? == upstream::Head::Interim {
        // A caller that has left is noticed when the answer itself cannot be written; what has been sent is
        // read to its answer all the same, so that its outcome is known.
        let _ = outbound.interim(&answer).await;
    }
    Ok(answer)
}

impl Tried {
    fn is_refused_as_outdated(&self, worker: &Worker) -> bool {
        self.answer.status() == StatusCode::UNAUTHORIZED
            && worker.token().is_ok_and(|session| session.generation > self.generation)
    }
}

impl Missed {
    fn has_left(&self) -> bool {
        matches!(&self.error, ProxyError::Upstream(Failure { sent: Sent::Maybe, .. }))
    }

    fn may_repeat(&self, effect: Effect) -> bool {
        let ProxyError::Upstream(Failure { error, sent }) = &self.error else { return false };
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
        Self { error: error.into(), on_reused: false }
    }
}

async fn pass_on(
    mut answer: Answer,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<After, Stop> {
    let status = answer.status();
    Ok(match outbound.answer(&mut answer, || observation.is_passed_on()).await {
        Ok(keep_alive) => {
            observation.complete(status, "answered");
            answer.finish();
            if keep_alive { After::KeepAlive } else { After::Close }
        }
        Err(Cut::Caller) => {
            observation.complete(status, "caller-gone");
            After::Abort
        }
        // Nothing of it has been passed on: the caller can still be told.
        Err(Cut::Unbegun(error)) => return Err(Failure { error, sent: Sent::Maybe }.into()),
        Err(Cut::Upstream(error)) => {
            tracing::debug!(%error, "upstream's answer broke off");
            observation.complete(status, "truncated");
            After::Abort
        }
    })
}

async fn answer_locally(
    body: &[u8],
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> After {
    observation.complete(StatusCode::OK, "local");
    match outbound.local(body).await {
        Ok(()) if outbound.keep_alive => After::KeepAlive,
        Ok(()) => After::Close,
        Err(_) => After::Abort,
    }
}

/// Tells the caller why there is no answer from upstream.
async fn refuse(
    worker: &Worker,
    connection: &mut Connection,
    error: &ProxyError,
    observation: &mut Observation<'_>,
) -> After {
    tracing::debug!(error = error as &dyn std::error::Error, "answered with a problem");
    let Connection { stream, head, inbound, buffer, .. } = connection;
    let problem = error.problem();
    observation.complete(problem.status, error.label());
    let mut outbound = worker.outbound(stream, buffer, inbound.has_head().then_some(&*head));
    // What is left of an unread body would be taken for the next request.
    outbound.keep_alive &= inbound.is_whole() && !error.ends_connection();
    match outbound.problem(&problem).await {
        Ok(()) if outbound.keep_alive => After::KeepAlive,
        Ok(()) => After::Close,
        Err(_) => After::Abort,
    }
}

impl Worker {
    /// How to answer the request with this head; where none could be read, in the plainest way.
    pub(super) fn outbound<'a>(
        &'a self,
        stream: &'a mut TcpStream,
        buffer: &'a mut Vec<u8>,
        head: Option<&Head>,
    ) -> Outbound<'a> {
        Outbound {
            stream,
            buffer,
            version: head.map_or_else(Default::default, |head| head.read.version()),
            to_head: head.is_some_and(|head| head.read.method(&head.bytes) == "HEAD"),
            keep_alive: head.is_some_and(|head| head.read.keep_alive()),
            draining: &self.draining,
            patience: self.proxy.timeouts.body_idle,
            date: self.proxy.clock.wall(),
            is_broken: false,
        }
    }
}
