//! One request, from its first byte to its answer's last, in the order it happens.

use std::rc::Rc;

use http::StatusCode;

use crate::{
    auth::Generation,
    http1::Framing,
    hygiene::{Received, Scrubbed},
    proxy::{
        ProxyError, Worker, compat,
        connection::Connection,
        inbound::{Head, Unread},
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
pub(super) async fn exchange(worker: &Rc<Worker>, connection: &mut Connection) -> After {
    let Connection { stream, head, inbound, buffer, wire } = connection;
    let proxy = &*worker.proxy;
    let mut observation = worker.metrics.observe();

    // Receive the head; whoever breaks a rule of framing is told, and the connection ends.
    if let Err(unread) = inbound.read_head(stream, head, &proxy.limits, &proxy.timeouts).await {
        let mut outbound = worker.outbound(stream, buffer, None);
        return refuse(unread, &mut outbound, &mut observation).await;
    }

    // Route it, and let the body come only if it is wanted.
    let route = Route::of(&head.read, &head.bytes, &proxy.endpoints, &proxy.content_types);
    let received = match &route {
        Ok(route) => {
            observation.is_for(route.endpoint);
            inbound.read_body(stream, head, &proxy.limits, &proxy.timeouts).await
        }
        Err(refusal) => Err(Unread::Error(ProxyError::Refused(*refusal))),
    };
    observation.is_read();
    let mut outbound = worker.outbound(stream, buffer, Some(head));
    let route = match (route, received) {
        (Ok(route), Ok(())) => route,
        (_, Err(unread)) => {
            // The body, if there is one, has not been read.
            outbound.keep_alive &= head.read.framing() == Framing::Empty;
            return refuse(unread, &mut outbound, &mut observation).await;
        }
        (Err(refusal), Ok(())) => {
            return refuse(ProxyError::Refused(refusal).into(), &mut outbound, &mut observation).await;
        }
    };

    // Admit it, and wait for a token if there is none yet.
    let permit = match worker.admit() {
        Ok(permit) => permit,
        Err(error) => return refuse(error.into(), &mut outbound, &mut observation).await,
    };
    if let Err(error) = worker.wait_for_token().await {
        return refuse(error.into(), &mut outbound, &mut observation).await;
    }

    // Answer it: here, or by upstream.
    let after = match route.by {
        Answerer::Proxy(call) => match worker.token() {
            Ok(session) => {
                let body = compat::answer(call, &session, worker.now());
                drop(session);
                respond_locally(&body, &mut outbound, &mut observation).await
            }
            Err(error) => refuse(error.into(), &mut outbound, &mut observation).await,
        },
        Answerer::Upstream => {
            let request = Received::new(&head.read, &head.bytes, route.target, inbound.body()).scrub();
            match forward(worker, request, route.endpoint.effect, wire, &mut outbound, &mut observation).await
            {
                Ok(answer) => pass_on(answer, &mut outbound, &mut observation).await,
                Err(error) => refuse(error.into(), &mut outbound, &mut observation).await,
            }
        }
    };
    drop(permit);
    after
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

async fn respond_locally(
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
async fn refuse(unread: Unread, outbound: &mut Outbound<'_>, observation: &mut Observation<'_>) -> After {
    let Unread::Error(error) = unread else { return After::Abort };
    tracing::debug!(error = &error as &dyn std::error::Error, "answered with a problem");
    let problem = error.problem();
    outbound.keep_alive &= !error.ends_connection();
    observation.complete(problem.status, error.label());
    match outbound.problem(&problem).await {
        Ok(()) if outbound.keep_alive => After::KeepAlive,
        Ok(()) => After::Close,
        Err(_) => After::Abort,
    }
}

impl Worker {
    /// How to answer the request with this head; before one could be read, in the plainest way.
    fn outbound<'a>(
        &self,
        stream: &'a mut tokio::net::TcpStream,
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
