//! Where the current session is published, and read without a lock.

use std::{fmt, ops::Deref, sync::Arc, time::Duration};

use arc_swap::{ArcSwapOption, Guard};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::{
    auth::{
        machine::Step,
        signs::{Heard, Sign, Signs},
        state::Status,
        token::{Generation, Session},
    },
    clock::Clock,
};

/// Makes the two halves: one writer, any number of readers.
pub fn channel(clock: Clock, status: Status) -> (Publisher, Reader) {
    let shared = Arc::new(Shared {
        current: ArcSwapOption::empty(),
        status: watch::Sender::new(status),
        signs: Signs::default(),
        clock,
    });
    (Publisher { shared: Arc::clone(&shared) }, Reader { shared })
}

struct Shared {
    current: ArcSwapOption<Session>,
    /// Also what wakes those who wait for the first token: sent after `current` was stored.
    status: watch::Sender<Status>,
    signs: Signs,
    clock: Clock,
}

/// The writing half. Not `Clone`: only its owner decides what is current.
pub struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    /// Makes `session` the one that requests use from now on, and says how things stand.
    pub fn publish(&mut self, session: Session, status: Status) {
        self.shared.current.store(Some(Arc::new(session)));
        self.shared.status.send_replace(status);
    }

    /// Says how things stand; the session stays what it is.
    pub fn report(&mut self, status: Status) {
        self.shared.status.send_replace(status);
    }

    /// Takes the session away: upstream no longer honours it, or nobody is to use it for now.
    pub fn withdraw(&mut self, status: Status) {
        self.shared.current.store(None);
        self.shared.status.send_replace(status);
    }

    /// Waits for what upstream's answers say of `generation`. Those that speak against it are forgotten unless
    /// `listens`; `permits` names operations whose 401 without words says nothing. Cancel safe.
    pub async fn heard(
        &self,
        generation: Generation,
        listens: bool,
        permits: impl Fn(&'static str) -> bool,
    ) -> Heard {
        self.shared.signs.heard(generation, listens, permits).await
    }

    /// A reader of this channel.
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared) }
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// The reading half. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
}

impl Reader {
    /// The session, if there is one that has not expired: one lock-free load and a comparison, no allocation.
    pub fn current(&self) -> Option<Current> {
        self.current_at(self.shared.clock.now())
    }

    /// The same for whoever knows what time it is.
    pub fn current_at(&self, now: Timestamp) -> Option<Current> {
        let session = self.shared.current.load();
        let live = session.as_ref().is_some_and(|session| now < session.expires_at);
        live.then_some(Current(session))
    }

    /// The session, waiting at most `patience` for one; shorter when the state leaves no hope. Cancel safe.
    pub async fn wait(&self, patience: Duration) -> Option<Current> {
        let mut status = self.shared.status.subscribe();
        let waited = tokio::time::timeout(patience, async {
            loop {
                // Marked as seen before the session is looked at: what is published in between is a change.
                let is_hopeful = status.borrow_and_update().state.is_hopeful();
                if let Some(current) = self.current() {
                    return Some(current);
                }
                if !is_hopeful || status.changed().await.is_err() {
                    return self.current();
                }
            }
        });
        waited.await.unwrap_or_else(|_| self.current())
    }

    /// How things stand.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// A view of [`status`](Self::status) that can be awaited.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    /// The last published session, expired or not: for `/status`, never for a request.
    pub fn last(&self) -> Option<Arc<Session>> {
        self.shared.current.load_full()
    }

    /// Tells the renewer what an answer of upstream's to `operation`, asked for with `generation`, says against the
    /// session. Never blocks.
    pub fn report(&self, generation: Generation, operation: &'static str, sign: Sign) {
        self.shared.signs.report(generation, operation, sign);
    }

    /// Tells the renewer that upstream redirected a request that carried `generation` to `location`. Never blocks.
    pub fn report_moved(&self, generation: Generation, location: &str) {
        self.shared.signs.report_moved(generation, location);
    }

    /// An answer said nothing against the session. In the usual case one load of what nobody writes.
    pub fn report_well(&self) {
        self.shared.signs.report_well();
    }

    /// Whether there is a session newer than `generation` by now; if one is being asked for at this moment, waits for
    /// what comes of that, at most for `patience`. Cancel safe.
    pub async fn is_replaced(&self, generation: Generation, patience: Duration) -> bool {
        let mut status = self.shared.status.subscribe();
        let newer = || self.current().is_some_and(|current| current.generation > generation);
        let told = status.wait_for(|status| newer() || !self.is_asking(status));
        // In vain or not, what counts is what is published then.
        let _ = tokio::time::timeout(patience, told).await;
        newer()
    }

    /// Whether an attempt is under way: it was to be made by now, and nobody has told yet what came of it.
    fn is_asking(&self, status: &Status) -> bool {
        status
            .next
            .is_some_and(|(step, at)| matches!(step, Step::Attempt(_)) && at <= self.shared.clock.now())
    }

    /// Waits for a session newer than `generation`, at most for `patience`. Cancel safe.
    pub async fn newer_than(&self, generation: Generation, patience: Duration) -> Option<Current> {
        let mut status = self.shared.status.subscribe();
        let newer = || self.current().filter(|current| current.generation > generation);
        let waited = tokio::time::timeout(patience, async {
            while newer().is_none() && status.changed().await.is_ok() {}
        });
        let _ = waited.await;
        newer()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("session", &*self.shared.current.load()).finish_non_exhaustive()
    }
}

/// A session that was live when it was read. Holds it for a moment: do not keep it across an `.await`.
pub struct Current(Guard<Option<Arc<Session>>>);

impl Deref for Current {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.0.as_ref().expect("only built from a guard that holds a session")
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Current").field(&**self).finish()
    }
}
