//! A rolling hour: the broker's limits are counted in those.

use std::{collections::VecDeque, time::Duration};

use jiff::{SignedDuration, Timestamp};

/// When something happened, within the last hour.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Timestamp>);

impl Window {
    /// How often it happened in the hour before `now`.
    pub(crate) fn count(&mut self, now: Timestamp) -> usize {
        while self.0.front().is_some_and(|&oldest| later(oldest, HOUR) <= now) {
            self.0.pop_front();
        }
        self.0.len()
    }

    /// Notes that it happens at `now`.
    pub(crate) fn note(&mut self, now: Timestamp) {
        self.0.push_back(now);
    }

    /// When it happened last.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.0.back().copied()
    }

    /// When the oldest falls out of the hour.
    pub(crate) fn frees_at(&self) -> Option<Timestamp> {
        self.0.front().map(|&oldest| later(oldest, HOUR))
    }
}

/// `by` after `from`, or the end of time.
pub(crate) fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hour_rolls() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut window = Window::default();
        window.note(at(0));
        window.note(at(1800));
        assert_eq!(window.count(at(3599)), 2);
        assert_eq!(window.frees_at(), Some(at(3600)));
        assert_eq!(window.count(at(3600)), 1);
        assert_eq!(window.count(at(5400)), 0);
    }
}
