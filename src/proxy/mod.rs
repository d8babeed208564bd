//! The data path: what happens to one request.
//!
//! ```text
//! connection ─▶ exchange ─▶ inbound   read the head, whole and strictly
//!                           callers   who sends it, and may they?      (crate::callers)
//!                           route     may it ask this? who answers?
//!                           inbound   read the body, whole
//!                           keyed     has an order with this key gone before?   (crate::idempotency)
//!                           guards    may this order pass?             (crate::guard)
//!                           admit     one of a bounded number
//!                           token     the one that is current, or 503
//!                           budget    would Tradovate still take it?          (crate::budget)
//!                           audit     an order is written down before it leaves     (crate::audit)
//!                           hygiene   scrub, then authorise            (crate::hygiene)
//!               forward     upstream  one lease, sent at most once     (crate::upstream)
//!                           departure it leaves: told to all who are asked about it later
//!                           learn     what the answer says of the session
//!                           outbound  stream the answer back
//! ```
//!
//! Invariants: upstream sees no byte of a request before the whole of it is here; an `order` or `write` is
//! never sent again once a byte of it may have left; past expiry nothing is sent; and whatever ends a request
//! is counted. What a request touches belongs to its worker's thread, save the token, which it reads without a
//! lock.

mod buffered;
mod cancel;
mod compat;
mod connection;
mod dates;
mod departure;
mod draining;
mod error;
mod exchange;
mod explain;
mod forward;
#[cfg(any(test, fuzzing))]
mod fuzzed;
mod heading;
mod inbound;
mod keyed;
mod limits;
mod metrics;
mod no_token;
mod observation;
mod outbound;
mod outcome;
pub mod route;
mod workspace;

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

pub use buffered::Buffered;
pub use cancel::Canceller;
pub use compat::PLACEHOLDER;
pub use error::{Problem, ProxyError, Slow};
pub use explain::{Explained, Ground, Unexplained, explain};
#[cfg(any(test, fuzzing))]
pub(crate) use fuzzed::pass_on;
pub use limits::{Limits, Timeouts};
pub use metrics::Metrics;
pub use no_token::NoToken;
pub use route::Api;

use crate::{
    audit::AuditLog,
    auth::{Current, Generation, Reader},
    budget::Budget,
    callers::Callers,
    clock::Clock,
    downstream::Accepted,
    guard::Guards,
    idempotency::Register,
    proxy::{dates::Dates, draining::Draining, metrics::LocalMetrics, workspace::Workspaces},
    tradovate::{Endpoint, Endpoints},
    upstream::Upstream,
};

/// What every worker shares. What changes in it (the session, whoever may call, the budget, the guards, what is
/// remembered and counted) each part sees to itself, for all of them at once.
#[derive(Debug)]
pub struct Proxy {
    /// Where the token comes from.
    pub session: Reader,
    /// Who may call.
    pub callers: Callers,
    /// Which API is in front of us.
    pub api: Api,
    /// What each path of Tradovate's does.
    pub endpoints: Endpoints,
    /// Bounds on what callers hold.
    pub limits: Limits,
    /// Bounds on how long they may take.
    pub timeouts: Timeouts,
    /// How many requests upstream will still take.
    pub budget: Arc<Budget>,
    /// Content types of request bodies accepted besides `application/json`.
    pub content_types: Vec<String>,
    /// What the operator does not let pass.
    pub guards: Arc<Guards>,
    /// Which orders went before under an idempotency key.
    pub register: Register,
    /// What expiry is judged by.
    pub clock: Clock,
    /// Where orders are written down.
    pub audit: AuditLog,
    /// Where requests are counted.
    pub metrics: Metrics,
    /// Requests in progress on all workers.
    pub in_progress: AtomicUsize,
    /// What their bodies may take of memory together.
    pub buffered: Buffered,
}

/// One thread's share of the data path.
#[derive(Debug)]
pub struct Worker {
    proxy: Arc<Proxy>,
    upstream: Upstream,
    metrics: LocalMetrics,
    draining: Draining,
    workspaces: Workspaces,
    dates: Dates,
}

impl Worker {
    /// A worker that serves nobody yet.
    pub fn new(proxy: Arc<Proxy>, upstream: Upstream) -> Self {
        let metrics = proxy.metrics.local(proxy.endpoints.len());
        let dates = Dates::new(proxy.clock.clone());
        let (draining, workspaces) = (Draining::default(), Workspaces::default());
        Self { proxy, upstream, metrics, draining, workspaces, dates }
    }

    /// Keeps connections open to where the session is, before anybody asks for one, for as long as there is a session;
    /// and turns to another host as soon as the session has: an idle worker would else keep connections to the old one
    /// for as long as nobody asks it for anything. Ends with the first word of a drain.
    pub async fn follow_session(self: Rc<Self>) {
        let mut status = self.proxy.session.watch();
        loop {
            // Marked as seen before the session is looked at: what is published in between is a change.
            status.mark_unchanged();
            if let Some(session) = self.proxy.session.last() {
                self.upstream.turn_to(&session.origin);
            }
            match self.proxy.session.current() {
                Some(session) => self.upstream.warm_up(&session.origin),
                None => self.upstream.cool_down(),
            }
            tokio::select! {
                // The session's task may end before the last request does.
                changed = status.changed() => if changed.is_err() { break },
                () = self.draining.begun() => break,
            }
        }
        self.upstream.cool_down();
    }

    /// Lets idle connections go, and every other one after the request it is at.
    pub fn drain(&self) {
        self.draining.begin();
    }

    /// Serves one connection to its end. Dropped, it breaks off whatever is under way.
    pub async fn serve(self: Rc<Self>, accepted: Accepted) {
        connection::serve(self, accepted).await;
    }

    /// Tells a connection that it is not served, and why.
    pub async fn turn_away(self: Rc<Self>, accepted: Accepted, error: ProxyError) {
        connection::turn_away(&self, accepted, error).await;
    }

    /// Upstream's clock minus ours, as far as an answer has told.
    fn skew(&self) -> SignedDuration {
        SignedDuration::from_secs(self.proxy.session.status().clock_skew_seconds.unwrap_or_default())
    }

    /// One of a bounded number; what takes risk away is counted, and never refused.
    fn admit(&self, endpoint: &Endpoint) -> Result<Permit<'_>, ProxyError> {
        let permit = Permit(&self.proxy.in_progress);
        let before = permit.0.fetch_add(1, Ordering::Relaxed);
        let concurrent = self.proxy.limits.concurrent_requests;
        let is_full = before >= concurrent && !endpoint.relief;
        if is_full { Err(ProxyError::Overloaded { concurrent }) } else { Ok(permit) }
    }

    /// The session of this moment: one lock-free load.
    fn token(&self) -> Result<Current, ProxyError> {
        self.proxy.session.current().ok_or_else(|| self.no_token())
    }

    /// Waits for a session.
    async fn wait_for_token(&self) -> Result<Ready, ProxyError> {
        let now = self.proxy.clock.now();
        if let Some(session) = self.proxy.session.current_at(now) {
            return Ok(Ready { waited: Duration::ZERO, generation: session.generation, now });
        }
        let begun = Instant::now();
        let session = Box::pin(self.proxy.session.wait(self.proxy.timeouts.token)).await;
        let session = session.ok_or_else(|| self.no_token())?;
        Ok(Ready { waited: begun.elapsed(), generation: session.generation, now: self.proxy.clock.now() })
    }

    fn no_token(&self) -> ProxyError {
        ProxyError::NoToken(NoToken::new(&self.proxy.session.status(), self.proxy.clock.now()))
    }
}

/// That there is a session.
#[derive(Clone, Copy, Debug)]
struct Ready {
    /// For how long it was waited for.
    waited: Duration,
    /// Which it is.
    generation: Generation,
    /// Since when there is nothing to wait for: now, that is, as steady time has it.
    now: Timestamp,
}

/// One of the requests in progress.
#[must_use]
#[derive(Debug)]
struct Permit<'a>(&'a AtomicUsize);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
