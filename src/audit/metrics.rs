//! What is counted of the log.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// The log's metrics. They are there, and at rest, where there is no log.
#[derive(Clone, Debug)]
pub struct Metrics {
    records: IntCounterVec,
    failing: IntGauge,
    sync: Histogram,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let records = Opts::new(
            "tradovate_proxy_audit_records_total",
            "Lines of the audit log, by what became of them.",
        );
        let metrics = Self {
            records: IntCounterVec::new(records, &["result"])?,
            failing: IntGauge::new(
                "tradovate_proxy_audit_failing",
                "1 when the audit log cannot be written.",
            )?,
            sync: Histogram::with_opts(
                HistogramOpts::new(
                    "tradovate_proxy_audit_sync_duration_seconds",
                    "What the disk took to make lines of the audit log durable.",
                )
                .buckets(BUCKETS.to_vec()),
            )?,
        };
        for result in [WRITTEN, LOST] {
            metrics.records.with_label_values(&[result]);
        }
        registry.register(Box::new(metrics.records.clone()))?;
        registry.register(Box::new(metrics.failing.clone()))?;
        registry.register(Box::new(metrics.sync.clone()))?;
        Ok(metrics)
    }

    pub(super) fn written(&self, lines: usize) {
        self.records.with_label_values(&[WRITTEN]).inc_by(lines as u64);
    }

    pub(super) fn lost(&self, lines: u64) {
        self.records.with_label_values(&[LOST]).inc_by(lines);
    }

    pub(super) fn is_failing(&self, failing: bool) {
        self.failing.set(i64::from(failing));
    }

    pub(super) fn synced(&self, took: Duration) {
        self.sync.observe(took.as_secs_f64());
    }
}

const WRITTEN: &str = "written";
const LOST: &str = "lost";

/// Seconds: from a disk with a cache of its own to one that is about to be given up.
const BUCKETS: [f64; 11] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0];
