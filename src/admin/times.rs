//! Where the session's instants meet the clock that people read: the one place that converts between them.

use jiff::Timestamp;

use crate::clock::Clock;

/// An instant of the session, as a wall clock shows it.
pub(super) fn shown(clock: &Clock, at: Timestamp) -> Timestamp {
    clock.shown(at)
}

/// The instant of the session that people mean who read `wall` off a wall clock.
pub(super) fn meant(clock: &Clock, wall: Timestamp) -> Timestamp {
    let now = clock.now();
    let ahead = shown(clock, now).duration_since(now);
    wall.saturating_sub(ahead).unwrap_or(wall)
}
