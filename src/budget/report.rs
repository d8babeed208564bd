//! How the budget stands, for `/status`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::budget::{Budget, Cause, Spent};

/// One look at it. All instants are those of the wall clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The last 60 minutes.
    pub hour: WindowReport,
    /// The last 60 seconds.
    pub minute: WindowReport,
    /// How much of each limit is for cancels and liquidations alone.
    pub reserve: u64,
    /// Each caller that has sent anything.
    pub callers: Vec<CallerReport>,
    /// The status that upstream answered with, if requests are held for it.
    pub held_after: Option<u16>,
    /// When they are no longer, at the latest.
    pub held_until: Option<Timestamp>,
}

/// One window.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WindowReport {
    /// Requests sent.
    pub spent: u64,
    /// Requests that may be; absent where there is no limit.
    pub limit: Option<u64>,
}

/// One caller's share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CallerReport {
    /// Who.
    pub caller: String,
    /// Requests sent in the last 60 minutes.
    pub hour: u64,
    /// Requests sent in the last 60 seconds.
    pub minute: u64,
}

impl Budget {
    /// How it stands now.
    pub fn report(&self) -> Report {
        let (policy, now) = (self.policy.load(), self.clock.now());
        let at = now.as_second();
        let counts = |spent: &Spent| (spent.hour.count(at), spent.minute.count(at));
        let (hour, minute) = counts(&self.all);
        let callers = self.callers.load();
        let callers = callers.iter().map(|(caller, spent)| {
            let (hour, minute) = counts(spent);
            CallerReport { caller: caller.to_string(), hour, minute }
        });
        let held = self.hold.at(now);
        Report {
            hour: WindowReport { spent: hour, limit: policy.per_hour },
            minute: WindowReport { spent: minute, limit: policy.per_minute },
            reserve: policy.reserve,
            callers: callers.collect(),
            held_after: held.map(|(cause, _)| match cause {
                Cause::Limited => 429,
                Cause::Locked => 423,
            }),
            held_until: held.map(|(_, until)| self.clock.shown(until)),
        }
    }
}
