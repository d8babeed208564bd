//! How the budget stands, for Prometheus: read when it scrapes.

use std::sync::Arc;

use prometheus::{
    IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use crate::budget::Budget;

/// Registers them.
///
/// # Errors
/// When a name is taken in `registry`.
pub fn register(registry: &Registry, budget: &Arc<Budget>) -> prometheus::Result<()> {
    registry.register(Box::new(Gauges {
        budget: Arc::clone(budget),
        spent: IntGaugeVec::new(
            Opts::new("tradovate_proxy_budget_spent", "Requests sent in the last hour and minute."),
            &["window", "caller"],
        )?,
        limit: IntGaugeVec::new(
            Opts::new("tradovate_proxy_budget_limit", "How many may be, by all callers; 0 is without limit."),
            &["window"],
        )?,
        held: IntGaugeVec::new(
            Opts::new(
                "tradovate_proxy_budget_held",
                "Whether requests are held, since upstream has answered with this status.",
            ),
            &["status"],
        )?,
    }))
}

struct Gauges {
    budget: Arc<Budget>,
    spent: IntGaugeVec,
    limit: IntGaugeVec,
    held: IntGaugeVec,
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        [&self.spent, &self.limit, &self.held].into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let report = self.budget.report();
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (window, of_all) in [("hour", report.hour), ("minute", report.minute)] {
            self.limit.with_label_values(&[window]).set(gauge(of_all.limit.unwrap_or(0)));
        }
        for caller in &report.callers {
            for (window, spent) in [("hour", caller.hour), ("minute", caller.minute)] {
                self.spent.with_label_values(&[window, &caller.caller]).set(gauge(spent));
            }
        }
        for status in [429, 423] {
            let is_held = report.held_after == Some(status);
            self.held.with_label_values(&[&status.to_string()]).set(i64::from(is_held));
        }
        [&self.spent, &self.limit, &self.held].into_iter().flat_map(Collector::collect).collect()
    }
}
