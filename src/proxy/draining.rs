//! The word that the process ends, within one worker's thread.

use std::cell::Cell;

use tokio::sync::Notify;

/// Whether draining has begun; once it has, it goes on.
#[derive(Debug, Default)]
pub(super) struct Draining {
    begun: Cell<bool>,
    heard: Notify,
}

impl Draining {
    /// Begins it.
    pub(super) fn begin(&self) {
        self.begun.set(true);
        self.heard.notify_waiters();
    }

    /// Whether it has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.begun.get()
    }

    /// Waits until it has. Cancel safe.
    pub(super) async fn begun(&self) {
        // On one thread nothing can happen between the question and the first poll of the wait.
        if !self.has_begun() {
            self.heard.notified().await;
        }
    }
}
