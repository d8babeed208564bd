//! A bound on waits that follow one another, for the price of a comparison.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

/// Bounds one wait after another on the same connection.
///
/// A timer of its own for each wait would be put into the runtime's wheel and taken out again twice a request. This one
/// stays in: it is left where it is as long as it rings no later than the wait at hand must end, and looks at the clock
/// when it rings. What rings too early costs one wake-up.
#[derive(Debug, Default)]
pub struct Alarm(Option<Armed>);

/// A timer in the wheel, and whom it wakes.
#[derive(Debug)]
struct Armed {
    sleep: Pin<Box<Sleep>>,
    wakes: Option<Waker>,
}

/// The wait took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl Alarm {
    /// Waits for `future`, for at most `patience`. The clock is read only where there is something to wait for. Cancel
    /// safe if `future` is.
    ///
    /// # Errors
    /// When it took longer.
    pub async fn within<T>(
        &mut self,
        patience: Duration,
        future: impl Future<Output = T>,
    ) -> Result<T, TooLong> {
        let mut deadline = None;
        self.bounded(move || *deadline.get_or_insert_with(|| Instant::now() + patience), future).await
    }

    /// Waits for `future`, until `deadline` at most. Cancel safe if `future` is.
    ///
    /// # Errors
    /// When it took longer.
    pub async fn until<T>(
        &mut self,
        deadline: Instant,
        future: impl Future<Output = T>,
    ) -> Result<T, TooLong> {
        self.bounded(|| deadline, future).await
    }

    async fn bounded<T>(
        &mut self,
        mut deadline: impl FnMut() -> Instant,
        future: impl Future<Output = T>,
    ) -> Result<T, TooLong> {
        tokio::pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(done) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(done));
            }
            let deadline = deadline();
            let armed =
                self.0.get_or_insert_with(|| Armed { sleep: Box::pin(sleep_until(deadline)), wakes: None });
            if armed.sleep.deadline() > deadline {
                armed.reset(deadline);
            }
            while armed.rings(cx) {
                if armed.sleep.deadline() >= deadline {
                    return Poll::Ready(Err(TooLong));
                }
                armed.reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

impl Armed {
    fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline);
        self.wakes = None;
    }

    /// Whether its time has come. If not, it wakes the task at hand when it does.
    fn rings(&mut self, cx: &mut Context<'_>) -> bool {
        // One that is in the wheel, and wakes the right task, need not be told so again.
        if self.wakes.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return self.sleep.is_elapsed();
        }
        // A task that has had its turn is told "not yet" by every timer, which then does not know whom to wake: such a
        // timer must be asked again when the task is next polled, which is soon.
        let is_asked = coop::has_budget_remaining();
        let rings = self.sleep.as_mut().poll(cx).is_ready();
        self.wakes = is_asked.then(|| cx.waker().clone());
        rings
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::{
        task::coop::{consume_budget, has_budget_remaining},
        time::{advance, timeout},
    };

    use super::*;

    const LONG: Duration = Duration::from_secs(75);
    const SHORT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_begins_at_the_end_of_its_tasks_turn_is_bounded_too() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        let mut wait = Box::pin(alarm.within(SHORT, pending::<()>()));
        let mut is_spent = false;
        let spent_first = poll_fn(|cx| {
            while !is_spent && has_budget_remaining() {
                assert!(std::pin::pin!(consume_budget()).poll(cx).is_ready());
            }
            is_spent = true;
            wait.as_mut().poll(cx)
        });
        assert_eq!(timeout(2 * SHORT, spent_first).await, Ok(Err(TooLong)));
        assert_eq!(begun.elapsed(), SHORT);
    }

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_bound_whatever_the_one_before_was() {
        let mut alarm = Alarm::default();
        for patience in [LONG, SHORT, LONG, LONG, SHORT, Duration::ZERO, SHORT] {
            let begun = Instant::now();
            assert_eq!(alarm.within(patience, tokio::time::sleep(patience / 2)).await, Ok(()));
            let waited = begun.elapsed();
            assert!(waited <= patience / 2 + Duration::from_millis(1), "{waited:?} of {patience:?}");

            let begun = Instant::now();
            assert_eq!(alarm.within(patience, pending::<()>()).await, Err(TooLong));
            let waited = begun.elapsed();
            assert!((patience..=patience + Duration::from_millis(1)).contains(&waited), "{waited:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_rang_between_two_waits_ends_neither() {
        let mut alarm = Alarm::default();
        assert_eq!(alarm.within(SHORT, tokio::time::sleep(SHORT / 2)).await, Ok(()));
        advance(LONG).await;
        let begun = Instant::now();
        assert_eq!(alarm.until(begun + LONG, pending::<()>()).await, Err(TooLong));
        assert!(begun.elapsed() >= LONG);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_at_once_is_taken_though_it_is_too_late() {
        assert_eq!(Alarm::default().until(Instant::now() - SHORT, async { 1 }).await, Ok(1));
    }
}
