//! Everything the sandbox knows, behind one lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    clock::Clock,
    sandbox::{
        api::edgetag::EdgeTag,
        book::Book,
        control::{faults::Faults, journal::Journal, tally::Tally},
        rules::Rules,
        sessions::Sessions,
    },
};

/// What connections, the control API and its in-process handle share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    state: Mutex<State>,
    /// Counts changes of the journal, so that they can be awaited.
    changes: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn new(clock: Clock, rules: Rules, authority: String) -> Self {
        let state = Mutex::new(State::new(rules, authority, clock.now()));
        Self { clock, state, changes: watch::Sender::new(0) }
    }

    /// The state. Never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held spoils one simulated answer at worst, not the simulation.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who wait for something to be seen.
    pub(crate) fn announce(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

/// The simulated broker and what is to go wrong with it.
pub(crate) struct State {
    pub(crate) rules: Rules,
    /// Where clients that follow `apiHosts` find the sandbox again.
    pub(crate) authority: String,
    pub(crate) sessions: Sessions,
    pub(crate) edgetag: EdgeTag,
    pub(crate) book: Book,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) tally: Tally,
}

impl State {
    pub(crate) fn new(rules: Rules, authority: String, now: Timestamp) -> Self {
        Self {
            rules,
            authority,
            sessions: Sessions::default(),
            edgetag: EdgeTag::default(),
            book: Book::new(now),
            faults: Faults::default(),
            journal: Journal::default(),
            tally: Tally::default(),
        }
    }
}
