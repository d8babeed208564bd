//! Idempotency keys, for an API that has none: a caller that gives an order a key of its own may repeat it, and
//! Tradovate sees it once.
//!
//! ```text
//!              ┌─ answered: the same answer again
//! (nothing) ─▶ in flight ─▶ unknown: refused until somebody has looked, and says so
//!     ▲            │
//!     └────────────┘ certainly not sent
//! ```
//!
//! The invariant: before an order with a key leaves, it stands on the disk that it may have ([`Journal`]). Whatever
//! happens then (a crash, a full disk, `kill -9`), the next process finds it *in flight*, and takes it for *unknown*:
//! it is not sent again before a person or a program has looked, and has [forgotten](Register::forget) the key. Where
//! that cannot be written, the order is refused, since its caller asked for a guarantee; what takes risk away is sent
//! without one (`proxy::keyed`).
//!
//! One thread owns the register and its journal, so that neither needs a lock and no worker waits for the disk but in
//! an order with a key. Requests without a key never come here.
//!
//! What is kept of a key is its digest, together with the caller's name, which scopes it; of the request, its digest;
//! of the answer, what was passed on, unless it is too large.

mod answer;
mod digest;
mod entry;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzed;
mod journal;
mod key;
mod ledger;
mod lines;
mod register;

use std::time::Duration;

pub use self::{
    answer::Kept,
    digest::{Digest, request},
    journal::{Journal, Unwritable},
    key::{BadKey, HEADER, Key},
    ledger::Refusal,
    register::{Admission, Attempt, Register, Unforgettable},
};

/// How much is remembered, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Keys. Above it the oldest one that was answered goes; one whose outcome is unknown never does.
    pub entries: usize,
    /// Bytes of an answer's body; of a larger one only the status is kept.
    pub answer_bytes: usize,
    /// How long an answered key is remembered.
    pub age: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 10_000, answer_bytes: 16 * 1024, age: Duration::from_secs(24 * 60 * 60) }
    }
}

#[cfg(test)]
mod tests;
