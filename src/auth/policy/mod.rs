//! When to renew, when to acquire, and when to leave the broker alone: pure functions of what is known.
//!
//! The order of means: a token that lives is used; it is renewed when due; a session is opened only when there
//! is no usable token, and only inside the budgets of the [`Ledger`].

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::auth::{
    fingerprint::Fingerprint,
    ledger::{Budgets, Errand, Ledger},
    reason::Reason,
    source::{HoldCause, Retry, SourceError},
    state::State,
};

/// The settings of the session's life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RenewalPolicy {
    /// A token with less life left than this is renewed.
    pub margin: Duration,
    /// A token that has used this part of its life is renewed, if that is sooner.
    pub fraction: f64,
    /// No renewal sooner than this after a grant, whatever the token's life.
    pub least_gap: Duration,
    /// A life longer than this is not believed. Tradovate: 80 or 90 minutes, depending on the page.
    pub longest_life: Duration,
    /// The life of a token whose expiry is missing or past.
    pub assumed_life: Duration,
    /// The bound on one attempt, whatever its source does.
    pub attempt_timeout: Duration,
    /// How often the broker may be asked.
    pub budgets: Budgets,
    /// What happens when another login takes the session's place.
    pub on_kick: OnKick,
}

/// What happens when another login has taken the session's place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnKick {
    /// It is taken back: at once the first time, then after growing gaps.
    #[default]
    Reclaim,
    /// It is left to the other for this long.
    Yield {
        /// Counted from the loss.
        wait: Duration,
    },
    /// It is left to the other until an operator says otherwise.
    Manual,
}

impl Default for RenewalPolicy {
    fn default() -> Self {
        Self {
            margin: Duration::from_secs(15 * 60),
            fraction: 0.8,
            least_gap: Duration::from_secs(60),
            longest_life: Duration::from_secs(90 * 60),
            // Half of it is the renewal gap of a life this short: eight an hour, inside the budget of ten.
            assumed_life: Duration::from_secs(15 * 60),
            // Covers a penalty that is waited out and the resubmission behind it.
            attempt_timeout: Duration::from_secs(120),
            budgets: Budgets::default(),
            on_kick: OnKick::default(),
        }
    }
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The wall clock.
    pub now: Timestamp,
    /// What was tried.
    pub ledger: &'a Ledger,
    /// What a login would be made with.
    pub credentials: &'a Fingerprint,
    /// The token in use, if there is one.
    pub lease: Option<Lease>,
    /// Whether a caller's request was answered 401 with this token.
    pub suspected: bool,
    /// Whether there was ever a token in this process.
    pub had_token: bool,
    /// Before which instant the last failure forbids another attempt.
    pub retry_at: Option<Timestamp>,
}

/// The times of a token: a fact and a decision, which are never one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When upstream stops accepting it.
    pub expires_at: Timestamp,
    /// When we want to renew it.
    pub renew_at: Timestamp,
}

/// What to do, and how things stand until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The state to show.
    pub state: State,
    /// Its cause.
    pub reason: Reason,
    /// The action.
    pub action: Action,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This errand, at this instant (which may have passed).
    At(Errand, Timestamp),
    /// Nothing by itself.
    Stop,
}

impl RenewalPolicy {
    /// Decides.
    pub fn decide(&self, situation: &Situation<'_>) -> Plan {
        match situation.lease.filter(|lease| situation.now < lease.expires_at) {
            Some(lease) => self.keep(situation, lease),
            None => self.obtain(situation),
        }
    }

    /// A token lives: when to renew it.
    fn keep(&self, situation: &Situation<'_>, lease: Lease) -> Plan {
        let Situation { now, ledger, suspected, retry_at, .. } = *situation;
        let budget = ledger.earliest(Errand::Renew, &self.budgets, now);
        // Tradovate: after a 423 no call at all, for an hour.
        let locked = ledger.hold().filter(|(cause, _)| *cause == HoldCause::Locked).map(|(_, until)| until);
        let patience = retry_at.max(locked).unwrap_or(now);
        let renew = lease.renew_at.max(budget).max(patience);
        let action = if suspected {
            let verify = ledger.earliest(Errand::Verify, &self.budgets, now).max(patience);
            if verify < renew { Action::At(Errand::Verify, verify) } else { Action::At(Errand::Renew, renew) }
        } else {
            Action::At(Errand::Renew, renew)
        };
        let overdue = lease.renew_at <= now;
        let (state, reason) = match () {
            () if overdue && budget > now => (State::Overdue, Reason::RenewalBudget),
            () if overdue && retry_at.is_some() => (State::Overdue, Reason::Failing),
            () if suspected => (State::Live, Reason::Suspected),
            () => (State::Live, Reason::Well),
        };
        Plan { state, reason, action }
    }

    /// No token lives: when a session may be opened.
    fn obtain(&self, situation: &Situation<'_>) -> Plan {
        let Situation { now, ledger, credentials, had_token, retry_at, .. } = *situation;
        if ledger.has_rejected(credentials) {
            return Plan { state: State::Rejected, reason: Reason::Credentials, action: Action::Stop };
        }
        let hopeful = if had_token { State::Lapsed } else { State::Starting };
        let simply = match (retry_at, had_token) {
            (Some(_), _) => Reason::Failing,
            (None, true) => Reason::TokenGone,
            (None, false) => Reason::NoToken,
        };
        let budget = ledger.earliest(Errand::Acquire, &self.budgets, now);
        let reclaim = ledger.reclaim_at().map(|at| (at, State::Kicked, Reason::Kicked));
        let hold = ledger.hold().map(|(cause, until)| (until, State::Held, Reason::Hold(cause)));
        let spent = (budget, State::Held, Reason::LoginBudget);
        let waits = [hold, reclaim, Some(spent), retry_at.map(|at| (at, hopeful, simply))];
        // Whatever keeps us longest is what an operator wants to know.
        let longest = waits.into_iter().flatten().filter(|wait| wait.0 > now).max_by_key(|wait| wait.0);
        let (at, state, reason) = longest.unwrap_or((now, hopeful, simply));
        Plan { state, reason, action: Action::At(Errand::Acquire, at) }
    }

    /// When a token granted at `issued_at` is renewed: with [`margin`](Self::margin) left or after
    /// [`fraction`](Self::fraction) of its life, whichever is sooner, and up to a twentieth of its life earlier
    /// still as `random` (from 0 to 1) says, so that programs started together drift apart.
    pub fn renew_at(&self, issued_at: Timestamp, expires_at: Timestamp, random: f64) -> Timestamp {
        let life = Duration::try_from(expires_at.duration_since(issued_at)).unwrap_or_default();
        // A margin longer than half a short life would mean to renew without end.
        let margin = self.margin.min(life / 2);
        let age = life.saturating_sub(margin).min(life.mul_f64(self.fraction.clamp(0.0, 1.0)));
        issued_at
            + age
                .saturating_sub(life.mul_f64(0.05 * random.clamp(0.0, 1.0)))
                .max(self.least_gap.min(life / 2))
    }

    /// When a token expires by our clock that was asked for at `asked`. Lengths are trusted, not instants: the
    /// life is what lies between upstream's own `Date` and the expiry it states, so that a clock set wrong here
    /// costs nothing. It is counted from the asking, and upstream's second from its end (RFC 9110 §6.6.1: `Date`
    /// has whole ones), so that whatever is off is off to the safe side.
    pub fn expires_at(
        &self,
        stated: Option<Timestamp>,
        server_date: Option<Timestamp>,
        asked: Timestamp,
    ) -> Timestamp {
        let second = SignedDuration::from_secs(i64::from(server_date.is_some()));
        let ahead = skew(server_date, asked).saturating_add(second);
        let server_now = asked.saturating_add(ahead).unwrap_or(asked);
        let life = stated.and_then(|stated| Duration::try_from(stated.duration_since(server_now)).ok());
        let life = life.filter(|life| !life.is_zero()).unwrap_or(self.assumed_life);
        asked + life.min(self.longest_life)
    }

    /// The delay after a failure. `previous` is the delay before it, if that was a failure too; `random` is
    /// from 0 to 1 (decorrelated jitter: each delay lies between the shortest and three times the last one).
    pub fn delay(&self, error: &SourceError, previous: Option<Duration>, random: f64) -> Duration {
        let (shortest, longest) = match error.retry() {
            Retry::Soon => SOON,
            Retry::Backoff | Retry::Never => BACKOFF,
            Retry::After(wait) => (wait.max(BACKOFF.0), wait.max(BACKOFF.1)),
            // For a renewal; logins are held by the ledger for longer.
            Retry::HoldOff(_) => HELD,
        };
        let previous = previous.unwrap_or(shortest).clamp(shortest, longest);
        let spread = (previous * 3).saturating_sub(shortest).mul_f64(random.clamp(0.0, 1.0));
        (shortest + spread).min(longest)
    }
}

/// Upstream's clock minus ours; nothing where the header is missing or too far off to be meant.
pub fn skew(server_date: Option<Timestamp>, now: Timestamp) -> SignedDuration {
    let skew = server_date.map(|date| date.duration_since(now)).unwrap_or_default();
    if skew.abs() <= LARGEST_SKEW { skew } else { SignedDuration::ZERO }
}

/// A clock in the wrong time zone is off by up to 26 hours; what is further off is no clock.
const LARGEST_SKEW: SignedDuration = SignedDuration::from_hours(26);

/// Nothing was sent: service should be back within seconds of the broker.
const SOON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Tradovate: "back-off 15 s" on both session calls.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(180));

const HELD: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(900));

#[cfg(test)]
mod tests;
