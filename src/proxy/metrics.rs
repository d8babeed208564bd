//! What is counted of each request, and how: by a guard that is there from the first byte, so that no way out
//! escapes the count.

use std::{cell::RefCell, thread, time::Duration};

use http::StatusCode;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
use tokio::time::Instant;

use crate::{
    audit::{self, End, Entry, NotRecorded, RequestId},
    callers::{Caller, NOBODY},
    proxy::{outbound::Watches, outcome::Outcome},
    tradovate::{Effect, Endpoint, endpoints::OTHER},
    upstream::Answer,
};

/// The data path's metrics, shared by every worker.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    request_duration: HistogramVec,
    upstream_duration: HistogramVec,
    added_latency: Histogram,
    penalties: IntCounterVec,
    in_flight: IntGauge,
    buffered: IntGauge,
    connections: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let histogram = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(BUCKETS.to_vec());
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new("tradovate_proxy_requests_total", "Requests, by how they ended."),
                &LABELS,
            )?,
            request_duration: HistogramVec::new(
                histogram(
                    "tradovate_proxy_request_duration_seconds",
                    "From a request's last byte read to its answer's last byte handed to the caller.",
                ),
                &["effect"],
            )?,
            upstream_duration: HistogramVec::new(
                histogram(
                    "tradovate_proxy_upstream_duration_seconds",
                    "From the request being sent to the head of upstream's answer.",
                ),
                &["effect"],
            )?,
            added_latency: Histogram::with_opts(histogram(
                "tradovate_proxy_added_latency_seconds",
                "What the proxy itself cost until the answer's head was passed on: all but upstream's time, the wait for a token, and new connections.",
            ))?,
            penalties: IntCounterVec::new(
                Opts::new(
                    "tradovate_proxy_penalties_total",
                    "Answers of 200 that hold a penalty: the request was not handled.",
                ),
                &["effect"],
            )?,
            in_flight: IntGauge::new("tradovate_proxy_requests_in_flight", "Requests being worked on.")?,
            buffered: IntGauge::new(
                "tradovate_proxy_buffered_bytes",
                "What request bodies above 16 KiB hold of memory, of limits.buffered-bytes.",
            )?,
            connections: IntGauge::new(
                "tradovate_proxy_downstream_connections",
                "Open connections from callers, of limits.connections.",
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.request_duration.clone()))?;
        registry.register(Box::new(metrics.upstream_duration.clone()))?;
        registry.register(Box::new(metrics.added_latency.clone()))?;
        for effect in Effect::ALL {
            // There from the start, so that the first one is seen to have come.
            let _ = metrics.penalties.with_label_values(&[effect.name()]);
        }
        registry.register(Box::new(metrics.penalties.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.buffered.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        Ok(metrics)
    }

    /// A connection has been closed without a word: there is no room even for telling it why.
    pub fn turned_away(&self) {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let (operation, effect) = names(None);
        let overloaded = Outcome::Overloaded.name();
        let labels: [&str; LABELS.len()] = [operation, effect, status.as_str(), overloaded, name(None)];
        self.requests.with_label_values(&labels).inc();
    }

    /// What request bodies hold of their budget.
    pub fn buffered(&self) -> IntGauge {
        self.buffered.clone()
    }

    /// Connections from callers that are served.
    pub fn connections(&self) -> IntGauge {
        self.connections.clone()
    }

    /// One worker's handles on them.
    pub(super) fn local(&self, endpoints: usize) -> LocalMetrics {
        let per_effect = |histogram: &HistogramVec| {
            Effect::ALL.map(|effect| histogram.with_label_values(&[effect.name()]))
        };
        LocalMetrics {
            requests: self.requests.clone(),
            counters: RefCell::new(vec![Vec::new(); endpoints + 1]),
            request_duration: per_effect(&self.request_duration),
            upstream_duration: per_effect(&self.upstream_duration),
            added_latency: self.added_latency.clone(),
            penalties: self.penalties.clone(),
            in_flight: self.in_flight.clone(),
        }
    }
}

/// Handles resolved once, so that counting a request looks nothing up behind a lock.
#[derive(Debug)]
pub(super) struct LocalMetrics {
    requests: IntCounterVec,
    /// By endpoint index; the last row is for requests that were refused before their path was known.
    counters: RefCell<Vec<Vec<Ending>>>,
    request_duration: [Histogram; 4],
    upstream_duration: [Histogram; 4],
    added_latency: Histogram,
    penalties: IntCounterVec,
    in_flight: IntGauge,
}

/// The counter for one way to end, of one endpoint.
#[derive(Clone, Debug)]
struct Ending {
    status: StatusCode,
    outcome: Outcome,
    caller: Option<Caller>,
    counter: IntCounter,
}

impl LocalMetrics {
    /// Starts to observe a request. It is counted when it completes, or as aborted when the guard is dropped.
    pub(super) fn observe(&self) -> Observation<'_> {
        self.in_flight.inc();
        Observation {
            metrics: self,
            read: None,
            upstream: Duration::ZERO,
            elsewhere: Duration::ZERO,
            was_sent: false,
            sent: None,
            caller: None,
            endpoint: None,
            entry: None,
            completed: None,
        }
    }

    fn count(
        &self,
        caller: Option<&Caller>,
        endpoint: Option<&Endpoint>,
        status: StatusCode,
        outcome: Outcome,
    ) {
        let mut rows = self.counters.borrow_mut();
        let last = rows.len().saturating_sub(1);
        let row = endpoint.map_or(last, |endpoint| endpoint.index.min(last));
        let Some(row) = rows.get_mut(row) else { return };
        let is_this = |known: &&Ending| {
            known.status == status && known.outcome == outcome && known.caller.as_ref() == caller
        };
        if let Some(known) = row.iter().find(is_this) {
            known.counter.inc();
            return;
        }
        let (operation, effect) = names(endpoint);
        let labels: [&str; LABELS.len()] = [operation, effect, status.as_str(), outcome.name(), name(caller)];
        let counter = self.requests.with_label_values(&labels);
        counter.inc();
        row.push(Ending { status, outcome, caller: caller.cloned(), counter });
    }
}

/// One request under observation.
#[must_use]
#[derive(Debug)]
pub(super) struct Observation<'a> {
    metrics: &'a LocalMetrics,
    /// When it had been read whole.
    read: Option<Instant>,
    /// When the request was last sent, until the answer's head came.
    sent: Option<Instant>,
    /// Time that was upstream's, from a request sent to the head of its answer.
    upstream: Duration,
    /// Time that passed in waiting for a token or in opening a connection.
    elsewhere: Duration,
    was_sent: bool,
    caller: Option<Caller>,
    endpoint: Option<Endpoint>,
    /// What is written down of it, if it may change something.
    entry: Option<Entry>,
    completed: Option<(StatusCode, Outcome)>,
}

impl Observation<'_> {
    /// Who sent it is known.
    pub(super) fn is_by(&mut self, caller: Caller) {
        self.caller = Some(caller);
    }

    /// What it asks for is known.
    pub(super) fn is_for(&mut self, endpoint: &Endpoint) {
        self.endpoint = Some(*endpoint);
    }

    /// The request has been read whole: from here on, time is ours.
    pub(super) fn is_read(&mut self) {
        self.read = Some(Instant::now());
    }

    /// It will be written down.
    pub(super) fn concerns(&mut self, entry: Option<Entry>) {
        self.entry = entry;
    }

    /// It went before, and only its answer is given again: nothing is sent, so nothing is written down.
    pub(super) fn repeats(&mut self) {
        if let Some(entry) = &mut self.entry {
            entry.withdraw();
        }
    }

    /// What it is called there, and in the log.
    pub(super) fn request_id(&self) -> Option<RequestId> {
        self.entry.as_ref().map(Entry::id)
    }

    /// Writes down that it begins, if it is to be written down. Cancel safe.
    pub(super) async fn begin(&mut self) -> Result<(), NotRecorded> {
        match &mut self.entry {
            // Boxed: few requests are written down, and every connection would else keep room for it.
            Some(entry) => Box::pin(entry.begin()).await,
            None => Ok(()),
        }
    }

    /// The head of upstream's answer is about to be passed on.
    pub(super) fn reads(&mut self, answer: &Answer) {
        if let Some(entry) = &mut self.entry {
            // RFC 9110 §8.4.
            let mut is_coded = false;
            answer.for_each_field(|field| is_coded |= field.name.eq_ignore_ascii_case(b"content-encoding"));
            entry.is_answered(is_coded);
        }
    }

    /// The request is being handed to upstream.
    pub(super) fn is_sent(&mut self) {
        self.sent = Some(Instant::now());
        self.was_sent = true;
    }

    /// Not a byte of it has left after all.
    pub(super) fn is_not_sent(&mut self) {
        self.was_sent = false;
    }

    /// Whether it was read so long ago that its caller may have given up, whatever it was that took the time.
    pub(super) fn is_late(&self) -> bool {
        self.took() > A_MOMENT
    }

    /// So long it was waited for something that the proxy does not do itself.
    pub(super) fn was_elsewhere(&mut self, took: Duration) {
        self.elsewhere += took;
    }

    /// Upstream's answer has begun.
    pub(super) fn is_answered(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.upstream += sent.elapsed();
        }
    }

    /// Upstream's answer is a penalty.
    pub(super) fn is_penalty(&self) {
        let (_, effect) = names(self.endpoint.as_ref());
        self.metrics.penalties.with_label_values(&[effect]).inc();
    }

    /// How it ended.
    pub(super) fn complete(&mut self, status: StatusCode, outcome: Outcome) {
        self.completed = Some((status, outcome));
    }

    /// How long it is being worked on.
    fn took(&self) -> Duration {
        self.read.map_or(Duration::ZERO, |read| read.elapsed())
    }

    /// The one for the request's effect, if the request came as far as having one.
    fn histogram<'h>(&self, of: &'h [Histogram; 4]) -> Option<&'h Histogram> {
        Effect::ALL
            .iter()
            .position(|&effect| Some(effect) == self.endpoint.map(|endpoint| endpoint.effect))
            .map(|at| &of[at])
    }
}

impl Watches for Observation<'_> {
    fn saw(&mut self, data: &[u8]) {
        if let Some(entry) = &mut self.entry {
            entry.saw(data);
        }
    }

    fn is_passed_on(&self) {
        let added = self.took().saturating_sub(self.upstream).saturating_sub(self.elsewhere);
        self.metrics.added_latency.observe(added.as_secs_f64());
        if let Some(histogram) = self.histogram(&self.metrics.upstream_duration) {
            histogram.observe(self.upstream.as_secs_f64());
        }
    }
}

impl Drop for Observation<'_> {
    fn drop(&mut self) {
        let endpoint = self.endpoint.as_ref();
        let (operation, effect) = names(endpoint);
        let took = self.took();
        let (status, outcome) = self.completed.unwrap_or_else(|| {
            if thread::panicking() {
                return (StatusCode::INTERNAL_SERVER_ERROR, Outcome::Panicked);
            }
            // 499 is nobody's status: it marks, in the metric alone, a request that got no whole answer from us.
            (StatusCode::from_u16(499).unwrap_or_default(), Outcome::Aborted)
        });
        self.metrics.in_flight.dec();
        self.metrics.count(self.caller.as_ref(), endpoint, status, outcome);
        if let Some(histogram) = self.histogram(&self.metrics.request_duration) {
            histogram.observe(took.as_secs_f64());
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let matters =
            endpoint.is_some_and(|endpoint| matches!(endpoint.effect, Effect::Order | Effect::Write));
        let certainty = outcome.certainty(self.was_sent);
        let (is_unknown, outcome) = (certainty == audit::Outcome::Unknown, outcome.name());
        let request_id = self.request_id().map(tracing::field::display);
        if let Some(entry) = self.entry.take() {
            let status = self.completed.map(|(status, _)| status);
            entry.end(&End { outcome: certainty, how: outcome, status, took });
        }
        let (status, caller) = (status.as_u16(), name(self.caller.as_ref()));
        match (matters, is_unknown) {
            (true, true) => {
                tracing::warn!(request_id, operation, effect, status, outcome, caller, micros, "{UNKNOWN}");
            }
            (true, false) => {
                tracing::info!(request_id, operation, effect, status, outcome, caller, micros, "request");
            }
            (false, _) => tracing::debug!(operation, effect, status, outcome, caller, micros, "request"),
        }
    }
}

const UNKNOWN: &str = "request without a certain outcome: look at order/list before it is sent again";

/// What the table calls it; a request that was refused before its path was known is in no table.
fn names(endpoint: Option<&Endpoint>) -> (&'static str, &'static str) {
    endpoint.map_or((OTHER, "none"), |endpoint| (endpoint.operation, endpoint.effect.name()))
}

/// Whose it was; a request that was refused before that was asked is nobody's.
fn name(caller: Option<&Caller>) -> &str {
    caller.map_or(NOBODY, Caller::name)
}

/// Longer than a disk takes that is well, or a connection to a broker that is near.
const A_MOMENT: Duration = Duration::from_millis(250);

/// Of `requests_total`. One too few or too many would be a panic, wherever it is counted.
const LABELS: [&str; 5] = ["operation", "effect", "status", "outcome", "caller"];

/// Seconds: fine below a millisecond, where the proxy's own share lies; up to the response timeout.
const BUCKETS: [f64; 18] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0, 30.0,
];
