//! The session's metrics.

use jiff::Timestamp;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::auth::{
    state::{Call, State, Status},
    token::Generation,
};

/// Handles to what is registered. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct SessionMetrics {
    state: IntGaugeVec,
    expiry: Gauge,
    last_success: Gauge,
    generation: IntGauge,
    skew: IntGauge,
    stored: IntGauge,
    attempts: IntCounterVec,
    kicks: IntCounter,
}

impl SessionMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// When one of the names is taken.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            state: IntGaugeVec::new(
                Opts::new(
                    "tradovate_proxy_session_state",
                    "1 for the state the session is in, 0 for the others",
                ),
                &["state"],
            )?,
            expiry: Gauge::new(
                "tradovate_proxy_token_expiry_timestamp_seconds",
                "When the token in use expires, in seconds since 1970; 0 before the first",
            )?,
            last_success: Gauge::new(
                "tradovate_proxy_session_last_success_timestamp_seconds",
                "When a token was last acquired or renewed, in seconds since 1970; 0 before the first",
            )?,
            generation: IntGauge::new(
                "tradovate_proxy_token_generation",
                "How many tokens have been published for this session's state directory",
            )?,
            skew: IntGauge::new(
                "tradovate_proxy_session_clock_skew_seconds",
                "Upstream's clock minus ours, as of the last acquisition or renewal",
            )?,
            stored: IntGauge::new(
                "tradovate_proxy_session_stored",
                "1 when the session would survive a restart, 0 when it could not be written",
            )?,
            attempts: IntCounterVec::new(
                Opts::new(
                    "tradovate_proxy_session_attempts_total",
                    "Calls that acquire or renew, by how they ended",
                ),
                &["call", "result"],
            )?,
            kicks: IntCounter::new(
                "tradovate_proxy_session_kicks_total",
                "How often another login took this session's place",
            )?,
        };
        for collector in [
            Box::new(metrics.state.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(metrics.expiry.clone()),
            Box::new(metrics.last_success.clone()),
            Box::new(metrics.generation.clone()),
            Box::new(metrics.skew.clone()),
            Box::new(metrics.stored.clone()),
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.kicks.clone()),
        ] {
            registry.register(collector)?;
        }
        // So that a rate over the first success is not lost: the series exist before they count.
        for call in [Call::Acquire, Call::Renew] {
            metrics.attempts.with_label_values(&[call.name(), OK]);
        }
        Ok(metrics)
    }

    /// A call ended; `result` is [`OK`] or a [`SourceError::label`](crate::auth::source::SourceError::label).
    pub(crate) fn attempted(&self, call: Call, result: &'static str) {
        self.attempts.with_label_values(&[call.name(), result]).inc();
    }

    /// Another login took the session's place.
    pub(crate) fn kicked(&self) {
        self.kicks.inc();
    }

    /// A token was published.
    pub(crate) fn published(&self, generation: Generation, expires_at: Timestamp) {
        self.generation.set(i64::try_from(generation.0).unwrap_or(i64::MAX));
        self.expiry.set(expires_at.as_duration().as_secs_f64());
    }

    /// The token in use is none any more.
    pub(crate) fn withdrawn(&self) {
        self.expiry.set(0.0);
    }

    /// Things stand so; `shown` says how the wall clock shows an instant.
    pub(crate) fn stands(&self, status: &Status, shown: impl Fn(Timestamp) -> Timestamp) {
        for state in State::ALL {
            self.state.with_label_values(&[state.name()]).set(i64::from(state == status.state));
        }
        if let Some((at, _)) = status.last_success {
            self.last_success.set(shown(at).as_duration().as_secs_f64());
        }
        if let Some(skew) = status.clock_skew_seconds {
            self.skew.set(skew);
        }
        self.stored.set(i64::from(status.store_trouble.is_none()));
    }
}

/// The value of `result` for success.
pub(crate) const OK: &str = "ok";

#[cfg(test)]
mod tests {
    use prometheus::TextEncoder;

    use super::*;

    #[test]
    fn one_state_is_current_and_the_names_are_those_of_the_contract() {
        let registry = Registry::new();
        let metrics = SessionMetrics::register(&registry).unwrap();
        let mut status = Status::starting(Timestamp::UNIX_EPOCH);
        status.state = State::Overdue;
        metrics.stands(&status, |at| at);
        metrics.published(Generation(3), Timestamp::from_second(4800).unwrap());
        metrics.attempted(Call::Renew, "unreachable");
        let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "tradovate_proxy_session_state{state=\"overdue\"} 1",
            "tradovate_proxy_session_state{state=\"live\"} 0",
            "tradovate_proxy_token_expiry_timestamp_seconds 4800",
            "tradovate_proxy_token_generation 3",
            "tradovate_proxy_session_attempts_total{call=\"renew\",result=\"unreachable\"} 1",
            "tradovate_proxy_session_attempts_total{call=\"acquire\",result=\"ok\"} 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
