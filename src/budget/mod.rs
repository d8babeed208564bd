//! How many requests upstream will still take.
//!
//! Tradovate: 5,000 requests an hour, and as many a minute, for each user, the user's own browser included; above that
//! 429 without a word, for about an hour. So the proxy counts what it sends, tells, and stops short of the limit:
//!
//! ```text
//! sent in the last hour   0 ──────────── warn-at ─────── limit − reserve ─────── limit
//! ordinary requests         pass           pass, warned     429, not sent
//! cancels, liquidations     pass           pass             pass                  pass
//! ```
//!
//! The **reserve** is what cancels and liquidations live on when a runaway loop has spent the rest. They are never
//! refused for the count: it is an estimate (it knows nothing of the user's other programs), and to hold back a cancel
//! on an estimate is worse than to hear 429 from upstream.
//!
//! Once upstream *has* said 429 or 423, what cannot succeed is held (`hold`).
//!
//! The windows slide: a bucket for each minute of the last hour, one for each second of the last minute, the oldest of
//! them counted whole, so that the count is not too low. Workers share them without a lock: to spend costs two atomic
//! additions and a few loads. What the session itself asks (a login, a renewal, a look whether it is alive: some ten an
//! hour) is not counted. Nothing of it survives a restart.

mod hold;
mod metrics;
mod report;
mod window;

use std::{
    cell::Cell,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use self::{hold::Hold, window::Window};
pub use self::{
    hold::{Cause, Held},
    metrics::register,
    report::{CallerReport, Report, WindowReport},
};
use crate::{auth::Generation, clock::Clock, tradovate::Endpoint};

/// The limits, and how they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Requests in any hour; `None` for any number.
    pub per_hour: Option<u64>,
    /// Requests in any minute; `None` for any number.
    pub per_minute: Option<u64>,
    /// How many of them only cancels and liquidations may spend.
    pub reserve: u64,
    /// From how many percent of a limit on it is warned.
    pub warn_at: u64,
    /// How long requests are held after a 429 that does not say, or a 423; zero holds none.
    pub hold: Duration,
    /// Whether cancels and liquidations are held too.
    pub hold_relief: bool,
}

impl Default for Policy {
    /// Tradovate's printed limits.
    fn default() -> Self {
        Self {
            per_hour: Some(5000),
            per_minute: Some(5000),
            reserve: 100,
            warn_at: 80,
            hold: Duration::from_secs(3600),
            hold_relief: false,
        }
    }
}

impl Policy {
    /// For an API of which nothing is known: everything passes.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { per_hour: None, per_minute: None, hold: Duration::ZERO, ..Self::default() }
    }
}

/// What has been spent, by all and by each caller, on every worker.
pub struct Budget {
    policy: ArcSwap<Policy>,
    clock: Clock,
    all: Spent,
    /// Never many: callers have the names that the configuration gives them, or those of certificates that its authority has
    /// signed.
    callers: ArcSwap<Vec<(Arc<str>, Arc<Spent>)>>,
    /// Held while a caller is added.
    adding: Mutex<()>,
    hold: Hold,
}

/// Requests in both windows.
#[derive(Debug)]
struct Spent {
    hour: Window,
    minute: Window,
}

impl Default for Spent {
    fn default() -> Self {
        Self { hour: Window::of_minutes(), minute: Window::of_seconds() }
    }
}

impl Spent {
    fn add(&self, at: i64) {
        self.hour.add(at);
        self.minute.add(at);
    }

    fn take_back(&self, at: i64) {
        self.hour.take_back(at);
        self.minute.take_back(at);
    }
}

/// Why a request is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The rest is for cancels and liquidations.
    #[error(
        "{spent} requests were sent in the last {window}, of {limit} allowed {} {window} (budget.per-{window})",
        if *window == "hour" { "an" } else { "a" }
    )]
    Spent {
        /// `hour` or `minute`.
        window: &'static str,
        /// The limit.
        limit: u64,
        /// What has been sent.
        spent: u64,
        /// What is kept back.
        reserve: u64,
        /// Seconds until there is room for one.
        retry_after: u64,
    },
    /// Upstream has said to stop.
    #[error(transparent)]
    Held(#[from] Held),
}

impl Refusal {
    /// Seconds for `Retry-After` (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> u64 {
        match self {
            Self::Spent { retry_after, .. } => *retry_after,
            Self::Held(held) => held.retry_after,
        }
    }
}

/// One request's share. Dropped before the request [is sent](Self::is_sent), it is given back.
#[must_use]
pub struct Fare<'a> {
    budget: &'a Budget,
    caller: Arc<Spent>,
    /// The second that it was last counted in.
    at: Cell<i64>,
    times_sent: Cell<u32>,
    /// What ordinary requests may still send, after this one; `None` without a limit.
    remaining: Option<u64>,
}

impl Budget {
    /// Nothing is spent yet.
    pub fn new(policy: Policy, clock: Clock) -> Self {
        Self {
            policy: ArcSwap::from_pointee(policy),
            clock,
            all: Spent::default(),
            callers: ArcSwap::default(),
            adding: Mutex::default(),
            hold: Hold::default(),
        }
    }

    /// Puts other limits into force; what has been spent stays spent. A hold of nothing also ends the one that is
    /// running: it is an operator's only way out of one.
    pub fn set(&self, policy: Policy) {
        let holds_none = policy.hold.is_zero();
        self.policy.store(Arc::new(policy));
        if holds_none && self.hold.end(self.clock.now()) {
            tracing::warn!(
                "requests are no longer held, since budget.hold is 0s now; nor are they after another 429 or 423 while it is"
            );
        }
    }

    /// Takes one request's share, at `now`, for `caller`, who sends it with a token of `generation`.
    ///
    /// # Errors
    /// When it would not be taken, or is kept for requests that take risk away.
    pub fn spend(
        &self,
        caller: &str,
        endpoint: &Endpoint,
        generation: Generation,
        now: Timestamp,
    ) -> Result<Fare<'_>, Refusal> {
        let policy = self.policy.load();
        if !endpoint.relief || policy.hold_relief {
            self.hold.judge(now, generation)?;
        }
        let at = now.as_second();
        let mut remaining = None;
        for (name, window, limit) in
            [("hour", &self.all.hour, policy.per_hour), ("minute", &self.all.minute, policy.per_minute)]
        {
            let Some(limit) = limit else { continue };
            let spent = window.count(at);
            let open = limit.saturating_sub(policy.reserve);
            if spent >= open && !endpoint.relief {
                let (reserve, retry_after) = (policy.reserve, window.room_in(at, open));
                return Err(Refusal::Spent { window: name, limit, spent, reserve, retry_after });
            }
            window.warn_once(at, spent, limit, policy.warn_at, name);
            let left = open.saturating_sub(spent + 1);
            remaining = Some(remaining.map_or(left, |other: u64| other.min(left)));
        }
        let caller = self.caller(caller);
        self.all.add(at);
        caller.add(at);
        Ok(Fare { budget: self, caller, at: Cell::new(at), times_sent: Cell::new(0), remaining })
    }

    /// How many holds there have been: to be read before a request is sent, and told with its answer.
    pub fn holds(&self) -> u64 {
        self.hold.count()
    }

    /// Learns from an answer's status, `status`, to a request that was sent when there had been `holds`. Returns
    /// whether a hold has begun that the count does not explain.
    pub fn learn(
        &self,
        holds: u64,
        generation: Generation,
        status: u16,
        retry_after: impl FnOnce() -> Option<u64>,
    ) -> bool {
        let cause = match status {
            423 => Cause::Locked,
            429 => Cause::Limited,
            _ => {
                self.hold.lift(holds);
                return false;
            }
        };
        let policy = self.policy.load();
        let asked = retry_after().map(Duration::from_secs).filter(|_| cause == Cause::Limited);
        let span = asked.map_or(policy.hold, |asked| asked.min(policy.hold));
        if span.is_zero() {
            return false;
        }
        let now = self.clock.now();
        let has_begun = self.hold.begin(cause, now, span, generation);
        if has_begun {
            let until = self.clock.shown(now + span);
            let relief = if policy.hold_relief { "too" } else { "are not" };
            match cause {
                Cause::Limited => tracing::warn!(
                    status, %until,
                    "Tradovate refuses requests for their number: they are held, cancels and liquidations {relief}"
                ),
                Cause::Locked => tracing::warn!(
                    status, %until,
                    "Tradovate has locked this user until a captcha is solved: sign in at trader.tradovate.com, and stop \
                     all programs that use this user, since each call may put the end off; requests are held, cancels \
                     and liquidations {relief}"
                ),
            }
        }
        has_begun && !self.is_near(&policy, now)
    }

    /// Whether so much has been spent that a 429 is no surprise.
    fn is_near(&self, policy: &Policy, now: Timestamp) -> bool {
        let at = now.as_second();
        let is_near = |window: &Window, limit: Option<u64>| {
            limit.is_some_and(|limit| window.count(at) * 100 >= limit * policy.warn_at)
        };
        is_near(&self.all.hour, policy.per_hour) || is_near(&self.all.minute, policy.per_minute)
    }

    fn caller(&self, name: &str) -> Arc<Spent> {
        let find = |known: &[(Arc<str>, Arc<Spent>)]| {
            known.iter().find(|(other, _)| **other == *name).map(|(_, spent)| Arc::clone(spent))
        };
        if let Some(spent) = find(&self.callers.load()) {
            return spent;
        }
        let _adding: MutexGuard<'_, ()> = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.callers.load_full();
        find(&known).unwrap_or_else(|| {
            let spent = Arc::<Spent>::default();
            let mut known = Vec::clone(&known);
            known.push((name.into(), Arc::clone(&spent)));
            self.callers.store(Arc::new(known));
            spent
        })
    }
}

impl Fare<'_> {
    /// The request goes out; each time it does, upstream counts it.
    pub fn is_sent(&self) {
        let before = self.times_sent.replace(self.times_sent.get() + 1);
        if before > 0 {
            self.at.set(self.budget.clock.now().as_second());
            self.budget.all.add(self.at.get());
            self.caller.add(self.at.get());
        }
    }

    /// It did not after all, the last time: not a byte of it left.
    pub fn is_not_sent(&self) {
        let before = self.times_sent.get();
        self.times_sent.set(before.saturating_sub(1));
        // The first time's share is given back when it is known that there is no other.
        if before > 1 {
            self.budget.all.take_back(self.at.get());
            self.caller.take_back(self.at.get());
        }
    }

    /// What ordinary requests may still send in the tighter of both windows; `None` without a limit.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }
}

impl Drop for Fare<'_> {
    fn drop(&mut self) {
        if self.times_sent.get() == 0 {
            self.budget.all.take_back(self.at.get());
            self.caller.take_back(self.at.get());
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("policy", &self.policy.load()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Fare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fare").field("times_sent", &self.times_sent).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
