//! Trading guards: what an operator does not let pass, whoever asks.
//!
//! ```text
//! request, read whole ─▶ judge     pure: rules × situation × request      (also tradovate-proxy explain)
//!                          │        expect-env · kill · mode ·
//!                          │        body · accounts · symbols · order-types · max-quantity
//!                        pace      a place among the orders of this minute
//!                          │
//!                         Pass ──▶ … ──▶ still_passes, right before the first byte leaves
//! ```
//!
//! All of them are off until they are set. They hold outside the strategy that may have gone wrong, so they trust
//! nothing in it: the path decides what a request does (never the method), and an order is judged by the very bytes
//! that are forwarded. **What cannot be judged is refused**: with a rule on orders set, an endpoint that the table does
//! not know, a body with two readings, or a field that a rule wants and that is missing, does not pass.
//!
//! **Brakes work.** What takes risk away ([`Endpoint::relief`]: cancels and liquidations) passes every guard but
//! `read-only`, with one exception: a liquidation that names an account must name a listed one.
//!
//! **The kill switch fails closed, and outlives the process.** An order to kill is in force before anything else is
//! done, on the disk before it is acknowledged, and looked for at the start. What had passed the guards when it came,
//! and still waits (for a token, for a connection, for a stream of one), is asked again before it leaves.
//!
//! What they do not hold: a modification or a cancel names its order by id, so lists of accounts and symbols cannot
//! hold it (quantity and type are held); and nothing here knows a position.

mod body;
mod disk;
mod form;
mod json;
mod judge;
mod kill;
mod metrics;
mod pace;
mod report;
mod rules;
mod sweep;
mod switching;
mod verdict;

use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use self::{
    body::Flaw,
    judge::{EXPECT_ENV, Finding, Request, Situation, Verdict, examine, judge},
    kill::{Cause, Marker, at_start},
    metrics::Metrics,
    report::{KillReport, Report},
    rules::{Account, Mode, ORDER_TYPES, Rules, Symbol, order_type},
    sweep::{Fate, Sweep, Sweeps, Swept, Uncancelled},
    switching::{Cancels, Killed, NotReleased},
    verdict::{Refusal, Rule},
};
use self::{
    disk::DiskThread,
    kill::{Keeper, Switch},
    pace::Pace,
    sweep::Sweeper,
    switching::Seen,
};
use crate::{
    clock::Clock,
    tradovate::{Effect, Endpoint},
};

/// The guards of one process, shared by everybody. Reads take no lock.
#[derive(Debug)]
pub struct Guards {
    environment: &'static str,
    rules: ArcSwap<Rules>,
    switch: Switch,
    /// Held while the switch is turned and the disk is asked to remember it, neither of which waits for anything: so
    /// that what comes to the disk last is what is in force.
    turning: Mutex<()>,
    keeper: Keeper,
    /// Looks for the kill file: not the keeper's thread, since the file may be on another disk, that hangs.
    looker: DiskThread,
    seen: Mutex<Seen>,
    pace: Pace,
    /// Requests that brakes would stop, between their judgement and the beginning of their answer.
    under_way: AtomicUsize,
    /// Rung when the last of them has ended.
    idle: Notify,
    sweeper: Sweeper,
    metrics: Metrics,
    clock: Clock,
}

impl Guards {
    /// Puts `rules` into force, and the kill switch where an earlier run left it. Asks the disk. What is to be
    /// cancelled comes out of the second part.
    ///
    /// # Errors
    /// When a thread that waits for a disk cannot be had.
    pub fn start(
        environment: &'static str,
        rules: Rules,
        marker: Marker,
        metrics: Metrics,
        clock: Clock,
    ) -> io::Result<(Arc<Self>, Sweeps)> {
        let (sweeper, sweeps) = Sweeper::channel();
        let guards = Self {
            environment,
            rules: ArcSwap::from_pointee(rules),
            switch: Switch::default(),
            turning: Mutex::default(),
            keeper: Keeper::start(marker)?,
            looker: DiskThread::start("kill-file")?,
            seen: Mutex::default(),
            pace: Pace::default(),
            under_way: AtomicUsize::new(0),
            idle: Notify::new(),
            sweeper,
            metrics,
            clock,
        };
        guards.begin();
        Ok((Arc::new(guards), sweeps))
    }

    /// Guards that let everything pass, on a demo account, for the tests of others.
    #[cfg(test)]
    pub(crate) fn open(registry: &prometheus::Registry, clock: &Clock) -> Arc<Self> {
        let metrics = Metrics::register(registry).unwrap();
        Self::start("demo", Rules::default(), Marker::Nowhere, metrics, clock.clone()).unwrap().0
    }

    /// `demo`, `live` or `sandbox`.
    pub fn environment(&self) -> &'static str {
        self.environment
    }

    /// Judges a request. It may be forwarded for as long as the pass is held; a refusal is counted.
    ///
    /// # Errors
    /// When a guard does not let it pass.
    pub fn judge(&self, request: &Request<'_>) -> Result<Pass<'_>, Refusal> {
        // Counted first and judged then: whoever kills sees it under way, or it sees the kill.
        let pass = Pass::of(self, request.endpoint);
        self.decide(request).inspect_err(|refusal| self.metrics.refused(refusal.rule()))?;
        Ok(pass)
    }

    fn decide(&self, request: &Request<'_>) -> Result<(), Refusal> {
        let situation = Situation { environment: self.environment, killed: self.switch.cause() };
        let rules = self.rules.load();
        if let Verdict::Refuse(refusal) = judge(&rules, &situation, request) {
            return Err(refusal);
        }
        match rules.orders_per_minute {
            Some(most) if request.is_paced() => {
                self.pace.take(most).map_err(|wait| Refusal::Pace { most: most.get(), wait })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the kill switch, turned since a request was judged, lets it go on: asked when not a byte of it has left.
    ///
    /// # Errors
    /// When it does not.
    pub fn still_passes(&self, endpoint: &Endpoint) -> Result<(), Refusal> {
        match self.switch.cause() {
            Some(cause) if !judge::passes_brakes(endpoint) => {
                self.metrics.refused(Rule::Kill);
                Err(Refusal::Killed(cause))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same at the very moment that it can leave, where that comes later. Counts nothing: whoever is told so asks
    /// [`still_passes`](Self::still_passes) why.
    pub fn may_leave(&self, endpoint: &Endpoint) -> bool {
        self.switch.cause().is_none() || judge::passes_brakes(endpoint)
    }

    /// Waits until what had passed before a kill has ended; `false` if it has not within [`PATIENCE`].
    async fn rests(&self) -> bool {
        let rest = async {
            loop {
                let idle = self.idle.notified();
                if self.under_way.load(Ordering::SeqCst) == 0 {
                    return;
                }
                idle.await;
            }
        };
        tokio::time::timeout(PATIENCE, rest).await.is_ok()
    }
}

/// The right of one request to be forwarded, to be held until its answer has begun.
#[must_use]
#[derive(Debug)]
pub struct Pass<'a>(Option<&'a Guards>);

impl<'a> Pass<'a> {
    fn of(guards: &'a Guards, endpoint: &Endpoint) -> Self {
        if endpoint.effect == Effect::Read || endpoint.relief {
            return Self(None);
        }
        guards.under_way.fetch_add(1, Ordering::SeqCst);
        Self(Some(guards))
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if let Some(guards) = self.0
            && guards.under_way.fetch_sub(1, Ordering::SeqCst) == 1
        {
            guards.idle.notify_waiters();
        }
    }
}

/// How long orders on their way may take before the working ones are looked for without waiting for them.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
