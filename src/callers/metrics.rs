//! Who was not let in.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::callers::{Listener, Stranger};

/// Counts refusals. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(IntCounterVec);

/// One listener's.
#[derive(Clone, Debug)]
pub(super) struct Refused([(&'static str, IntCounter); REASONS.len()]);

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let refused = IntCounterVec::new(
            Opts::new(
                "tradovate_proxy_strangers_total",
                "Requests of nobody who may call, by the listener and by what gave them away.",
            ),
            &["listener", "reason"],
        )?;
        registry.register(Box::new(refused.clone()))?;
        Ok(Self(refused))
    }

    /// The series exist before they count, so that the first of an attack is seen as an increase.
    pub(super) fn of(&self, listener: Listener) -> Refused {
        let listener = match listener {
            Listener::Proxy => "proxy",
            Listener::Admin => "admin",
        };
        Refused(REASONS.map(|reason| (reason, self.0.with_label_values(&[listener, reason]))))
    }
}

impl Refused {
    pub(super) fn count(&self, stranger: Stranger) {
        let code = stranger.code();
        for (_, counter) in self.0.iter().filter(|(reason, _)| *reason == code) {
            counter.inc();
        }
    }
}

const REASONS: [&str; 4] = ["bad-host", "unknown-host", "web-page", "caller-key"];
