//! Stopping when upstream says so.
//!
//! Tradovate: 429 without a body means that the user has asked too often, and to wait an hour; 423 that a captcha wants
//! to be solved, and to make no call at all for an hour, since each may put it off. But 429 is also how a closed session
//! is answered, and an hour is what is printed, not what is always meant. So after a 429 one request is let through now
//! and then, at growing gaps: the first that is answered otherwise ends the hold. A new session ends it too.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;

use crate::auth::Generation;

/// Why requests are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// 429.
    Limited,
    /// 423.
    Locked,
}

/// That a request is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Tradovate answered {} to an earlier request", self.status())]
pub struct Held {
    /// Why.
    pub cause: Cause,
    /// When the hold ends at the latest.
    pub until: Timestamp,
    /// Seconds until a request may pass.
    pub retry_after: u64,
}

impl Held {
    /// What upstream answered.
    pub fn status(&self) -> u16 {
        match self.cause {
            Cause::Limited => 429,
            Cause::Locked => 423,
        }
    }
}

/// Whether requests are held. Without a hold, asking costs one relaxed load.
#[derive(Debug, Default)]
pub(super) struct Hold {
    is_active: AtomicBool,
    begun: AtomicU64,
    state: Mutex<Option<State>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    cause: Cause,
    until: Timestamp,
    /// When one request may find out whether the hold is still called for, and how long after it the next.
    probe: Option<(Timestamp, Duration)>,
    /// The token that it began with.
    generation: Generation,
}

impl Hold {
    /// Whether a request may go out at `now` with a token of `generation`.
    pub(super) fn judge(&self, now: Timestamp, generation: Generation) -> Result<(), Held> {
        if !self.is_active.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut state = self.state();
        let Some(held) = state.as_mut() else { return Ok(()) };
        if now >= held.until || generation > held.generation {
            *state = None;
            self.is_active.store(false, Ordering::Relaxed);
            return Ok(());
        }
        match held.probe {
            Some((at, gap)) if now >= at => {
                let gap = (gap * 2).min(LONGEST_GAP);
                held.probe = Some((now + gap, gap));
                Ok(())
            }
            probe => {
                let next = probe.map_or(held.until, |(at, _)| at.min(held.until));
                // Up to the second after: whoever comes back then must not be early.
                let seconds = u64::try_from(next.duration_since(now).as_secs()).unwrap_or(0) + 1;
                Err(Held { cause: held.cause, until: held.until, retry_after: seconds })
            }
        }
    }

    /// Begins a hold for `span`. Returns whether it is a new one.
    pub(super) fn begin(&self, cause: Cause, now: Timestamp, span: Duration, generation: Generation) -> bool {
        let mut state = self.state();
        let is_new = match state.as_mut() {
            // The answer to a request that was sent before the session was replaced.
            Some(held) if generation < held.generation => false,
            // Each of many requests in flight says the same; a captcha outweighs a limit, and each call renews it.
            Some(held) if held.generation == generation && now < held.until => {
                if cause == Cause::Locked {
                    *held = State { cause, until: now + span, probe: None, generation };
                }
                false
            }
            Some(_) | None => {
                let probe = (cause == Cause::Limited).then(|| (now + FIRST_GAP, FIRST_GAP));
                *state = Some(State { cause, until: now + span, probe, generation });
                true
            }
        };
        if is_new {
            self.begun.fetch_add(1, Ordering::Relaxed);
        }
        self.is_active.store(state.is_some(), Ordering::Relaxed);
        is_new
    }

    /// Ends a hold for a 429, since a request that was sent when there had been `holds` was answered otherwise: unless
    /// it was sent before this hold began, and so says nothing of it.
    pub(super) fn lift(&self, holds: u64) {
        if !self.is_active.load(Ordering::Relaxed) || holds != self.count() {
            return;
        }
        let mut state = self.state();
        if state.is_some_and(|held| held.cause == Cause::Limited) {
            *state = None;
            self.is_active.store(false, Ordering::Relaxed);
            tracing::info!("Tradovate takes requests again: they are no longer held");
        }
    }

    /// Ends a hold, whatever it is for. Says whether one was in force at `now`.
    pub(super) fn end(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        self.is_active.store(false, Ordering::Relaxed);
        state.take().is_some_and(|held| now < held.until)
    }

    /// How many there have been.
    pub(super) fn count(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// The one in force at `now`.
    pub(super) fn at(&self, now: Timestamp) -> Option<(Cause, Timestamp)> {
        let held = (*self.state()).filter(|held| now < held.until)?;
        Some((held.cause, held.until))
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        // What is behind it is written whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const FIRST_GAP: Duration = Duration::from_secs(15);
const LONGEST_GAP: Duration = Duration::from_secs(15 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::constant(1_795_190_400, 0);
    const HOUR: Duration = Duration::from_secs(3600);
    const TOKEN: Generation = Generation(3);

    fn at(seconds: u64) -> Timestamp {
        START + Duration::from_secs(seconds)
    }

    fn held(cause: Cause) -> Hold {
        let hold = Hold::default();
        assert!(hold.judge(START, TOKEN).is_ok());
        assert!(hold.begin(cause, START, HOUR, TOKEN));
        hold
    }

    #[test]
    fn a_429_holds_all_but_a_probe_at_growing_gaps() {
        let hold = held(Cause::Limited);
        let passed: Vec<u64> = (0..3600).filter(|&second| hold.judge(at(second), TOKEN).is_ok()).collect();
        assert_eq!(passed, [15, 45, 105, 225, 465, 945, 1845, 2745]);
        assert!(hold.judge(at(3600), TOKEN).is_ok());
        assert!(hold.judge(at(3600), TOKEN).is_ok(), "it is over for all");
    }

    #[test]
    fn it_says_when_to_come_back() {
        let hold = held(Cause::Limited);
        let refused = hold.judge(at(5), TOKEN).unwrap_err();
        assert_eq!((refused.retry_after, refused.until), (11, at(3600)));
        let hold = held(Cause::Locked);
        assert_eq!(hold.judge(at(5), TOKEN).unwrap_err().retry_after, 3596);
    }

    #[test]
    fn a_423_is_not_probed_and_each_more_puts_its_end_off() {
        let hold = held(Cause::Locked);
        assert!((0..3600).all(|second| hold.judge(at(second), TOKEN).is_err()));
        assert!(!hold.begin(Cause::Locked, at(1800), HOUR, TOKEN));
        assert!(hold.judge(at(3601), TOKEN).is_err());
        hold.lift(hold.count());
        assert!(hold.judge(at(3601), TOKEN).is_err());
        assert!(hold.judge(at(5400), TOKEN).is_ok());
    }

    #[test]
    fn only_an_answer_to_what_was_sent_since_ends_it() {
        let hold = held(Cause::Limited);
        hold.lift(0);
        assert!(hold.judge(at(1), TOKEN).is_err(), "that one had been on its way before");
        hold.lift(1);
        assert!(hold.judge(at(1), TOKEN).is_ok());
    }

    #[test]
    fn a_new_session_ends_it_and_late_answers_to_the_old_one_do_not_begin_it_again() {
        let hold = held(Cause::Limited);
        assert!(hold.judge(at(1), Generation(4)).is_ok());
        assert!(hold.begin(Cause::Limited, at(2), HOUR, Generation(4)));
        assert!(!hold.begin(Cause::Locked, at(3), HOUR, TOKEN));
        assert_eq!(hold.at(at(3)).map(|(cause, _)| cause), Some(Cause::Limited));
    }
}
