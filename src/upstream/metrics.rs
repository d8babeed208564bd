//! Upstream connections, counted where they are made and where they end.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// `tradovate_proxy_upstream_connections{state}`, and how they come about:
/// `tradovate_proxy_upstream_connects_total{by,result}`.
#[derive(Clone, Debug)]
pub struct Metrics {
    active: IntGauge,
    idle: IntGauge,
    request: Opened,
    reserve: Opened,
}

/// What a connection is opened by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A request that found none waiting, and so waits for it.
    Request,
    /// Nobody yet.
    Reserve,
}

#[derive(Clone, Debug)]
struct Opened {
    ok: IntCounter,
    failed: IntCounter,
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
        let connects = IntCounterVec::new(
            Opts::new(
                "tradovate_proxy_upstream_connects_total",
                "Connections opened to the upstream, by a request that waited for one or ahead of requests.",
            ),
            &["by", "result"],
        )?;
        registry.register(Box::new(connects.clone()))?;
        let opened = |by| Opened {
            ok: connects.with_label_values(&[by, "ok"]),
            failed: connects.with_label_values(&[by, "failed"]),
        };
        Ok(Self {
            request: opened("request"),
            reserve: opened("reserve"),
            active: connections.with_label_values(&["active"]),
            idle: connections.with_label_values(&["idle"]),
        })
    }

    pub(super) fn opened(&self, by: By, is_open: bool) {
        let opened = match by {
            By::Request => &self.request,
            By::Reserve => &self.reserve,
        };
        if is_open { &opened.ok } else { &opened.failed }.inc();
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
