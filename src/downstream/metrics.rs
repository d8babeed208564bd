//! What becomes of TLS handshakes.

use prometheus::{IntCounterVec, Opts, Registry};

/// Handles to what is registered. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics(IntCounterVec);

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// In a connection.
    Done,
    /// One side found fault with the other: no common version, no certificate of ours, a wrong one.
    Failed,
    /// Not in time.
    Slow,
    /// There was none: the peer spoke plain HTTP.
    Plain,
    /// There was none: too many others were under way.
    Crowded,
    /// The peer left before it said anything.
    Left,
}

impl Handshake {
    const ALL: [Self; 6] = [Self::Done, Self::Failed, Self::Slow, Self::Plain, Self::Crowded, Self::Left];

    fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Slow => "slow",
            Self::Plain => "plain-http",
            Self::Crowded => "crowded",
            Self::Left => "left",
        }
    }
}

impl Metrics {
    /// Registers them.
    ///
    /// # Errors
    /// When the name is taken in `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let handshakes = IntCounterVec::new(
            Opts::new(
                "tradovate_proxy_downstream_handshakes_total",
                "TLS handshakes with callers and operators, by how they ended",
            ),
            &["result"],
        )?;
        registry.register(Box::new(handshakes.clone()))?;
        // So that a rate over the first is not lost: the series exist before they count.
        for ending in Handshake::ALL {
            handshakes.with_label_values(&[ending.label()]);
        }
        Ok(Self(handshakes))
    }

    #[cfg(test)]
    pub(super) fn count(&self, ending: Handshake) -> u64 {
        self.0.with_label_values(&[ending.label()]).get()
    }

    pub(super) fn ended(&self, ending: Handshake) {
        self.0.with_label_values(&[ending.label()]).inc();
    }
}
