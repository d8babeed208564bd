//! Time, in one place, and two readings of it.
//!
//! Tradovate states expiry as an absolute instant, so the session compares instants. But a wall clock is set: by
//! NTP after a boot, by a leap second, by a person who meant another time zone. A session that lived by it would
//! send a dead token when it is set back, and log in for nothing when it is set forward. So there are two:
//!
//! - **Steady** time ([`Clock::now`]) is what the wall clock showed when the [`Clock`] was made, carried on by a
//!   counter that nobody can set and that goes on while the machine is suspended. Whatever is decided, planned
//!   or stored is on this timeline.
//! - **Wall** time ([`Clock::wall`]) is what the machine shows now. It is for people, and for whatever leaves this
//!   process: [`Clock::shown`] turns a steady instant into the one that the wall clock will show then.
//!
//! The two drift apart only when the wall clock is set, and a [`Stamp`] lets the next process, whose steady time
//! begins at another wall time, take up the instants of this one.
//!
//! Nothing else in the crate may read the system's clocks (a lint holds that), so one [`Clock`] moved is every
//! clock moved.

mod alarm;
mod machine;
mod stamp;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, Unit};

use self::machine::Machine;
pub use self::{
    alarm::{Alarm, TooLong},
    stamp::Stamp,
};

/// A source of time and of sleeps that end at an instant. Cheap to clone; clones agree.
#[derive(Clone, Debug)]
pub struct Clock {
    machine: Machine,
    /// Steady time when the machine was booted.
    zero: Timestamp,
}

impl Clock {
    /// The machine's own clock. Make one and clone it: two that are made at different times agree only as long as
    /// nobody sets the wall clock in between.
    pub fn system() -> Self {
        Self::of(Machine::System)
    }

    /// A clock that starts at `start`, runs with tokio's (so it stands still when that is paused), and can be
    /// [advanced](Self::advance) and [set](Self::set_wall).
    pub fn simulated(start: Timestamp) -> Self {
        Self::of(Machine::simulated(start))
    }

    /// A simulated clock that starts at the machine's present time.
    pub fn simulated_from_now() -> Self {
        Self::simulated(Self::system().wall())
    }

    /// The clock of a process that is started now on the same machine.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self::of(self.machine.clone())
    }

    fn of(machine: Machine) -> Self {
        let zero = machine.booted();
        Self { machine, zero }
    }

    /// Steady time: never goes back, and goes on while the machine is suspended.
    pub fn now(&self) -> Timestamp {
        later(self.zero, self.machine.uptime())
    }

    /// What the wall clock shows.
    pub fn wall(&self) -> Timestamp {
        self.machine.wall()
    }

    /// What the wall clock will show, or showed, at `at` of steady time, unless it is set again. Told to the second
    /// of the setting: below that is what lies between two readings, and no reader wants to see that flicker.
    pub fn shown(&self, at: Timestamp) -> Timestamp {
        let set = self.machine.booted().duration_since(self.zero);
        later(at, set.round(Unit::Second).unwrap_or(set))
    }

    /// Marks this moment, so that instants stored with the mark can be understood by a later process.
    pub fn stamp(&self) -> Stamp {
        let uptime = self.machine.uptime();
        Stamp {
            at: later(self.zero, uptime),
            boot: self.machine.boot(),
            uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(0),
        }
    }

    /// Lets time pass on a simulated clock, and wakes whoever [sleeps](Self::sleep_until) on it. Returns the new
    /// steady time, or `None` where it cannot be moved so: the system clock at all, a simulated one by more than
    /// [`LONGEST_STEP`], or close to the end of time, where sums with it would have no value.
    pub fn advance(&self, by: Duration) -> Option<Timestamp> {
        let by = SignedDuration::try_from(by).ok()?;
        self.has_room(by).then(|| self.machine.advance(by))?;
        Some(self.now())
    }

    /// Sets a simulated wall clock forward or back, and nothing else: no time passes. Returns what it then shows,
    /// or `None` as [`advance`](Self::advance) does.
    pub fn set_wall(&self, by: SignedDuration) -> Option<Timestamp> {
        self.has_room(by).then(|| self.machine.set_wall(by))?;
        Some(self.wall())
    }

    /// Whether a step leaves every reading well within time.
    fn has_room(&self, by: SignedDuration) -> bool {
        let beyond = by.saturating_add(if by.is_negative() { -LONGEST_STEP } else { LONGEST_STEP });
        matches!(self.machine, Machine::Simulated(_))
            && (-LONGEST_STEP..=LONGEST_STEP).contains(&by)
            && [self.now(), self.wall(), self.machine.booted()]
                .into_iter()
                .all(|at| at.checked_add(beyond).is_ok())
    }

    /// Sleeps until `deadline`, of steady time. Cancel safe.
    pub async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            // Subscribed before the clock is read, so that no move in between is missed.
            let moved = self.machine.moves();
            let Ok(left) = Duration::try_from(deadline.duration_since(self.now())) else { return };
            if left.is_zero() {
                return;
            }
            match moved {
                // Tokio's timers stand still while the machine is suspended; steady time does not.
                None => tokio::time::sleep(left.min(LONGEST_NAP)).await,
                Some(mut moved) => tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = moved.changed() => {}
                },
            }
        }
    }
}

/// `by` after `at`; at the ends of time, those.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    // Only spans of days and more could fail, and this is a number of seconds.
    at.saturating_add(by).unwrap_or(at)
}

/// How far a simulated clock goes at once: ten years.
pub const LONGEST_STEP: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

/// How long a sleep may go without looking at the clock again: what a suspended machine costs at most after it
/// wakes.
pub const LONGEST_NAP: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
