//! The hand on the simulation: move the clock, change the rules, make things fail, read what was seen.
//!
//! [`Control`] is that hand in the same process; [`routes`] offers the same powers under `/sandbox` to any
//! program. Everything that a test could wait for is an event here ([`Control::seen`]): no test need sleep.

pub(crate) mod faults;
pub(crate) mod journal;
pub(crate) mod routes;
pub(crate) mod tally;

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use crate::sandbox::{
    book::library::Contract,
    control::{faults::Fault, journal::Record, tally::Tally},
    rules::Rules,
    sessions::{OpenedBy, SessionView},
    state::{Shared, State},
};

/// A handle on a running sandbox. Cheap to clone; clones act on the same sandbox, and may outlive it.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The broker's time.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Moves the broker's clock forward. Returns the new time, or `None` on a clock that cannot be moved.
    pub fn advance(&self, by: Duration) -> Option<Timestamp> {
        self.shared.clock.advance(by)
    }

    /// The rules in force.
    pub fn rules(&self) -> Rules {
        self.shared.lock().rules.clone()
    }

    /// Changes the rules in force.
    pub fn change_rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.lock().rules);
    }

    /// Changes the rules that `patch` names. An unknown name or an impossible value changes nothing.
    pub fn patch_rules(&self, patch: Map<String, Value>) -> Result<Rules, serde_json::Error> {
        let mut state = self.shared.lock();
        state.rules = state.rules.patched(patch)?;
        Ok(state.rules.clone())
    }

    /// Makes the requests that `fault` is meant for fail. Faults for the same path are used in this order.
    pub fn inject(&self, fault: Fault) {
        self.shared.lock().faults.add(fault);
    }

    /// The faults that still wait for a request.
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.list().to_vec()
    }

    /// Forgets the faults that still wait for a request, and lets those requests go on that one delays.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
        self.shared.announce();
    }

    /// Waits until the faults have been [cleared](Self::clear_faults) since they had been so often. Cancel safe.
    pub(crate) async fn faults_cleared(&self, clearings: u64) {
        self.when(|state| (state.faults.clearings() != clearings).then_some(())).await;
    }

    /// The requests seen so far, oldest first, at most [`KEPT`](journal::KEPT).
    pub fn requests(&self) -> Vec<Record> {
        self.shared.lock().journal.records().cloned().collect()
    }

    /// Those of them whose path, in lower case and without the query, ends with `suffix`.
    pub fn requests_to(&self, suffix: &str) -> Vec<Record> {
        let suffix = suffix.to_ascii_lowercase();
        let state = self.shared.lock();
        state.journal.records().filter(|record| record.path().ends_with(&suffix)).cloned().collect()
    }

    /// Forgets the requests seen so far; numbers go on.
    pub fn forget_requests(&self) {
        self.shared.lock().journal.clear();
        self.shared.announce();
    }

    /// How many requests there were, by what their bearer was worth; [forgetting](Self::forget_requests) changes
    /// nothing here.
    pub fn tally(&self) -> Tally {
        self.shared.lock().tally.clone()
    }

    /// Waits for a request that `predicate` holds of, seen already or yet to come. A request is seen once it has
    /// been read, and again, with its `status`, once it has been answered. Cancel safe.
    pub async fn seen(&self, mut predicate: impl FnMut(&Record) -> bool) -> Record {
        self.when(|state| state.journal.records().find(|record| predicate(record)).cloned()).await
    }

    /// Waits until `count` requests to paths that end with `suffix` have been read, answered or not; returns
    /// all that have. Cancel safe.
    pub async fn wait_for_requests(&self, suffix: &str, count: usize) -> Vec<Record> {
        let suffix = suffix.to_ascii_lowercase();
        self.when(|state| {
            let matching = state.journal.records().filter(|record| record.path().ends_with(&suffix));
            let matching: Vec<Record> = matching.cloned().collect();
            (matching.len() >= count).then_some(matching)
        })
        .await
    }

    /// Every session ever opened, oldest first.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.shared.lock().sessions.list(self.now())
    }

    /// Closes a session, or the oldest open one. Returns which, if there was one.
    pub fn evict(&self, session: Option<u64>) -> Option<u64> {
        self.shared.lock().sessions.close(session, self.now())
    }

    /// Logs the user in somewhere else, as its browser would, closing the oldest session if there is no room.
    /// Returns the new session's access token.
    pub fn log_in_elsewhere(&self) -> SecretString {
        let now = self.now();
        let State { sessions, rules, .. } = &mut *self.shared.lock();
        SecretString::from(sessions.open(OpenedBy::Elsewhere, now, rules).access)
    }

    /// Makes a refresh token for `auth/oauthtoken`, as the end of a consent in the browser would.
    pub fn mint_refresh_token(&self) -> SecretString {
        let now = self.now();
        let State { sessions, rules, .. } = &mut *self.shared.lock();
        SecretString::from(sessions.mint_refresh(None, now, rules))
    }

    /// Makes a refresh token for the other API, likewise.
    pub fn mint_edgetag_refresh_token(&self) -> SecretString {
        SecretString::from(self.shared.lock().edgetag.mint_refresh())
    }

    /// Moves the market price of a contract, and fills what it reaches. `false` if there is no such contract.
    pub fn set_price(&self, symbol: &str, price: f64) -> bool {
        let Some(contract) = Contract::named(symbol) else { return false };
        self.shared.lock().book.set_price(contract, price, self.now());
        true
    }

    /// The entities of a kind, named as the API spells it (`order`, `executionReport`), without a request.
    pub fn entities(&self, kind: &str) -> Vec<Value> {
        let state = self.shared.lock();
        state.book.entities(kind, &state.rules)
    }

    /// Starts over: no session, no order, no fault, no record. Rules and clock stay.
    pub fn reset(&self) {
        let now = self.now();
        let mut state = self.shared.lock();
        let mut journal = std::mem::take(&mut state.journal);
        journal.clear();
        *state = State { journal, ..State::new(state.rules.clone(), state.authority.clone(), now) };
        drop(state);
        self.shared.announce();
    }

    async fn when<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        // Subscribed before looking, so that no change in between is missed.
        let mut changes = self.shared.watch();
        loop {
            if let Some(found) = look(&self.shared.lock()) {
                return found;
            }
            // The sender lives in `self.shared`, so the channel cannot close while this waits.
            let _ = changes.changed().await;
        }
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").field("now", &self.now()).finish_non_exhaustive()
    }
}
