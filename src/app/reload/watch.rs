//! Files that change, noticed without being told.
//!
//! By looking, every few seconds: what Kubernetes, Docker and editors do to a file (links that turn, renames over it,
//! other file systems below it) each needs its own care from an event interface, and none from a look.

use std::time::Duration;

use tokio::time::sleep;

use crate::{app::reload::blocking, config::Look};

/// Looks again and again at the files of a configuration.
#[derive(Debug)]
pub(super) struct Watch {
    /// As of the last reading that was judged.
    settled: Look,
    /// As of the last look.
    last: Look,
}

impl Watch {
    /// Waits for the next difference from `settled`.
    pub(super) fn from(settled: Look) -> Self {
        Self { last: settled.clone(), settled }
    }

    /// Waits until the files differ from those read last, and two looks in a row agree on how: a file that is being
    /// written is left alone until it is done. Cancel safe.
    pub(super) async fn changed(&mut self) {
        loop {
            sleep(INTERVAL).await;
            let look = look_again(&self.last).await;
            let is_calm = look == self.last;
            self.last = look;
            if is_calm && self.last != self.settled {
                return;
            }
        }
    }

    /// Whether files that stood so when they were about to be read were whole: nobody has touched them since,
    /// and, unless an operator `vouches` for them, not since the last look either.
    pub(super) async fn may_take(&mut self, read: &Look, vouched: bool) -> bool {
        let now = look_again(read).await;
        let is_calm = now == *read && (vouched || self.last == *read);
        self.last = now;
        is_calm
    }

    /// What was read so has been judged, whatever came of it.
    pub(super) fn settle(&mut self, read: Look) {
        self.settled = read;
    }
}

/// On another thread: this one serves, and a disk may be slow.
async fn look_again(look: &Look) -> Look {
    let look = look.clone();
    blocking(move || look.again()).await
}

/// How often files are looked at.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);
