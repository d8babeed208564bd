//! What was tried, and what may therefore be tried next: the memory that survives restarts.
//!
//! Tradovate: some five failed logins an hour end in an hour's lock-out, 15 renewals an hour is the cap with
//! successes counted, and the windows roll. An attempt is entered as *fate unknown* and stored before it is
//! made, so that a process killed in mid-login still finds it counted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::auth::{
    fingerprint::Fingerprint,
    source::{HoldCause, Reached, Retry, SourceError},
    state::Call,
};

/// The attempts of the last hour, and what forbids more.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    attempts: Vec<Attempt>,
    hold: Option<Hold>,
    rejected: Option<Fingerprint>,
    /// When the session was lost to another login, for as long as that counts.
    #[serde(default)]
    kicks: Vec<Timestamp>,
    /// Whether the last of `kicks` has not been answered by a login yet.
    #[serde(default)]
    unseated: bool,
}

/// What an attempt is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Errand {
    /// To open a session.
    Acquire,
    /// To extend it, because that is due.
    Renew,
    /// To extend it early, because a caller's request was answered 401: the answer tells whether it is dead.
    Verify,
}

impl Errand {
    /// The call it makes.
    pub fn call(self) -> Call {
        match self {
            Self::Acquire => Call::Acquire,
            Self::Renew | Self::Verify => Call::Renew,
        }
    }
}

/// How many attempts of each kind a rolling [`window`](Self::window) may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// The window.
    pub window: Duration,
    /// Logins that opened a session.
    pub opened: usize,
    /// Logins that were refused, or whose fate is unknown.
    pub failed: usize,
    /// Renewals, whatever came of them.
    pub renewals: usize,
    /// How many of those renewals may be verifications, so that an endpoint which always answers 401 cannot
    /// eat what the scheduled ones need.
    pub verifications: usize,
    /// Least time between two verifications, doubled with each further one in the window.
    pub verification_gap: Duration,
    /// How long no login is tried after upstream imposed a wait. Tradovate: every lock-out lasts an hour.
    pub hold_off: Duration,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            window: HOUR,
            opened: 4,
            failed: 2,
            renewals: 10,
            verifications: 4,
            verification_gap: Duration::from_secs(60),
            hold_off: HOUR,
        }
    }
}

impl Ledger {
    /// Enters an attempt about to be made. Store the ledger before making it.
    pub fn begin(&mut self, errand: Errand, now: Timestamp) {
        self.attempts.push(Attempt { errand, at: now, fate: Fate::Unknown });
    }

    /// The attempt last begun was granted; `opened` says whether a session was opened for it, which is what the
    /// budget of logins counts.
    pub fn granted(&mut self, opened: bool, now: Timestamp) {
        let Some(attempt) = self.attempts.last_mut() else { return };
        // Upstream counts from when it was asked, which a slow way there makes later than when that began.
        (attempt.fate, attempt.at) = (Fate::Granted, now);
        if attempt.errand == Errand::Acquire {
            (self.rejected, self.unseated) = (None, false);
            if opened {
                self.hold = None;
            } else {
                self.attempts.pop();
            }
        }
    }

    /// The attempt last begun failed; it was made with `credentials`.
    pub fn failed(
        &mut self,
        error: &SourceError,
        credentials: &Fingerprint,
        budgets: &Budgets,
        now: Timestamp,
    ) {
        let errand = self.attempts.last().map(|attempt| attempt.errand);
        match error.reached() {
            Reached::No => drop(self.attempts.pop()),
            Reached::Unknown => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.at = now;
                }
            }
            Reached::Refused => {
                if let Some(attempt) = self.attempts.last_mut() {
                    (attempt.fate, attempt.at) = (Fate::Refused, now);
                }
            }
        }
        match error.retry() {
            Retry::Never => self.reject(credentials),
            // Tradovate: the renewal of a session that another login closed may be answered 429 too, and a login
            // is then just what helps. 423 is said to users and addresses, whatever the call.
            Retry::HoldOff(cause) if errand == Some(Errand::Acquire) || cause == HoldCause::Locked => {
                self.hold = Some(Hold { until: now + budgets.hold_off, cause });
            }
            Retry::HoldOff(_) | Retry::After(_) | Retry::Soon | Retry::Backoff => {}
        }
    }

    /// No login before `until`.
    pub fn hold_until(&mut self, cause: HoldCause, until: Timestamp) {
        self.hold = Some(Hold { until, cause });
    }

    /// Nothing is to be tried with `credentials` any more.
    pub fn reject(&mut self, credentials: &Fingerprint) {
        self.rejected = Some(credentials.clone());
    }

    /// The session was lost to another login.
    pub fn kicked(&mut self, now: Timestamp) {
        if self.kicks.last().is_some_and(|&last| now.duration_since(last) > FORGIVEN_AFTER) {
            self.kicks.clear();
        }
        self.kicks.push(now);
        // Beyond the last gap more kicks change nothing.
        if self.kicks.len() > RECLAIM_GAPS.len() {
            self.kicks.remove(0);
        }
        self.unseated = true;
    }

    /// The seat is another one from now on: its fights are not ours. What was tried still counts, since upstream
    /// counts by address too.
    pub fn reseated(&mut self) {
        self.kicks.clear();
        self.unseated = false;
    }

    /// An operator wants the seat back now.
    pub fn reclaim_now(&mut self) {
        self.unseated = false;
    }

    /// When the seat was lost, if it has not been taken back since.
    pub fn unseated_at(&self) -> Option<Timestamp> {
        self.kicks.last().copied().filter(|_| self.unseated)
    }

    /// When the seat may be taken back, if it is lost: at once the first time, then after growing gaps, so that
    /// two programs on one user do not throw each other out for ever.
    pub fn reclaim_at(&self) -> Option<Timestamp> {
        let last = self.unseated_at()?;
        let gap = RECLAIM_GAPS.get(self.kicks.len() - 1).or(RECLAIM_GAPS.last())?;
        Some(last + *gap)
    }

    /// The earliest instant at which `errand` is within its budget; not later than `now` when it is already.
    pub fn earliest(&self, errand: Errand, budgets: &Budgets, now: Timestamp) -> Timestamp {
        let free_at = |limit, counted: &dyn Fn(&Attempt) -> bool| self.free_at(limit, counted, budgets, now);
        match errand {
            Errand::Acquire => {
                let (opened, failed) = self.logins_free_at(budgets, now);
                opened.max(failed)
            }
            Errand::Renew => free_at(budgets.renewals, &|a| a.errand != Errand::Acquire),
            Errand::Verify => {
                let verified = |attempt: &Attempt| attempt.errand == Errand::Verify;
                let recent = |attempt: &&Attempt| now.duration_since(attempt.at) < span(budgets.window);
                let count = self.attempts.iter().filter(recent).filter(|a| verified(a)).count();
                let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or(31);
                let doubled = 1_u32 << doublings.min(10);
                let last = self.attempts.iter().rfind(|a| verified(a));
                last.map_or(now, |last| last.at + budgets.verification_gap.saturating_mul(doubled))
                    .max(free_at(budgets.verifications, &verified))
                    .max(self.earliest(Errand::Renew, budgets, now))
            }
        }
    }

    /// When a login is within the budget of sessions opened, and when within that of failures.
    pub fn logins_free_at(&self, budgets: &Budgets, now: Timestamp) -> (Timestamp, Timestamp) {
        let acquired = |attempt: &Attempt| attempt.errand == Errand::Acquire;
        let opened = |attempt: &Attempt| acquired(attempt) && attempt.fate == Fate::Granted;
        let failed = |attempt: &Attempt| acquired(attempt) && attempt.fate != Fate::Granted;
        (
            self.free_at(budgets.opened, &opened, budgets, now),
            self.free_at(budgets.failed, &failed, budgets, now),
        )
    }

    /// When fewer than `limit` of the attempts that are `counted` are left in the window.
    fn free_at(
        &self,
        limit: usize,
        counted: &dyn Fn(&Attempt) -> bool,
        budgets: &Budgets,
        now: Timestamp,
    ) -> Timestamp {
        // The attempts are in order of time: the one that must leave the window first is `limit` from the end.
        let counted = self.attempts.iter().filter(|attempt| counted(attempt));
        match limit.checked_sub(1) {
            None => now + budgets.window,
            Some(newer) => counted.rev().nth(newer).map_or(now, |attempt| attempt.at + budgets.window),
        }
    }

    /// What forbids every login for now, and until when.
    pub fn hold(&self) -> Option<(HoldCause, Timestamp)> {
        self.hold.map(|hold| (hold.cause, hold.until))
    }

    /// Whether these credentials were refused before.
    pub fn has_rejected(&self, credentials: &Fingerprint) -> bool {
        self.rejected.as_ref() == Some(credentials)
    }

    /// Moves every instant by `drift`: what was recorded on another timeline is placed on this one.
    pub fn shift(&mut self, drift: SignedDuration) {
        let instants = self.attempts.iter_mut().map(|attempt| &mut attempt.at).chain(&mut self.kicks);
        for at in instants.chain(self.hold.as_mut().map(|hold| &mut hold.until)) {
            *at = at.saturating_add(drift).unwrap_or(*at);
        }
    }

    /// Forgets what no longer counts, and mends instants that lie ahead because the wall clock was set back:
    /// without that, an hour's hold could last for as long as the clock was wrong.
    pub fn reconcile(&mut self, budgets: &Budgets, now: Timestamp) {
        for attempt in &mut self.attempts {
            attempt.at = attempt.at.min(now);
        }
        for kick in &mut self.kicks {
            *kick = (*kick).min(now);
        }
        self.attempts.retain(|attempt| now.duration_since(attempt.at) <= span(budgets.window));
        self.hold = self.hold.filter(|hold| hold.until > now);
        if let Some(hold) = &mut self.hold {
            hold.until = hold.until.min(now + budgets.hold_off.max(HOUR));
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Attempt {
    errand: Errand,
    at: Timestamp,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    Granted,
    Refused,
    Unknown,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Hold {
    until: Timestamp,
    cause: HoldCause,
}

fn span(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// How long after each kick in a row before the seat is taken back.
const RECLAIM_GAPS: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

/// A seat held for this long since the last kick is no fight any more.
const FORGIVEN_AFTER: SignedDuration = SignedDuration::from_hours(4);

/// Tradovate: every lock-out lasts an hour.
const HOUR: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests;
