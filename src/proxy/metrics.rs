//! What is counted of requests, and how without a lock. What of each, its [`Observation`] says.

use std::cell::RefCell;

use http::StatusCode;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::{
    callers::{Caller, NOBODY},
    proxy::{observation::Observation, outcome::Outcome},
    tradovate::{Effect, Endpoint, endpoints::OTHER},
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
    pub(super) request_duration: [Histogram; 4],
    pub(super) upstream_duration: [Histogram; 4],
    pub(super) added_latency: Histogram,
    pub(super) penalties: IntCounterVec,
    pub(super) in_flight: IntGauge,
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
    /// Starts to observe a request.
    pub(super) fn observe(&self) -> Observation<'_> {
        Observation::new(self)
    }

    pub(super) fn count(
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

/// What the table calls it; a request that was refused before its path was known is in no table.
pub(super) fn names(endpoint: Option<&Endpoint>) -> (&'static str, &'static str) {
    endpoint.map_or((OTHER, "none"), |endpoint| (endpoint.operation, endpoint.effect.name()))
}

/// Whose it was; a request that was refused before that was asked is nobody's.
pub(super) fn name(caller: Option<&Caller>) -> &str {
    caller.map_or(NOBODY, Caller::name)
}

/// Of `requests_total`. One too few or too many would be a panic, wherever it is counted.
const LABELS: [&str; 5] = ["operation", "effect", "status", "outcome", "caller"];

/// Seconds: fine below a millisecond, where the proxy's own share lies; up to the response timeout.
const BUCKETS: [f64; 18] = [
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    0.5, 1.0, 2.5, 10.0, 30.0,
];
