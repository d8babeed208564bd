//! The settings of a session's life, and the times that follow from them: pure functions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::auth::{
    ledger::Budgets,
    source::{Retry, SourceError},
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
            attempt_timeout: Duration::from_secs(30),
            budgets: Budgets::default(),
            on_kick: OnKick::default(),
        }
    }
}

impl RenewalPolicy {
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
        let life_by = |now: Timestamp| {
            let life = stated.and_then(|stated| Duration::try_from(stated.duration_since(now)).ok());
            life.filter(|life| !life.is_zero())
        };
        let by_date = server_date.and_then(|date| life_by(date.saturating_add(SECOND).unwrap_or(date)));
        let by_clock = life_by(asked);
        let life = match server_date.map(|date| date.duration_since(asked).abs() <= LARGEST_SKEW) {
            Some(true) => by_date,
            // One of the two clocks is none: the shorter life is the safer.
            Some(false) => by_date.into_iter().chain(by_clock).min(),
            None => by_clock,
        };
        asked + life.unwrap_or(self.assumed_life).min(self.longest_life)
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

/// Upstream's clock minus `wall`, for people to see; at most 26 hours either way.
pub fn skew(server_date: Timestamp, wall: Timestamp) -> SignedDuration {
    server_date.duration_since(wall).clamp(-LARGEST_SKEW, LARGEST_SKEW)
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A clock in the wrong time zone is off by up to 26 hours; what is further off is no clock.
const LARGEST_SKEW: SignedDuration = SignedDuration::from_hours(26);

/// Nothing was sent: service should be back within seconds of the broker.
const SOON: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// Tradovate: "back-off 15 s" on both session calls.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(180));

const HELD: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(900));

#[cfg(test)]
mod tests;
