//! The one place that asks again and again, for events that nobody announces.

use std::{fmt::Display, thread, time::Duration};

use tokio::time::Instant;

/// Asks until there is an answer, and fails after [`PATIENCE`].
pub(crate) fn until<T>(what: impl Display, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {} s in vain for {what}", PATIENCE.as_secs());
        thread::park_timeout(PAUSE);
    }
}

/// Lets so much time pass, for no event: to choose the moment of what comes next.
pub(crate) fn linger(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// How long anything may take on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);
