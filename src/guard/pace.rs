//! Orders in any minute, whoever sends them.

use std::{
    collections::VecDeque,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// When the last ones passed. A window that slides: no minute, whenever it begins, has more than it may. Only orders
/// come here, so a short lock is no toll on reads.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<VecDeque<Instant>>);

impl Pace {
    /// Takes a place, if fewer than `most` passed within the last minute; else says how long until there is one.
    pub(super) fn take(&self, most: NonZeroU32) -> Result<(), Duration> {
        let now = Instant::now();
        let mut passed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while passed.front().is_some_and(|first| now.duration_since(*first) >= WINDOW) {
            passed.pop_front();
        }
        let most = usize::try_from(most.get()).unwrap_or(usize::MAX);
        if passed.len() < most {
            passed.push_back(now);
            return Ok(());
        }
        // The limit may have been lowered since: then more than one place has to become free.
        let next = passed.get(passed.len() - most).copied().unwrap_or(now);
        Err(WINDOW.saturating_sub(now.duration_since(next)))
    }
}

const WINDOW: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn limit(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_has_more_than_it_may() {
        let pace = Pace::default();
        assert_eq!(pace.take(limit(2)), Ok(()));
        advance(Duration::from_secs(40)).await;
        assert_eq!(pace.take(limit(2)), Ok(()));
        assert_eq!(pace.take(limit(2)), Err(Duration::from_secs(20)));
        // A refusal takes no place, and a fixed minute that begins anew would let two pass here.
        advance(Duration::from_secs(20)).await;
        assert_eq!(pace.take(limit(2)), Ok(()));
        assert_eq!(pace.take(limit(2)), Err(Duration::from_secs(40)));
        // Lowered while it is in use, and raised again.
        assert_eq!(pace.take(limit(1)), Err(Duration::from_secs(60)));
        assert_eq!(pace.take(limit(3)), Ok(()));
    }

    #[test]
    fn many_threads_share_the_places() {
        let pace = Pace::default();
        let passed: usize = std::thread::scope(|scope| {
            let threads =
                [(); 8].map(|()| scope.spawn(|| (0..100).filter(|_| pace.take(limit(37)).is_ok()).count()));
            threads.map(|thread| thread.join().unwrap()).iter().sum()
        });
        assert_eq!(passed, 37);
    }
}
