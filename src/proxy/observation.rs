//! One request, watched from its first byte until it ends: a guard that is there before anything can go wrong, so that no
//! way out escapes the metrics, the log or the audit.

use std::{thread, time::Duration};

use http::StatusCode;
use prometheus::Histogram;
use tokio::time::Instant;

use crate::{
    audit::{self, End, Entry, NotRecorded, RequestId},
    callers::Caller,
    proxy::{
        keyed::Keeping,
        metrics::{LocalMetrics, name, names},
        outbound::Watches,
        outcome::Outcome,
    },
    tradovate::{Effect, Endpoint},
    upstream::Answer,
};

/// One request under observation. It is counted when this is dropped: as aborted, unless it was completed.
#[must_use]
#[derive(Debug)]
pub(super) struct Observation<'a> {
    metrics: &'a LocalMetrics,
    /// When it had been read whole.
    read: Option<Instant>,
    /// When its answer had been handed over whole.
    ended: Option<Instant>,
    /// When the request was last sent, until the answer's head came.
    sent: Option<Instant>,
    /// Time that was upstream's, from a request sent to the head of its answer.
    upstream: Duration,
    /// Time that passed in waiting for a token or in opening a connection.
    elsewhere: Duration,
    was_sent: bool,
    keeping: Keeping,
    caller: Option<Caller>,
    endpoint: Option<Endpoint>,
    /// What is written down of it, if it may change something.
    entry: Option<Entry>,
    completed: Option<(StatusCode, Outcome)>,
}

impl<'a> Observation<'a> {
    /// From now on.
    pub(super) fn new(metrics: &'a LocalMetrics) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            read: None,
            ended: None,
            upstream: Duration::ZERO,
            elsewhere: Duration::ZERO,
            was_sent: false,
            keeping: Keeping::default(),
            sent: None,
            caller: None,
            endpoint: None,
            entry: None,
            completed: None,
        }
    }

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

    /// It goes as if it had no idempotency key.
    pub(super) fn loses_its_key(&mut self) {
        self.keeping = Keeping::NotKept;
    }

    /// What became of its idempotency key.
    pub(super) fn keeping(&self) -> Keeping {
        self.keeping
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
        self.took_until(Instant::now()) > A_MOMENT
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

    /// How long it had been worked on at `moment`.
    fn took_until(&self, moment: Instant) -> Duration {
        self.read.map_or(Duration::ZERO, |read| moment - read)
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

    fn is_passed_on(&mut self, is_whole: bool) {
        let now = Instant::now();
        self.ended = is_whole.then_some(now);
        let added = self.took_until(now).saturating_sub(self.upstream).saturating_sub(self.elsewhere);
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
        let took = self.took_until(self.ended.unwrap_or_else(Instant::now));
        let (status, outcome) = self.completed.unwrap_or_else(|| {
            if thread::panicking() {
                return (StatusCode::INTERNAL_SERVER_ERROR, Outcome::Panicked);
            }
            // 499 is nobody's status: it marks, in the metric alone, a request that got no whole answer from us.
            let status = StatusCode::from_u16(499).unwrap_or_default();
            (status, if self.was_sent { Outcome::Aborted } else { Outcome::AbortedUnsent })
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

/// Longer than a disk takes that is well, or a connection to a broker that is near.
const A_MOMENT: Duration = Duration::from_millis(250);
