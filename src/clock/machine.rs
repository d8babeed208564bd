//! What a clock is read from: this machine, or one that is made up.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::{sync::watch, time::Instant};

use crate::clock::later;

/// A wall clock that can be set, and a counter that cannot. Clones are the same machine.
#[derive(Clone, Debug)]
pub(super) enum Machine {
    System,
    Simulated(Arc<Simulated>),
}

/// A machine that was started when it was made, and whose time runs with tokio's clock.
#[derive(Debug)]
pub(super) struct Simulated {
    started: Instant,
    start: Timestamp,
    moved: watch::Sender<Moved>,
}

/// How far a simulated machine has been moved by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moved {
    /// Time passed.
    advanced: SignedDuration,
    /// The wall clock was set.
    set: SignedDuration,
}

impl Machine {
    pub(super) fn simulated(start: Timestamp) -> Self {
        let moved = watch::Sender::new(Moved::default());
        Self::Simulated(Arc::new(Simulated { started: Instant::now(), start, moved }))
    }

    /// How long the machine has been up, suspended or not, which nobody can set.
    pub(super) fn uptime(&self) -> SignedDuration {
        match self {
            Self::System => {
                let uptime = clock_gettime(UPTIME);
                SignedDuration::new(uptime.tv_sec, i32::try_from(uptime.tv_nsec).unwrap_or(0))
            }
            Self::Simulated(simulated) => {
                let moved = *simulated.moved.borrow();
                simulated.elapsed().saturating_add(moved.advanced)
            }
        }
    }

    pub(super) fn wall(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "the one sanctioned reader of the wall clock")]
            Self::System => Timestamp::now(),
            Self::Simulated(_) => later(self.booted(), self.uptime()),
        }
    }

    /// When this run of the machine began, by the wall clock as it is set now: it changes when that is set.
    pub(super) fn booted(&self) -> Timestamp {
        match self {
            Self::System => later(self.wall(), -self.uptime()),
            Self::Simulated(simulated) => later(simulated.start, simulated.moved.borrow().set),
        }
    }

    /// Which run of the machine this is: uptimes of two runs have nothing to do with each other. Empty where that
    /// cannot be told.
    pub(super) fn boot(&self) -> String {
        match self {
            Self::System => system_boot().unwrap_or_default(),
            Self::Simulated(_) => "simulated".to_owned(),
        }
    }

    /// Changes when a simulated machine is moved.
    pub(super) fn moves(&self) -> Option<watch::Receiver<Moved>> {
        match self {
            Self::System => None,
            Self::Simulated(simulated) => Some(simulated.moved.subscribe()),
        }
    }

    /// Lets time pass, if it is simulated.
    pub(super) fn advance(&self, by: SignedDuration) {
        self.shift(|moved| moved.advanced = moved.advanced.saturating_add(by));
    }

    /// Sets the wall clock, if it is simulated.
    pub(super) fn set_wall(&self, by: SignedDuration) {
        self.shift(|moved| moved.set = moved.set.saturating_add(by));
    }

    fn shift(&self, change: impl FnOnce(&mut Moved)) {
        if let Self::Simulated(simulated) = self {
            simulated.moved.send_modify(change);
        }
    }
}

impl Simulated {
    fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX)
    }
}

/// The kernel's random name for this boot, and the time namespace that the uptime is read in: a container may have
/// one of its own, in which the same boot began at another moment (`time_namespaces(7)`).
#[cfg(target_os = "linux")]
fn system_boot() -> Option<String> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    Some(format!("{} {}", boot.trim_end(), namespace.display()))
}

#[cfg(not(target_os = "linux"))]
fn system_boot() -> Option<String> {
    None
}

/// `clock_gettime(2)`: unlike `CLOCK_MONOTONIC`, it goes on while Linux is suspended.
#[cfg(target_os = "linux")]
const UPTIME: ClockId = ClockId::Boottime;

/// Elsewhere this is the one that there is. macOS: it goes on while the machine sleeps.
#[cfg(not(target_os = "linux"))]
const UPTIME: ClockId = ClockId::Monotonic;
