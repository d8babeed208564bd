//! Cancelling every working order, when the kill switch asks for it: `order/list`, one `order/cancelorder` for each
//! order that works, and `order/list` again to see what is left.
//!
//! On a thread of its own, with a connection of its own, since it is rare and must not wait behind anybody; else as any
//! other request goes out ([`forward`]): written down, counted, its answer learned from. Each cancel is sent once: what
//! became of one whose answer is lost is *unknown*, and is for a person to look at. Once Tradovate has had enough,
//! nothing more is sent, and the rest is named.

mod answered;

use std::{future, io, sync::Arc, thread, time::Duration};

use serde::Deserialize;
use tokio::{
    runtime,
    sync::oneshot,
    task::LocalSet,
    time::{Instant, sleep, timeout_at},
};

use self::answered::{Answered, Then};
use crate::{
    audit::Asked,
    callers::Caller,
    guard::{Fate, Sweep, Sweeps},
    http1::RequestHead,
    hygiene::Received,
    proxy::{
        Api, Proxy, ProxyError, Ready, Worker,
        departure::Departure,
        forward::{Asker, Outgoing, forward},
        inbound::Stop,
        observation::Observation,
        outbound::Watches as _,
        outcome::Outcome,
    },
    upstream::{self, Answer, Connector, Failure, Sent, Upstream, UpstreamError},
};

/// Who cancels.
#[derive(Debug)]
pub struct Canceller {
    /// Whose session is used, and where requests are counted.
    pub proxy: Arc<Proxy>,
    /// The way to upstream.
    pub connector: Connector,
    /// Where connections are counted.
    pub upstream: upstream::Metrics,
}

impl Canceller {
    /// Does what it is asked for, one sweep after the other. Ends when nobody can ask any more.
    pub async fn run(self, mut sweeps: Sweeps) {
        while let Some(sweep) = sweeps.recv().await {
            let sweep = Arc::new(sweep);
            sweep.begins();
            match self.begin(Arc::clone(&sweep)) {
                // An error says no more than that the thread has ended.
                Ok(ended) => drop(ended.await),
                Err(error) => {
                    sweep.fails(&format!(
                        "nothing was cancelled: no thread to cancel on could be had: {error}"
                    ));
                }
            }
        }
    }

    fn begin(&self, sweep: Arc<Sweep>) -> io::Result<oneshot::Receiver<()>> {
        let (end, ended) = oneshot::channel();
        let (proxy, connector, metrics) =
            (Arc::clone(&self.proxy), self.connector.clone(), self.upstream.clone());
        thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            // That it is gone says that this thread is.
            let _end = end;
            // Made where it lives: dropped in the control thread's runtime, for want of a thread, it would panic.
            let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return sweep.fails(&format!("nothing was cancelled: {error}")),
            };
            runtime.block_on(LocalSet::new().run_until(async {
                let upstream = Upstream::new(connector, proxy.limits.head_bytes, NONE_WARM, metrics);
                let worker = Worker::new(proxy, upstream);
                tokio::select! {
                    biased;
                    // What is under way is dropped, and by that written down as unknown.
                    () = sweep.is_broken_off() => {}
                    () = carry_out(&worker, &sweep) => sweep.done(),
                }
            }));
        })?;
        Ok(ended)
    }
}

async fn carry_out(worker: &Worker, sweep: &Sweep) {
    if worker.proxy.api == Api::Other {
        return sweep.is_troubled("nothing was cancelled: this API's orders are not known to the proxy");
    }
    let deadline = Instant::now() + LONGEST;
    if timeout_at(deadline, cancel_all(worker, sweep, deadline)).await.is_err() {
        let seconds = LONGEST.as_secs();
        sweep.leaves_the_rest(&format!("there was no time left after {seconds} s"));
        sweep.is_troubled(&format!("it was broken off after {seconds} s: look at order/list"));
    }
}

async fn cancel_all(worker: &Worker, sweep: &Sweep, deadline: Instant) {
    match found(worker, deadline).await {
        Ok(working) if working.len() > MOST => {
            sweep.is_troubled(&format!(
                "{} orders work; the first {MOST} are cancelled: ask again for the rest",
                working.len()
            ));
            sweep.found(working.into_iter().take(MOST));
        }
        Ok(working) => sweep.found(working),
        Err(Unlisted { trouble, .. }) => {
            return sweep
                .is_troubled(&format!("nothing was cancelled, because order/list failed: {trouble}"));
        }
    }
    while let Some(order) = sweep.take_next() {
        let (fate, then) = cancel(worker, order).await;
        sweep.became(fate);
        let stop = match then {
            Then::GoOn => continue,
            Then::Wait(wait) if is_over_before(deadline, wait) => {
                sleep(wait).await;
                continue;
            }
            Then::Wait(wait) => format!("Tradovate asks for {} s without a request", wait.as_secs()),
            Then::Stop(why) => why,
        };
        // Each more request would count against the account, the look at what is left too.
        sweep.leaves_the_rest(&stop);
        return sweep.is_troubled(&format!(
            "it ended early, because {stop}: cancel the rest in Tradovate's own program, or kill again later"
        ));
    }
    match working(worker).await {
        Ok(left) => sweep.left(left),
        Err(Unlisted { trouble, .. }) => sweep.is_troubled(&format!(
            "whether orders are left is not known, because order/list failed: {trouble}"
        )),
    }
}

/// Whether a wait from now on leaves time for more. It may be any number of seconds: upstream asks for it.
fn is_over_before(deadline: Instant, wait: Duration) -> bool {
    wait < deadline.saturating_duration_since(Instant::now())
}

async fn cancel(worker: &Worker, order: i64) -> (Fate, Then) {
    let body = format!("{{\"orderId\":{order},\"isAutomated\":true}}");
    match call(worker, "POST", CANCEL, &body).await {
        Ok(answered) => (answered.fate(), answered.then()),
        Err(error) if error.problem().sent == Sent::No => (Fate::NotSent(error.to_string()), Then::GoOn),
        Err(_) => (Fate::Unknown, Then::GoOn),
    }
}

/// What there is to cancel. Asked for more than once where it was not told, since without it nothing is cancelled, and a
/// read may be asked again.
async fn found(worker: &Worker, deadline: Instant) -> Result<Vec<i64>, Unlisted> {
    for _ in 1..LOOKS {
        match working(worker).await {
            Ok(working) => return Ok(working),
            Err(Unlisted { trouble, again_in: Some(wait) }) if is_over_before(deadline, wait) => {
                tracing::warn!(
                    trouble,
                    again_in_ms = wait.as_millis(),
                    "the working orders are not known yet"
                );
                sleep(wait).await;
            }
            Err(unlisted) => return Err(unlisted),
        }
    }
    working(worker).await
}

/// No list of orders.
#[derive(Debug)]
struct Unlisted {
    trouble: String,
    /// When it may be asked for again, if it may.
    again_in: Option<Duration>,
}

impl Unlisted {
    fn by_chance(trouble: impl Into<String>) -> Self {
        Self { trouble: trouble.into(), again_in: Some(PAUSE) }
    }
}

/// The ids of all orders that may still be filled.
async fn working(worker: &Worker) -> Result<Vec<i64>, Unlisted> {
    let answered = call(worker, "GET", LIST, "").await;
    let answered = answered.map_err(|error| Unlisted::by_chance(error.to_string()))?;
    let again_in = match answered.then() {
        Then::GoOn => Some(PAUSE),
        Then::Wait(wait) => Some(wait),
        Then::Stop(_) => None,
    };
    if !answered.status.is_success() {
        let trouble = format!("it was answered {}", answered.status.as_u16());
        return Err(Unlisted { trouble, again_in });
    }
    if let Some(penalty) = answered.penalty() {
        let trouble = format!("it was answered with {}", answered::shown(penalty));
        return Err(Unlisted { trouble, again_in });
    }
    let orders: Vec<OrderState> = serde_json::from_slice(&answered.body)
        .map_err(|_| Unlisted::by_chance("what it answered is no list of orders"))?;
    Ok(orders.into_iter().filter(OrderState::works).map(|order| order.id).collect())
}

/// One call, sent once, and its whole answer.
async fn call(worker: &Worker, method: &str, path: &str, body: &str) -> Result<Answered, ProxyError> {
    let endpoint = worker.proxy.endpoints.find(below_v1(path));
    let mut observation = worker.metrics.observe();
    observation.is_by(Caller::KillSwitch);
    observation.is_for(endpoint);
    observation.is_read();
    observation.concerns(worker.proxy.audit.entry(Asked {
        endpoint,
        caller: Caller::KillSwitch.name(),
        method,
        target: path,
        body: body.as_bytes(),
    }));
    let answered = exchange(worker, method, path, body, &mut observation).await;
    match &answered {
        Ok(answered) => observation.complete(answered.status, Outcome::Answered),
        Err(error) => observation.complete(error.problem().status, error.outcome()),
    }
    answered
}

async fn exchange(
    worker: &Worker,
    method: &str,
    path: &str,
    body: &str,
    observation: &mut Observation<'_>,
) -> Result<Answered, ProxyError> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    // Its length is said anew where it is sent.
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{kind}\r\n");
    let mut read = RequestHead::default();
    read.read(head.as_bytes())?;
    let request = Received::new(&read, head.as_bytes(), path, body.as_bytes()).scrub();

    let Ready { waited, generation, now } = worker.wait_for_token().await?;
    observation.was_elsewhere(waited);
    // The list is asked for to cancel, so it comes out of what is kept for cancels too.
    let relief = worker.proxy.endpoints.find(below_v1(CANCEL));
    let fare = worker.proxy.budget.spend(Caller::KillSwitch.name(), relief, generation, now)?;
    // Before a byte of it leaves. It stops nothing: the list is not written down, and a cancel goes on without.
    observation.begin().await?;
    let endpoint = worker.proxy.endpoints.find(below_v1(path));
    let outgoing = Outgoing { request, endpoint };
    let mut departure = Departure::new(fare, observation, None);
    let mut answer = match forward(worker, outgoing, &mut Vec::new(), &mut Patient, &mut departure).await {
        Ok(answer) => answer,
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Gone) => return Err(ProxyError::CallerLeft),
    };
    drop(departure);
    observation.reads(&answer);
    let (status, retry_after) = (answer.status(), answer.retry_after());
    let body = whole(&mut answer, observation).await?;
    answer.finish();
    Ok(Answered { status, retry_after, body })
}

async fn whole(answer: &mut Answer, observation: &mut Observation<'_>) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let data = answer.next_data().await.map_err(|error| Failure { error, sent: Sent::Maybe })?;
        let Some(data) = data else { return Ok(body) };
        if body.len() + data.len() > LARGEST {
            return Err(Failure { error: UpstreamError::Truncated, sent: Sent::Maybe });
        }
        observation.saw(data);
        body.extend_from_slice(data);
    }
}

/// Nobody leaves.
struct Patient;

impl Asker for Patient {
    fn has_left(&mut self) -> bool {
        false
    }

    fn is_reset(&self) -> bool {
        false
    }

    async fn reset(&self) {
        future::pending::<()>().await;
    }

    async fn interim(&mut self, _: &Answer) {}
}

fn below_v1(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap_or(path)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderState {
    id: i64,
    ord_status: Option<String>,
}

impl OrderState {
    /// Tradovate: the other statuses are `Working`, `PendingNew`, `PendingReplace`, `Suspended` (a bracket that waits
    /// for its entry) and `Unknown`. One that is added later may work.
    fn works(&self) -> bool {
        let is_over = |status: &str| OVER.contains(&status);
        !self.ord_status.as_deref().is_some_and(is_over)
    }
}

/// Tradovate: `ordStatus` of orders that can be filled no more, or that are being cancelled.
const OVER: &[&str] = &["Canceled", "Completed", "Expired", "Filled", "PendingCancel", "Rejected"];

const LIST: &str = "/v1/order/list";
const CANCEL: &str = "/v1/order/cancelorder";

/// What cancels is over before a connection in reserve would be of use.
const NONE_WARM: usize = 0;
/// How often the list is asked for before nothing is cancelled for the lack of it, and how long is waited in between.
const LOOKS: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);
/// Cancels at one go: many more would spend the hour's 5,000 requests that the user has.
const MOST: usize = 500;
/// For all of it: an operator waits.
const LONGEST: Duration = Duration::from_secs(90);
/// Largest list of orders, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;
