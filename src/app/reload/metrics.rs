//! Whether what is in force is what the files say.

use jiff::Timestamp;
use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};

/// Handles to what is registered. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub(in crate::app) struct Metrics {
    reloads: IntCounterVec,
    successful: IntGauge,
    success_at: Gauge,
}

/// How a reading of the configuration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app) enum Outcome {
    /// What could change has changed; what could not was reported.
    Ok,
    /// It says what is in force.
    Unchanged,
    /// It cannot be used; the old one stays.
    Invalid,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Ok, Self::Unchanged, Self::Invalid];

    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unchanged => "unchanged",
            Self::Invalid => "invalid",
        }
    }
}

impl Metrics {
    /// Registers them. `now` is when the configuration in force was read.
    ///
    /// # Errors
    /// When one of the names is taken.
    pub(in crate::app) fn register(registry: &Registry, now: Timestamp) -> prometheus::Result<Self> {
        let metrics = Self {
            reloads: IntCounterVec::new(
                Opts::new(
                    "tradovate_proxy_config_reload_total",
                    "How often the configuration was read again, by what came of it",
                ),
                &["result"],
            )?,
            successful: IntGauge::new(
                "tradovate_proxy_config_last_reload_successful",
                "1 when the configuration as last read could be used, 0 when the one before is still in force",
            )?,
            success_at: Gauge::new(
                "tradovate_proxy_config_last_reload_success_timestamp_seconds",
                "When a configuration that could be used was last read, in seconds since 1970",
            )?,
        };
        registry.register(Box::new(metrics.reloads.clone()))?;
        registry.register(Box::new(metrics.successful.clone()))?;
        registry.register(Box::new(metrics.success_at.clone()))?;
        // So that a rate over the first is not lost: the series exist before they count.
        for outcome in Outcome::ALL {
            metrics.reloads.with_label_values(&[outcome.label()]);
        }
        metrics.succeeded(now);
        Ok(metrics)
    }

    /// It was read again.
    pub(super) fn reloaded(&self, outcome: Outcome, now: Timestamp) {
        self.reloads.with_label_values(&[outcome.label()]).inc();
        match outcome {
            Outcome::Ok | Outcome::Unchanged => self.succeeded(now),
            Outcome::Invalid => self.successful.set(0),
        }
    }

    fn succeeded(&self, now: Timestamp) {
        self.successful.set(1);
        self.success_at.set(now.as_duration().as_secs_f64());
    }
}
