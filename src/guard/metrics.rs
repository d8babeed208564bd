//! Which guards are set, and whom they held up.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::guard::verdict::Rule;

/// Handles, one for each rule in the order of [`Rule::ALL`].
#[derive(Clone, Debug)]
pub struct Metrics {
    refusals: [IntCounter; Rule::ALL.len()],
    active: [IntGauge; Rule::ALL.len()],
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When a name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let refusals = IntCounterVec::new(
            Opts::new("tradovate_proxy_guard_refusals_total", "Requests that a trading guard refused."),
            &["guard"],
        )?;
        let active = IntGaugeVec::new(
            Opts::new(
                "tradovate_proxy_guard_active",
                "1 where a trading guard is set, or the kill switch is on; else 0.",
            ),
            &["guard"],
        )?;
        registry.register(Box::new(refusals.clone()))?;
        registry.register(Box::new(active.clone()))?;
        // The series exist before they count, so that no increase is lost.
        Ok(Self {
            refusals: Rule::ALL.map(|rule| refusals.with_label_values(&[rule.name()])),
            active: Rule::ALL.map(|rule| active.with_label_values(&[rule.name()])),
        })
    }

    pub(super) fn refused(&self, by: Rule) {
        for (counter, _) in self.refusals.iter().zip(Rule::ALL).filter(|(_, rule)| *rule == by) {
            counter.inc();
        }
    }

    pub(super) fn set(&self, is_active: impl Fn(Rule) -> bool) {
        for (gauge, rule) in self.active.iter().zip(Rule::ALL) {
            gauge.set(i64::from(is_active(rule)));
        }
    }
}
