//! Wall time, in one place.
//!
//! Tradovate states expiry as an absolute instant, so the session compares wall time; and wall time is what a
//! test, or a user of the sandbox, wants to move. Nothing else in the crate may read the system clock (a lint
//! holds that), so one [`Clock`] moved is every clock moved.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::watch, time::Instant};

/// A source of wall time and of sleeps that end at a wall time. Cheap to clone; clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated(Arc<Simulated>),
}

/// Time that starts at an instant, runs with tokio's clock (so it stands still when that is paused), and can be
/// moved forward.
#[derive(Debug)]
struct Simulated {
    start: Timestamp,
    started: Instant,
    shift: watch::Sender<SignedDuration>,
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that starts at `start` and can be [advanced](Self::advance).
    pub fn simulated(start: Timestamp) -> Self {
        Self(Source::Simulated(Arc::new(Simulated {
            start,
            started: Instant::now(),
            shift: watch::Sender::new(SignedDuration::ZERO),
        })))
    }

    /// A clock that starts at the machine's present time and can be [advanced](Self::advance).
    pub fn simulated_from_now() -> Self {
        Self::simulated(Self::system().now())
    }

    /// The present wall time.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "the one sanctioned reader of the system clock")]
            Source::System => Timestamp::now(),
            Source::Simulated(simulated) => simulated.now(),
        }
    }

    /// Moves a simulated clock forward and wakes whoever [sleeps](Self::sleep_until) on it. Returns the new
    /// time, or `None` where it cannot be moved so: the system clock at all, a simulated one by more than
    /// [`LONGEST_STEP`], or close to the end of time, where sums with it would have no value.
    pub fn advance(&self, by: Duration) -> Option<Timestamp> {
        let Source::Simulated(simulated) = &self.0 else { return None };
        let by = SignedDuration::try_from(by).ok().filter(|&by| by <= LONGEST_STEP)?;
        simulated.now().checked_add(by.saturating_add(LONGEST_STEP)).ok()?;
        simulated.shift.send_modify(|shift| *shift = shift.saturating_add(by));
        Some(simulated.now())
    }

    /// Sleeps until the wall clock shows `deadline`, or would show it had nobody set it back meanwhile; so whoever
    /// sleeps looks at the clock again afterwards. Cancel safe.
    ///
    /// Monotonic time stands still while a machine is suspended, and a wall clock can be set, so no single
    /// sleep is longer than [`LONGEST_NAP`]: after each the wall clock is asked again.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        let begun = Instant::now();
        let Ok(whole) = Duration::try_from(deadline.duration_since(self.now())) else { return };
        while begun.elapsed() < whole {
            let moved = match &self.0 {
                Source::System => None,
                // Subscribed before the clock is read, so that no move in between is missed.
                Source::Simulated(simulated) => Some(simulated.shift.subscribe()),
            };
            let Ok(left) = Duration::try_from(deadline.duration_since(self.now())) else { return };
            if left.is_zero() {
                return;
            }
            let nap = tokio::time::sleep(left.min(LONGEST_NAP));
            match moved {
                None => nap.await,
                Some(mut moved) => tokio::select! {
                    () = nap => {}
                    _ = moved.changed() => {}
                },
            }
        }
    }
}

impl Simulated {
    fn now(&self) -> Timestamp {
        let elapsed = SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        let shift = *self.shift.borrow();
        self.start.saturating_add(elapsed.saturating_add(shift)).unwrap_or(Timestamp::MAX)
    }
}

/// How far a simulated clock goes at once: ten years.
pub const LONGEST_STEP: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// How long a sleep may go without looking at the wall clock again: what a suspended machine costs at most
/// after it wakes.
pub const LONGEST_NAP: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn advancing_wakes_a_sleeper_at_once() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Timestamp::from_second(3600).unwrap()).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(7200)).unwrap();
        assert_eq!(sleeper.await.unwrap().as_second(), 7200);
    }

    #[tokio::test(start_paused = true)]
    async fn an_instant_in_the_past_is_no_sleep() {
        let clock = Clock::simulated(Timestamp::from_second(100).unwrap());
        clock.sleep_until(Timestamp::from_second(99).unwrap()).await;
        assert_eq!(clock.now().as_second(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_keeps_nobody_asleep_for_longer() {
        let clock = Clock::simulated(Timestamp::from_second(100_000).unwrap());
        let Source::Simulated(simulated) = &clock.0 else { unreachable!() };
        let begun = Instant::now();
        let set_back = async {
            tokio::task::yield_now().await;
            simulated.shift.send_modify(|shift| *shift = SignedDuration::from_hours(-5));
        };
        tokio::join!(clock.sleep_until(Timestamp::from_second(100_060).unwrap()), set_back);
        assert_eq!(begun.elapsed().as_secs(), 60);
        assert!(clock.now().as_second() < 100_000, "its sleeper must look again");
    }

    #[test]
    fn a_simulated_clock_stays_within_time() {
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        assert_eq!(clock.advance(Duration::from_secs(u64::MAX)), None);
        while clock.advance(Duration::from_hours(9 * 365 * 24)).is_some() {}
        assert!(clock.now().checked_add(LONGEST_STEP).is_ok());
    }

    #[test]
    fn the_system_clock_cannot_be_moved() {
        assert_eq!(Clock::system().advance(Duration::from_secs(1)), None);
    }
}
