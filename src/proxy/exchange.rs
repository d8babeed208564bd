//! One request, from its first byte to its answer's last, in the order it happens.

use http::StatusCode;

use crate::{
    audit::Asked,
    callers::Signs,
    clock::Alarm,
    downstream::Stream,
    guard,
    hygiene::Received,
    idempotency::{Admission, Attempt},
    proxy::{
        ProxyError, Ready, Worker, compat,
        connection::Connection,
        departure::Departure,
        forward::{Outgoing, forward},
        inbound::{Head, Stop},
        keyed,
        observation::Observation,
        outbound::{Cut, Outbound},
        outcome::Outcome,
        route::{Answerer, Route, stays_in_http},
        workspace::Workspace,
    },
    tradovate::{Effect, Penalty, penalty},
    upstream::{Answer, Failure, Sent},
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
pub(super) async fn exchange(
    worker: &Worker,
    connection: &mut Connection,
    workspace: &mut Workspace,
) -> After {
    let mut observation = worker.metrics.observe();
    match serve(worker, connection, workspace, &mut observation).await {
        Ok(after) => after,
        Err(Stop::Gone) => After::Abort,
        Err(Stop::Error(error)) => {
            Box::pin(refuse(worker, connection, workspace, &error, &mut observation)).await
        }
    }
}

async fn serve(
    worker: &Worker,
    connection: &mut Connection,
    workspace: &mut Workspace,
    observation: &mut Observation<'_>,
) -> Result<After, Stop> {
    let Connection { stream, peer, alarm, .. } = connection;
    let Workspace { head, inbound, buffer, wire } = workspace;
    let proxy = &*worker.proxy;

    // Judge the head before the body is let in.
    inbound.read_head(stream, head, &proxy.limits, &proxy.timeouts).await?;
    let signs = Signs::of(&head.read, &head.bytes);
    let caller = proxy.callers.admit(&signs, peer.certified(), || stream.arrived_at())?;
    observation.is_by(caller.clone());
    let route = Route::of(&head.read, &head.bytes, proxy.api, &proxy.endpoints, &proxy.content_types)?;
    observation.is_for(route.endpoint);
    if !inbound.is_whole() {
        inbound.read_body(stream, head, &proxy.limits, &proxy.buffered, &proxy.timeouts).await?;
    }
    observation.is_read();
    observation.concerns(proxy.audit.entry(Asked {
        endpoint: route.endpoint,
        caller: caller.name(),
        method: head.read.method(&head.bytes),
        target: route.target,
        body: inbound.body(),
    }));
    // Before the guards: what they would say of a repetition, it would say of the order, which has gone before.
    let attempt = match keyed::begin(worker, &caller, head, inbound.body(), &route, observation).await? {
        Some(Admission::Repeat(kept)) => {
            let mut outbound = worker.outbound(stream, alarm, buffer, Some(head), Some(observation));
            return Ok(keyed::repeat(&kept, &mut outbound, observation).await);
        }
        Some(Admission::First(attempt)) => Some(attempt),
        None => None,
    };
    // Held until upstream has answered: whoever switches everything off waits for what had passed before.
    let pass = proxy.guards.judge(&guarded(head, &route, inbound.body())).inspect_err(|refusal| {
        let (guard, operation) = (refusal.rule().name(), route.endpoint.operation);
        tracing::warn!(%caller, guard, operation, "a guard refused a request");
    })?;

    // From here on the request is whole, and one of a bounded number.
    let _permit = worker.admit(route.endpoint)?;
    let Ready { waited, generation, now } = worker.wait_for_token().await?;
    observation.was_elsewhere(waited);
    // Whoever gave up meanwhile may have looked, and ordered again. A caller that has only closed its half cannot
    // be told from one that has left; for one that had to wait, that is reason enough.
    if !waited.is_zero() && route.endpoint.effect != Effect::Read && stream.has_left() {
        return Err(ProxyError::CallerLeft.into());
    }

    let mut outbound = worker.outbound(stream, alarm, buffer, Some(head), Some(observation));
    match route.by {
        Answerer::Proxy(call) => {
            let body = compat::answer(call, &*worker.token()?, &proxy.clock, worker.skew());
            Ok(answer_locally(&body, &mut outbound, observation).await)
        }
        Answerer::Upstream => {
            let fare = proxy.budget.spend(caller.name(), route.endpoint, generation, now)?;
            // Before a byte of it leaves.
            observation.begin().await?;
            let request = Received::new(&head.read, &head.bytes, route.target, inbound.body()).scrub();
            let outgoing = Outgoing { request, endpoint: route.endpoint };
            let mut departure = Departure::new(fare, observation, attempt);
            let answer = forward(worker, outgoing, wire, &mut outbound, &mut departure).await?;
            drop(pass);
            let (remaining, attempt) = departure.arrived();
            outbound.remaining = remaining;
            // It is not sent again now, and its caller may take long over the answer.
            inbound.release_body();
            pass_on(worker, answer, attempt, &mut outbound, observation).await
        }
    }
}

/// The request as the guards judge it: the very bytes that are forwarded.
fn guarded<'a>(head: &'a Head, route: &Route<'a>, body: &'a [u8]) -> guard::Request<'a> {
    guard::Request {
        endpoint: route.endpoint,
        is_local: matches!(route.by, Answerer::Proxy(_)),
        method: head.read.method(&head.bytes),
        target: route.target,
        fields: head.read.fields(&head.bytes),
        body,
    }
}

/// Passes an answer on, and tells an `attempt` of it; what comes of that is the same for every request.
async fn pass_on(
    worker: &Worker,
    mut answer: Answer,
    attempt: Option<Attempt>,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<After, Stop> {
    let status = answer.status();
    observation.reads(&answer);
    let passed = match attempt {
        Some(attempt) => Box::pin(keyed::pass_on(worker, &mut answer, attempt, outbound, observation)).await,
        None => stream_back(&mut answer, outbound, observation).await,
    };
    Ok(match passed {
        Ok(keep_alive) => {
            observation.complete(status, Outcome::Answered);
            answer.finish();
            if keep_alive { After::KeepAlive } else { After::Close }
        }
        Err(Cut::Caller) => {
            observation.complete(status, Outcome::CallerGone);
            // Read to its end, it leaves a connection that is as good as any. Callers in masses that leave too soon
            // would else have upstream open as many anew.
            answer.finish();
            After::Abort
        }
        // Nothing of it has been passed on: the caller can still be told.
        Err(Cut::Unbegun(error)) => return Err(Failure { error, sent: Sent::Maybe }.into()),
        Err(Cut::Upstream(error)) => {
            tracing::debug!(%error, "upstream's answer broke off");
            observation.complete(status, Outcome::Truncated);
            After::Abort
        }
    })
}

/// Passes an answer on as it comes. Returns whether the connection can be used again.
pub(super) async fn stream_back(
    answer: &mut Answer,
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> Result<bool, Cut> {
    if answer.status() == StatusCode::OK {
        let body = answer.peek(penalty::LONGEST).await.map_err(Cut::Unbegun)?;
        outbound.penalty = Penalty::find(body);
        if outbound.penalty.is_some() {
            observation.is_penalty();
        }
    }
    outbound.answer(answer, observation).await
}

async fn answer_locally(
    body: &[u8],
    outbound: &mut Outbound<'_>,
    observation: &mut Observation<'_>,
) -> After {
    observation.complete(StatusCode::OK, Outcome::Local);
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
    workspace: &mut Workspace,
    error: &ProxyError,
    observation: &mut Observation<'_>,
) -> After {
    let Connection { stream, peer, alarm, .. } = connection;
    let Workspace { head, inbound, buffer, .. } = workspace;
    tracing::debug!(%peer, error = error as &dyn std::error::Error, "answered with a problem");
    let problem = error.problem();
    observation.complete(problem.status, error.outcome());
    let whole_head = inbound.has_head().then_some(&*head);
    let mut outbound = worker.outbound(stream, alarm, buffer, whole_head, Some(observation));
    // RFC 9110 §9.3.2: no body, even where the rest of the head could not be read.
    outbound.to_head |= head.bytes.starts_with(b"HEAD ");
    // What is left of an unread body would be taken for the next request.
    outbound.keep_alive &= inbound.is_whole() && !error.ends_connection();
    // Nor need what comes behind a request for a tunnel be one, and a stranger's is refused before that is judged.
    outbound.keep_alive = outbound.keep_alive && stays_in_http(&head.read, &head.bytes).is_ok();
    match outbound.problem(&problem).await {
        Ok(()) if outbound.keep_alive => After::KeepAlive,
        Ok(()) => After::Close,
        Err(_) => After::Abort,
    }
}

impl Worker {
    /// How to answer the request with this head, as far as it has been observed; where none could be read, in the
    /// plainest way.
    pub(super) fn outbound<'a>(
        &'a self,
        stream: &'a mut Stream,
        alarm: &'a mut Alarm,
        buffer: &'a mut Vec<u8>,
        head: Option<&Head>,
        observation: Option<&Observation<'_>>,
    ) -> Outbound<'a> {
        Outbound {
            stream,
            alarm,
            buffer,
            version: head.map_or_else(Default::default, |head| head.read.version()),
            to_head: head.is_some_and(|head| head.read.method(&head.bytes) == "HEAD"),
            keep_alive: head.is_some_and(|head| head.read.keep_alive()),
            draining: &self.draining,
            environment: self.proxy.guards.environment(),
            patience: self.proxy.timeouts.body_idle,
            dates: &self.dates,
            remaining: None,
            penalty: None,
            request_id: observation.and_then(Observation::request_id),
            keeping: observation.map(Observation::keeping).unwrap_or_default(),
            is_broken: false,
        }
    }
}
