//! Cancelling every working order, when the kill switch asks for it: `order/list`, one `order/cancelorder` for each
//! order that works, and `order/list` again to see what is left.
//!
//! On a thread of its own, with a connection of its own, since it is rare and must not wait behind anybody. Each
//! cancel is sent once: what became of one whose answer is lost is *unknown*, and is for a person to look at.

use std::{io, sync::Arc, thread, time::Duration};

use http::StatusCode;
use serde::Deserialize;
use tokio::{runtime, task::LocalSet, time::timeout};

use crate::{
    guard::{Failed, Sweeps, Swept},
    http1::RequestHead,
    hygiene::Received,
    proxy::{Api, Proxy, ProxyError, Worker, departure::Departure, metrics::Observation, outcome},
    upstream::{self, Answer, Choice, Connector, Failure, Sent, Upstream},
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
            let swept = match self.begin() {
                Ok(swept) => {
                    swept.await.unwrap_or_else(|_| Swept::not("the thread that cancels has ended early"))
                }
                Err(error) => Swept::not(format!("no thread to cancel on could be had: {error}")),
            };
            sweep.done(swept);
        }
    }

    fn begin(&self) -> io::Result<tokio::sync::oneshot::Receiver<Swept>> {
        let (end, ended) = tokio::sync::oneshot::channel();
        let (proxy, connector, metrics) =
            (Arc::clone(&self.proxy), self.connector.clone(), self.upstream.clone());
        thread::Builder::new().name("cancel".to_owned()).spawn(move || {
            // Made where it lives: dropped in the control thread's runtime, for want of a thread, it would panic.
            let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                // Nobody listens any more when the process ends without waiting.
                Err(error) => return drop(end.send(Swept::not(format!("nothing was cancelled: {error}")))),
            };
            let work = async {
                let upstream = Upstream::new(connector, proxy.limits.head_bytes, NONE_WARM, metrics);
                sweep(&Worker::new(proxy, upstream)).await
            };
            // Nobody listens any more when the process ends without waiting.
            let _ = end.send(runtime.block_on(LocalSet::new().run_until(work)));
        })?;
        Ok(ended)
    }
}

async fn sweep(worker: &Worker) -> Swept {
    if worker.proxy.api == Api::Other {
        return Swept::not("nothing was cancelled: this API's orders are not known to the proxy");
    }
    let mut swept = Swept::default();
    // What has been done is told, also where time runs out.
    if timeout(LONGEST, sweep_into(worker, &mut swept)).await.is_err() {
        let seconds = LONGEST.as_secs();
        swept.trouble = Some(format!("it was broken off after {seconds} s: look at order/list"));
    }
    swept
}

async fn sweep_into(worker: &Worker, swept: &mut Swept) {
    let working = match working(worker).await {
        Ok(working) => working,
        Err(trouble) => {
            swept.trouble = Some(format!("nothing was cancelled, because order/list failed: {trouble}"));
            return;
        }
    };
    if working.len() > MOST {
        swept.trouble = Some(format!(
            "{} orders work; the first {MOST} are cancelled: ask again for the rest",
            working.len()
        ));
    }
    for &order in working.iter().take(MOST) {
        // It counts as unknown from the moment that it may be sent, for whoever breaks this off.
        swept.unknown.push(order);
        let outcome = cancel(worker, order).await;
        if outcome != Outcome::Unknown {
            swept.unknown.pop();
        }
        match outcome {
            Outcome::Unknown => {}
            Outcome::Taken => swept.cancelled.push(order),
            Outcome::Failed(why) => swept.failed.push(Failed { order, why }),
        }
    }
    match self::working(worker).await {
        Ok(left) => swept.still_working = Some(left),
        Err(trouble) => {
            let trouble =
                format!("whether orders are left is not known, because order/list failed: {trouble}");
            swept.trouble.get_or_insert(trouble);
        }
    }
}

/// What became of one cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Tradovate: a `commandId` means that it is taken, not that it is done.
    Taken,
    Failed(String),
    Unknown,
}

async fn cancel(worker: &Worker, order: i64) -> Outcome {
    let body = format!("{{\"orderId\":{order},\"isAutomated\":true}}");
    match call(worker, "POST", CANCEL, &body).await {
        Err(error) if is_unsent(&error) => Outcome::Failed(format!("not sent: {error}")),
        Err(_) => Outcome::Unknown,
        // Tradovate: to the token of a closed session the answer is 408, 429 or 5xx, and says nothing certain.
        Ok((status, _)) if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Outcome::Unknown
        }
        Ok((status, body)) => {
            let answer: CommandAnswer = serde_json::from_slice(&body).unwrap_or_default();
            match answer {
                CommandAnswer { command_id: Some(_), failure_reason: None, .. } if status.is_success() => {
                    Outcome::Taken
                }
                CommandAnswer { failure_reason: None, error_text: None, .. } if status.is_success() => {
                    Outcome::Unknown
                }
                CommandAnswer { failure_reason, failure_text, error_text, .. } => {
                    let words = [failure_reason, failure_text, error_text];
                    let words: Vec<_> = words.into_iter().flatten().collect();
                    Outcome::Failed(format!("{} {}", status.as_u16(), words.join(": ")).trim_end().to_owned())
                }
            }
        }
    }
}

/// The ids of all orders that may still be filled.
async fn working(worker: &Worker) -> Result<Vec<i64>, String> {
    let (status, body) = call(worker, "GET", LIST, "").await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("it was answered {}", status.as_u16()));
    }
    let orders: Vec<OrderState> =
        serde_json::from_slice(&body).map_err(|_| "what it answered is no list of orders".to_owned())?;
    Ok(orders.into_iter().filter(OrderState::works).map(|order| order.id).collect())
}

/// One call, sent once, and its whole answer.
async fn call(
    worker: &Worker,
    method: &str,
    path: &str,
    body: &str,
) -> Result<(StatusCode, Vec<u8>), ProxyError> {
    let endpoint = worker.proxy.endpoints.find(below_v1(path));
    let mut observation = worker.metrics.observe();
    observation.is_for(endpoint);
    observation.is_read();
    let answered = exchange(worker, method, path, body, &mut observation).await;
    match &answered {
        Ok((status, _)) => observation.complete(*status, outcome::Outcome::Answered),
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
) -> Result<(StatusCode, Vec<u8>), ProxyError> {
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    // Its length is said anew where it is sent.
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n{kind}\r\n");
    let mut read = RequestHead::default();
    read.read(head.as_bytes())?;
    let request = Received::new(&read, head.as_bytes(), path, body.as_bytes()).scrub();

    let waited = worker.wait_for_token().await?;
    observation.was_elsewhere(waited);
    let origin = worker.token()?.origin.clone();
    // The first is fresh, since nobody else has this pool, and one that carries the next has carried the last.
    let lease = worker.upstream.lease(&origin, Choice::Any).await?;
    let session = worker.token()?;
    if !lease.leads_to(&session.origin) {
        return Err(worker.no_token());
    }
    // The list is asked for to cancel, so it comes out of what is kept for cancels too.
    let relief = worker.proxy.endpoints.find(below_v1(CANCEL));
    let fare = worker.proxy.budget.spend(OPERATOR, relief, session.generation)?;
    let mut wire = Vec::new();
    let prepared = lease.prepare(&request.authorize(&session.bearer, &session.origin), &mut wire)?;
    let mut departure = Departure::new(fare, observation, None);
    let mut answer = departure.send(prepared).await?;
    while answer.head().await? == upstream::Head::Interim {}
    departure.observation().is_answered();
    let status = answer.status();
    let body = whole(&mut answer).await?;
    answer.finish();
    Ok((status, body))
}

async fn whole(answer: &mut Answer) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        let data = answer.next_data().await.map_err(|error| Failure { error, sent: Sent::Maybe })?;
        let Some(data) = data else { return Ok(body) };
        if body.len() + data.len() > LARGEST {
            let error = upstream::UpstreamError::Truncated;
            return Err(Failure { error, sent: Sent::Maybe });
        }
        body.extend_from_slice(data);
    }
}

fn below_v1(path: &str) -> &str {
    path.strip_prefix("/v1").unwrap_or(path)
}

fn is_unsent(error: &ProxyError) -> bool {
    !matches!(error, ProxyError::Upstream(Failure { sent: Sent::Maybe, .. }))
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

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CommandAnswer {
    command_id: Option<i64>,
    failure_reason: Option<String>,
    failure_text: Option<String>,
    error_text: Option<String>,
}

/// Tradovate: `ordStatus` of orders that can be filled no more, or that are being cancelled.
const OVER: &[&str] = &["Canceled", "Completed", "Expired", "Filled", "PendingCancel", "Rejected"];

const LIST: &str = "/v1/order/list";
const CANCEL: &str = "/v1/order/cancelorder";

/// Cancels at one go: many more would spend the hour's 5,000 requests that the user has.
const MOST: usize = 500;
/// For all of it: an operator waits.
const LONGEST: Duration = Duration::from_secs(90);
/// Largest list of orders, in bytes.
const LARGEST: usize = 8 * 1024 * 1024;

/// What cancels is over before a connection in reserve would be of use.
const NONE_WARM: usize = 0;
/// Who sends what nobody called for.
const OPERATOR: &str = "kill-switch";
