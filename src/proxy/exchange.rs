//! One request, from its first byte to its answer's last, in the order it happens.

use http::StatusCode;
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
    upstream::{self, Answer, Choice, Failure, Lease, Prepared, Sent},
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
    let Connection { stream, head, inbound, buffer, wire } = connection;
    let proxy = &*worker.proxy;

    // Judge the head before the body is let in.
    inbound.read_head(stream, head, &proxy.limits, &proxy.timeouts).await?;
    let route = Route::of(&head.read, &head.bytes, &proxy.endpoints, &proxy.content_types)?;
    observation.is_for(route.endpoint);
    inbound.read_body(stream, head, &proxy.limits, &proxy.timeouts).await?;
    observation.is_read();

    // From here on the request is whole, and one of a bounded number.
    let _permit = worker.admit()?;
    worker.wait_for_token().await?;

    let mut outbound = worker.outbound(stream, buffer, Some(head));
    match route.by {
        Answerer::Proxy(call) => {
            let body = compat::answer(call, &*worker.token()?, worker.now());
            Ok(answer_locally(&body, &mut outbound, observation).await)
        }
        Answerer::Upstream => {
            let request = Received::new(&head.read, &head.bytes, route.target, inbound.body()).scrub();
            let effect = route.endpoint.effect;
            let answer = forward(worker, request, effect, wire, &mut outbound, observation).await?;
            Ok(pass_on(answer, &mut outbound, observation).await)
        }
    }
}

/// Sends a request and waits for the head of its answer.
///
/// It goes out once. It goes out a second time only if not one byte of it had left, or if it is a `read` and
/// either the connection had died unused or the token has been replaced since.
async fn forward(
    worker: &Worker,
    request: Scrubbed<'_>,
    effect: Effect,
    wire: &mut Vec<u8>,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<Answer, ProxyError> {
    let mut choice = Choice::Any;
    let mut answered_before: Option<Generation> = None;
    loop {
        let origin = worker.token()?.origin.clone();
        let lease = worker.upstream.lease(&origin, choice).await?;
        let is_reused = lease.is_reused();

        // The token of this very moment, after the connection stands; and only over the way it was issued for.
        let session = worker.token()?;
        if !lease.leads_to(&session.origin) {
            continue;
        }
        let generation = session.generation;
        let prepared = lease.prepare(&request.authorize(&session.bearer, &session.origin), wire)?;
        drop(session);

        observation.is_sent();
        let sent = send(lease, prepared, outbound).await;
        observation.is_answered();
        match sent {
            Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => {
                worker.proxy.session.report_rejected(generation);
                let is_outdated = worker.token().is_ok_and(|session| session.generation > generation);
                if effect == Effect::Read && is_outdated && answered_before.is_none() {
                    answered_before = Some(generation);
                    continue;
                }
                return Ok(answer);
            }
            Ok(answer) => return Ok(answer),
            Err(failure) if is_reused && may_repeat(&failure, effect) => choice = Choice::Fresh,
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Whether a request that failed on a connection that had waited may go out on a new one.
fn may_repeat(failure: &Failure, effect: Effect) -> bool {
    failure.error.is_stale_connection() && (failure.sent == Sent::No || effect == Effect::Read)
}

async fn send(lease: Lease, request: Prepared<'_>, outbound: &mut Outbound<'_>) -> Result<Answer, Failure> {
    let mut answer = lease.send(request).await?;
    while answer.head().await? == upstream::Head::Interim {
        // A caller that has left is noticed when the answer itself cannot be written; what has been sent is
        // read to its answer all the same, so that its outcome is known.
        let _ = outbound.interim(&answer).await;
    }
    Ok(answer)
}

async fn pass_on(
    mut answer: Answer,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> After {
    let status = answer.status();
    match outbound.answer(&mut answer, || observation.is_passed_on()).await {
        Ok(keep_alive) => {
            observation.complete(status, "answered");
            answer.finish();
            if keep_alive { After::KeepAlive } else { After::Close }
        }
        Err(Cut::Caller) => {
            observation.complete(status, "caller-gone");
            After::Abort
        }
        Err(Cut::Upstream(error)) => {
            tracing::debug!(%error, "upstream's answer broke off");
            observation.complete(status, "truncated");
            After::Abort
        }
    }
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
    fn outbound<'a>(
        &self,
        stream: &'a mut TcpStream,
        buffer: &'a mut Vec<u8>,
        head: Option<&Head>,
    ) -> Outbound<'a> {
        Outbound {
            stream,
            buffer,
            version: head.map_or_else(Default::default, |head| head.read.version()),
            to_head: head.is_some_and(|head| head.read.method(&head.bytes) == "HEAD"),
            keep_alive: head.is_some_and(|head| head.read.keep_alive()) && !*self.draining.borrow(),
            patience: self.proxy.timeouts.body_idle,
            now: self.now(),
        }
    }
}
