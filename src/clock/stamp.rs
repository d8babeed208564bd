//! A moment, marked so that it survives both a restart and a wall clock that is set meanwhile.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, later};

/// A moment by steady time and by the machine's uptime. Stored beside instants, it says what these mean to a
/// process whose steady time began at another setting of the wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Steady time.
    pub at: Timestamp,
    /// Which boot of which machine; empty where that cannot be told.
    pub boot: String,
    /// How long that had been up, in milliseconds.
    pub uptime_ms: u64,
}

impl Stamp {
    /// What must be added to instants stored under this stamp to place them on `clock`'s timeline, exact to a
    /// millisecond. `None` after a reboot, or where there is no telling: the wall clock is then all there is.
    pub fn drift(&self, clock: &Clock) -> Option<SignedDuration> {
        let now = clock.stamp();
        // An uptime that lies ahead is of another boot, whatever is written beside it.
        if self.boot.is_empty() || self.boot != now.boot || self.uptime_ms > now.uptime_ms {
            return None;
        }
        let passed = SignedDuration::from_millis(i64::try_from(now.uptime_ms - self.uptime_ms).ok()?);
        Some(later(now.at, -passed).duration_since(self.at))
    }
}
