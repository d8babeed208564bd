//! The one place that decides how long a test waits.

use std::{future::Future, panic::Location, time::Duration};

use tokio::time::timeout;

/// Waits for an event, and fails with what was awaited if it does not come.
#[track_caller]
pub(crate) fn within<T>(awaited: &str, event: impl Future<Output = T>) -> impl Future<Output = T> {
    let (caller, awaited) = (Location::caller(), awaited.to_owned());
    async move {
        let came = timeout(PATIENCE, event).await;
        came.unwrap_or_else(|_| panic!("{caller}: waited {} s in vain for {awaited}", PATIENCE.as_secs()))
    }
}

/// Generous: only a failing test waits as long, and a busy machine must not make one fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
