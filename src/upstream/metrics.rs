//! Upstream connections, counted where they are made and where they end.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

/// Gauges for `tradovate_proxy_upstream_connections{state}`.
#[derive(Clone, Debug)]
pub struct Metrics {
    active: IntGauge,
    idle: IntGauge,
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let connections = IntGaugeVec::new(
            Opts::new("tradovate_proxy_upstream_connections", "Open connections to the upstream."),
            &["state"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        Ok(Self {
            active: connections.with_label_values(&["active"]),
            idle: connections.with_label_values(&["idle"]),
        })
    }

    pub(super) fn active(&self) -> Counted {
        Counted::new(self.active.clone())
    }

    pub(super) fn idle(&self) -> Counted {
        Counted::new(self.idle.clone())
    }
}

/// Counts for as long as it lives.
#[must_use]
#[derive(Debug)]
pub(super) struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
