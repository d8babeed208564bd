//! Cancelling what works at the broker: asked for here, done by whoever can send requests.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

/// What became of the working orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Orders whose cancel Tradovate has taken. That is not yet a cancelled order: see `still_working`.
    pub cancelled: Vec<i64>,
    /// Orders whose cancel Tradovate refused, or that could not be sent.
    pub failed: Vec<Failed>,
    /// Orders whose cancel was sent and got no certain answer. It is not sent again.
    pub unknown: Vec<i64>,
    /// Orders that worked still, as far as the last look showed; `None` if that look failed.
    pub still_working: Option<Vec<i64>>,
    /// What kept it from being complete.
    pub trouble: Option<String>,
}

/// An order that was not cancelled, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its id.
    pub order: i64,
    /// Tradovate's words, or the proxy's.
    pub why: String,
}

impl Swept {
    /// Nothing was done, and why.
    pub fn not(trouble: impl Into<String>) -> Self {
        Self { trouble: Some(trouble.into()), ..Self::default() }
    }

    /// Whether no order is left that worked.
    pub fn is_complete(&self) -> bool {
        self.trouble.is_none() && self.still_working.as_ref().is_some_and(Vec::is_empty)
    }
}

/// The wish that all working orders be cancelled. Dropped, it was not heard.
#[derive(Debug)]
pub struct Sweep(oneshot::Sender<Swept>);

impl Sweep {
    /// Tells what became of it.
    pub fn done(self, swept: Swept) {
        // Whoever asked may have gone.
        let _ = self.0.send(swept);
    }
}

/// Wishes, in the order they came.
pub type Sweeps = mpsc::Receiver<Sweep>;

/// Whoever asks for it.
#[derive(Clone, Debug)]
pub(super) struct Sweeper(mpsc::Sender<Sweep>);

impl Sweeper {
    pub(super) fn channel() -> (Self, Sweeps) {
        let (sender, sweeps) = mpsc::channel(PENDING);
        (Self(sender), sweeps)
    }

    pub(super) async fn ask(&self) -> Swept {
        let (sweep, swept) = oneshot::channel();
        let asked = self.0.try_send(Sweep(sweep)).is_ok();
        let swept = if asked { swept.await.ok() } else { None };
        swept.unwrap_or_else(|| {
            Swept::not("nothing was cancelled: the proxy is ending, or has too many such orders")
        })
    }
}

/// Sweeps that may wait for the one under way: operators are few.
const PENDING: usize = 4;
