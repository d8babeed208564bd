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
    /// Least time between a success and a verification, doubled with each verification in the window.
    pub verification_gap: Duration,
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
        }
    }
}

impl Ledger {
    /// Enters an attempt about to be made. Store the ledger before making it.
    pub fn begin(&mut self, errand: Errand, now: Timestamp) {
        self.attempts.push(Attempt { errand, at: now, fate: Fate::Unknown });
    }

    /// The attempt last begun was granted.
    pub fn granted(&mut self) {
        let Some(attempt) = self.attempts.last_mut() else { return };
        attempt.fate = Fate::Granted;
        if attempt.errand == Errand::Acquire {
            (self.hold, self.rejected, self.unseated) = (None, None, false);
        }
    }

    /// The attempt last begun failed; it was made with `credentials`.
    pub fn failed(&mut self, error: &SourceError, credentials: &Fingerprint, now: Timestamp) {
        let errand = self.attempts.last().map(|attempt| attempt.errand);
        match error.reached() {
            Reached::No => drop(self.attempts.pop()),
            Reached::Unknown => {}
            Reached::Refused => {
                if let Some(attempt) = self.attempts.last_mut() {
                    attempt.fate = Fate::Refused;
                }
            }
        }
        match error.retry() {
            Retry::Never => self.rejected = Some(credentials.clone()),
            // Tradovate: the renewal of a session that another login closed may be answered 429 too, and a login
            // is then just what helps. 423 is said to users and addresses, whatever the call.
            Retry::HoldOff(cause) if errand == Some(Errand::Acquire) || cause == HoldCause::Locked => {
                self.hold = Some(Hold { until: now + HOUR, cause });
            }
            Retry::HoldOff(_) | Retry::After(_) | Retry::Soon | Retry::Backoff => {}
        }
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

    /// When the seat may be taken back, if it is lost: at once the first time, then after growing gaps, so that
    /// two programs on one user do not throw each other out for ever.
    pub fn reclaim_at(&self) -> Option<Timestamp> {
        let last = self.kicks.last().filter(|_| self.unseated)?;
        let gap = RECLAIM_GAPS.get(self.kicks.len() - 1).or(RECLAIM_GAPS.last())?;
        Some(*last + *gap)
    }

    /// The earliest instant at which `errand` is within its budget; not later than `now` when it is already.
    pub fn earliest(&self, errand: Errand, budgets: &Budgets, now: Timestamp) -> Timestamp {
        let free_at = |limit: usize, counted: &dyn Fn(&Attempt) -> bool| {
            // The attempts are in order of time: the one that must leave the window first is `limit` from the end.
            let counted = self.attempts.iter().filter(|attempt| counted(attempt));
            match limit.checked_sub(1) {
                None => now + budgets.window,
                Some(newer) => counted.rev().nth(newer).map_or(now, |attempt| attempt.at + budgets.window),
            }
        };
        match errand {
            Errand::Acquire => {
                let acquired = |attempt: &Attempt| attempt.errand == Errand::Acquire;
                let opened = free_at(budgets.opened, &|a| acquired(a) && a.fate == Fate::Granted);
                opened.max(free_at(budgets.failed, &|a| acquired(a) && a.fate != Fate::Granted))
            }
            Errand::Renew => free_at(budgets.renewals, &|a| a.errand != Errand::Acquire),
            Errand::Verify => {
                let verified = |attempt: &Attempt| attempt.errand == Errand::Verify;
                let recent = |attempt: &&Attempt| now.duration_since(attempt.at) < span(budgets.window);
                let count = self.attempts.iter().filter(recent).filter(|a| verified(a)).count();
                let doubled = 1_u32.checked_shl(u32::try_from(count).unwrap_or(31)).unwrap_or(u32::MAX);
                let last = self.attempts.iter().rfind(|a| verified(a) || a.fate == Fate::Granted);
                last.map_or(now, |last| last.at + budgets.verification_gap.saturating_mul(doubled))
                    .max(free_at(budgets.verifications, &verified))
                    .max(self.earliest(Errand::Renew, budgets, now))
            }
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
            hold.until = hold.until.min(now + HOUR);
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
mod tests {
    use super::*;
    use crate::auth::{
        fingerprint::FingerprintKey,
        source::{ErrorText, Loss, Step},
    };

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn credentials() -> Fingerprint {
        FingerprintKey::random().fingerprint(&[b"some"])
    }

    fn lost() -> SourceError {
        SourceError::Lost { how: Loss::TimedOut }
    }

    fn free(ledger: &Ledger, errand: Errand, now: Timestamp) -> Timestamp {
        ledger.earliest(errand, &Budgets::default(), now)
    }

    #[test]
    fn the_fifth_session_in_an_hour_waits_for_the_first_to_leave_the_window() {
        let mut ledger = Ledger::default();
        for minute in 0..4 {
            assert!(free(&ledger, Errand::Acquire, at(minute)) <= at(minute), "{minute}");
            ledger.begin(Errand::Acquire, at(minute));
            ledger.granted();
        }
        assert_eq!(free(&ledger, Errand::Acquire, at(4)), at(60));
        ledger.reconcile(&Budgets::default(), at(61));
        assert!(free(&ledger, Errand::Acquire, at(61)) <= at(61));
    }

    #[test]
    fn two_logins_of_unknown_fate_are_enough_even_if_the_process_died_in_them() {
        let mut ledger = Ledger::default();
        ledger.begin(Errand::Acquire, at(0));
        ledger.failed(&lost(), &credentials(), at(0));
        ledger.begin(Errand::Acquire, at(1));
        let restored: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
        assert_eq!(free(&restored, Errand::Acquire, at(2)), at(60));
    }

    #[test]
    fn what_never_reached_the_broker_costs_nothing() {
        let mut ledger = Ledger::default();
        for second in 0..1000 {
            ledger.begin(Errand::Acquire, at(second));
            let error = SourceError::Unreachable { step: Step::Tls, source: "no".into() };
            ledger.failed(&error, &credentials(), at(second));
        }
        assert!(free(&ledger, Errand::Acquire, at(1000)) <= at(1000));
    }

    #[test]
    fn renewals_have_a_budget_and_verifications_only_a_part_of_it() {
        let mut ledger = Ledger::default();
        let mut verified = Vec::new();
        let mut now = at(0);
        while now < at(60) {
            now = free(&ledger, Errand::Verify, now).max(now);
            if now < at(60) {
                ledger.begin(Errand::Verify, now);
                ledger.granted();
                verified.push(now);
            }
        }
        assert_eq!(verified, [at(0), at(2), at(6), at(14)], "doubling gaps, then the budget");
        for minute in 20..26 {
            assert!(free(&ledger, Errand::Renew, at(minute)) <= at(minute));
            ledger.begin(Errand::Renew, at(minute));
        }
        assert_eq!(free(&ledger, Errand::Renew, at(26)), at(60));
        assert!(free(&ledger, Errand::Verify, at(26)) >= at(60));
    }

    #[test]
    fn refused_credentials_are_remembered_until_others_succeed() {
        let (mut ledger, wrong) = (Ledger::default(), credentials());
        ledger.begin(Errand::Acquire, at(0));
        ledger.failed(&SourceError::CredentialsRefused { text: ErrorText::new("no") }, &wrong, at(0));
        assert!(ledger.has_rejected(&wrong) && !ledger.has_rejected(&credentials()));
        ledger.begin(Errand::Acquire, at(1));
        ledger.granted();
        assert!(!ledger.has_rejected(&wrong));
    }

    #[test]
    fn a_captcha_holds_for_an_hour_and_a_clock_set_back_does_not_make_it_a_day() {
        let mut ledger = Ledger::default();
        ledger.begin(Errand::Acquire, at(0));
        ledger.failed(&SourceError::Captcha, &credentials(), at(0));
        assert_eq!(ledger.hold(), Some((HoldCause::Captcha, at(60))));
        let yesterday = at(-26 * 60);
        ledger.reconcile(&Budgets::default(), yesterday);
        assert_eq!(ledger.hold(), Some((HoldCause::Captcha, yesterday + HOUR)));
        ledger.reconcile(&Budgets::default(), yesterday + HOUR);
        assert_eq!(ledger.hold(), None);
    }

    #[test]
    fn a_renewal_answered_429_holds_no_login_and_one_answered_423_does() {
        let mut ledger = Ledger::default();
        ledger.begin(Errand::Renew, at(0));
        ledger.failed(&SourceError::RateLimited, &credentials(), at(0));
        assert_eq!(ledger.hold(), None);
        ledger.begin(Errand::Renew, at(1));
        ledger.failed(&SourceError::Locked, &credentials(), at(1));
        assert_eq!(ledger.hold(), Some((HoldCause::Locked, at(61))));
    }

    #[test]
    fn kicks_in_a_row_are_answered_after_growing_gaps_and_forgiven_after_hours() {
        let mut ledger = Ledger::default();
        let mut now = at(0);
        for gap in [0, 1, 5, 15, 60, 60, 60] {
            ledger.kicked(now);
            let reclaim = ledger.reclaim_at().unwrap();
            assert_eq!(reclaim.duration_since(now).as_mins(), gap);
            ledger.begin(Errand::Acquire, reclaim);
            ledger.granted();
            assert_eq!(ledger.reclaim_at(), None);
            now = reclaim;
        }
        now += Duration::from_secs(5 * 3600);
        ledger.kicked(now);
        assert_eq!(ledger.reclaim_at(), Some(now));
    }
}
