//! The kill switch: one glance for each request, and what holds it on.
//!
//! Two things hold it on, each by itself: an operator's order, until it is taken back, and a file, for as long as it
//! is there. Whatever cannot be told counts as on: a marker that cannot be read, a directory that has gone, a disk
//! that does not answer.

mod file;
mod keeper;
mod marker;

use std::{
    fmt,
    path::Path,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
};

use jiff::Timestamp;

pub use self::marker::Marker;
pub(super) use self::{
    file::{Sight, look},
    keeper::Keeper,
};

/// Why the switch is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// An operator said so, by command or by POST.
    Operator = 1,
    /// SIGUSR1.
    Signal,
    /// An earlier run was told so, and never that it is over.
    EarlierRun,
    /// Whether an earlier run was told so cannot be read.
    MarkerUnreadable,
    /// There is something at `guards.kill-file`.
    File,
    /// Whether there is cannot be told.
    FileUnreadable,
}

impl Cause {
    const ALL: [Self; 6] = [
        Self::Operator,
        Self::Signal,
        Self::EarlierRun,
        Self::MarkerUnreadable,
        Self::File,
        Self::FileUnreadable,
    ];

    /// What to do about it.
    pub fn help(self) -> &'static str {
        match self {
            Self::Operator | Self::Signal | Self::EarlierRun => {
                "find out who switched it on, and why; then: tradovate-proxy release"
            }
            Self::MarkerUnreadable => {
                "see to it that the state directory can be read; then: tradovate-proxy release"
            }
            Self::File => "find out who made the file of guards.kill-file, and why; then remove it",
            Self::FileUnreadable => {
                // Another path does not help while the look at this one hangs: looks come one after the other.
                "see to it that the directory of guards.kill-file is there and can be read; or remove that setting, or \
                 restart with another path"
            }
        }
    }

    fn of(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| *cause as u8 == code)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operator => "by an operator's order",
            Self::Signal => "by SIGUSR1",
            Self::EarlierRun => "by an order that an earlier run was given, and that stands",
            Self::MarkerUnreadable => "because the marker in the state directory cannot be read",
            Self::File => "by the file that guards.kill-file names",
            Self::FileUnreadable => "because the file that guards.kill-file names cannot be looked for",
        })
    }
}

/// The switch. Read without a lock.
///
/// Sequentially consistent: an order is either counted as under way before the switch is on, or sees it on (see
/// `Pass`).
#[derive(Debug, Default)]
pub(super) struct Switch {
    /// The cause that an order is, or 0.
    ordered: AtomicU8,
    /// The cause that the file is, or 0.
    file: AtomicU8,
    course: Mutex<Course>,
}

/// What led to how it stands.
#[derive(Debug, Default)]
struct Course {
    /// Since when it is on, for `/status`.
    since: Option<Timestamp>,
    /// How many orders there have been.
    orders: u64,
}

impl Switch {
    /// Why it is on, if it is.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.ordered().or_else(|| self.file())
    }

    /// Why an order holds it on, if one does.
    pub(super) fn ordered(&self) -> Option<Cause> {
        Cause::of(self.ordered.load(Ordering::SeqCst))
    }

    /// Why the file holds it on, if it does.
    pub(super) fn file(&self) -> Option<Cause> {
        Cause::of(self.file.load(Ordering::SeqCst))
    }

    /// Since when.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.course().since
    }

    /// How many orders there have been: to be read before one is taken back.
    pub(super) fn orders(&self) -> u64 {
        self.course().orders
    }

    /// What an order holds it by, from now on. Says whether that switched it on.
    pub(super) fn order(&self, cause: Option<Cause>, now: Timestamp) -> bool {
        let mut course = self.course();
        course.orders += 1;
        self.turn(&mut course, &self.ordered, cause, now)
    }

    /// Takes the order back, unless another has come after the first `orders`: that one stands. Says whether it did.
    pub(super) fn take_back(&self, orders: u64, now: Timestamp) -> bool {
        let mut course = self.course();
        let is_last = course.orders == orders;
        if is_last {
            self.turn(&mut course, &self.ordered, None, now);
        }
        is_last
    }

    /// What the file holds it by.
    pub(super) fn found(&self, cause: Option<Cause>, now: Timestamp) -> bool {
        self.turn(&mut self.course(), &self.file, cause, now)
    }

    fn turn(&self, course: &mut Course, holder: &AtomicU8, cause: Option<Cause>, now: Timestamp) -> bool {
        holder.store(cause.map_or(0, |cause| cause as u8), Ordering::SeqCst);
        let was_on = course.since.is_some();
        course.since = self.cause().map(|_| course.since.unwrap_or(now));
        !was_on && course.since.is_some()
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        // What is behind it is right after each step.
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the switch would be on at a start, by what is on the disk: for `explain`, and for the start itself.
pub fn at_start(marker: &Marker, kill_file: Option<&Path>) -> Option<Cause> {
    marker.read().or_else(|| kill_file.and_then(|path| look(path).cause()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_two_holds_it_on() {
        let switch = Switch::default();
        let (first, later) = (Timestamp::UNIX_EPOCH, Timestamp::MAX);
        assert_eq!((switch.cause(), switch.since()), (None, None));
        assert!(switch.found(Some(Cause::File), first));
        assert!(!switch.order(Some(Cause::Signal), later));
        assert_eq!((switch.cause(), switch.since()), (Some(Cause::Signal), Some(first)));
        assert!(!switch.order(None, later));
        assert_eq!((switch.cause(), switch.since()), (Some(Cause::File), Some(first)));
        assert!(!switch.found(None, later));
        assert_eq!((switch.cause(), switch.since()), (None, None));
        assert!(switch.order(Some(Cause::Operator), later));
    }

    #[test]
    fn an_order_that_came_after_a_release_was_asked_for_stands() {
        let (switch, now) = (Switch::default(), Timestamp::UNIX_EPOCH);
        switch.order(Some(Cause::Operator), now);
        let asked_at = switch.orders();
        switch.order(Some(Cause::Signal), now);
        assert!(!switch.take_back(asked_at, now));
        assert_eq!(switch.cause(), Some(Cause::Signal));
        assert!(switch.take_back(switch.orders(), now));
        assert_eq!((switch.cause(), switch.since()), (None, None));
    }

    #[test]
    fn every_cause_survives_its_code() {
        for cause in Cause::ALL {
            assert_eq!(Cause::of(cause as u8), Some(cause));
        }
        assert_eq!(Cause::of(0), None);
    }
}
