//! The moment at which a request leaves, told to all who are asked about it later.
//!
//! Three remember whether a byte of a request may have left (over HTTP/2, of one that has a body: a byte of that, since
//! its head alone cannot be carried out): the budget, by which Tradovate's count is known; the
//! observation, whose metrics, log line and audit line say it to people; and, for an order with an idempotency key, the
//! register, which lets a key be used again if nothing was sent. Each is told here and nowhere else, so that they cannot
//! contradict one another, nor what the caller is told.
//!
//! ```text
//! waits ── leaves ──▶ may have left ──▶ answered, or unknown
//!   ▲                      │
//!   └──── not a byte ──────┘ Sent::No
//! ```
//!
//! What is dropped half-way (a drain that ran out of time, a panic) is what it was at that moment. The disk is ahead of
//! all this: what a process that is killed leaves behind says of every order since its admission that it may have left.

use crate::{
    budget::Fare,
    idempotency::Attempt,
    proxy::observation::Observation,
    upstream::{Answer, Failure, Prepared, Sent},
};

/// One request, and all who must know whether it has left.
#[derive(Debug)]
pub(super) struct Departure<'a, 'w> {
    fare: Fare<'a>,
    observation: &'a mut Observation<'w>,
    attempt: Option<Attempt>,
    /// Tries of which a byte may have left.
    times_left: u32,
}

impl<'a, 'w> Departure<'a, 'w> {
    /// Nothing has left yet. `attempt` is there for a request with an idempotency key.
    pub(super) fn new(
        fare: Fare<'a>,
        observation: &'a mut Observation<'w>,
        attempt: Option<Attempt>,
    ) -> Self {
        Self { fare, observation, attempt, times_left: 0 }
    }

    /// Who looks on.
    pub(super) fn observation(&mut self) -> &mut Observation<'w> {
        self.observation
    }

    /// Sends the request. Not cancel safe: a dropped call counts as one that may have left.
    pub(super) async fn send(&mut self, prepared: Prepared<'_>) -> Result<Answer, Failure> {
        self.leaves();
        let sent = prepared.send().await;
        if let Err(Failure { sent: Sent::No, .. }) = &sent {
            self.has_not_left();
        }
        sent
    }

    /// It has arrived: what the budget leaves, and the attempt, which is to learn the answer.
    pub(super) fn arrived(self) -> (Option<u64>, Option<Attempt>) {
        (self.fare.remaining(), self.attempt)
    }

    /// Right before the first byte of a try.
    fn leaves(&mut self) {
        // Whoever is added to the type is not forgotten here.
        let Self { fare, observation, attempt, times_left } = self;
        *times_left += 1;
        fare.is_sent();
        observation.is_sent();
        if let Some(attempt) = attempt {
            attempt.leaves();
        }
    }

    /// Of the last try not a byte has left.
    fn has_not_left(&mut self) {
        let Self { fare, observation, attempt, times_left } = self;
        *times_left -= 1;
        fare.is_not_sent();
        // What an earlier try may have done stays done.
        if *times_left == 0 {
            observation.is_not_sent();
            if let Some(attempt) = attempt {
                attempt.has_not_left();
            }
        }
    }
}

#[cfg(test)]
mod tests;
