//! The task that keeps connections waiting: it opens them before anybody asks, notices when upstream closes one, and
//! puts another in the place of one that has waited long enough.
//!
//! ```text
//!            ┌ fewer wait than are wanted ──▶ open one ┬ opened ──▶ waits; one past its time is closed
//! look ──────┤                                         └ failed ──▶ back off, 1 s to 30 s
//!   ▲        └ enough ──▶ sleep until the oldest's time has come
//!   └───────────────────────────── bell · a waiting one was closed · that time
//! ```
//!
//! It sleeps until something happens; an idle worker wakes up a few times a minute. Requests do not wait for it, and
//! tell it what they take and put back by a flag that is set already as a rule.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    pin::Pin,
    rc::{Rc, Weak},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use crate::{
    origin::Origin,
    upstream::{
        UpstreamError,
        lease::Transport,
        metrics::By,
        pace::{Pace, SHORTEST_POOL_IDLE},
        pool::{Idle, Shared, open},
    },
};

/// How soon the pool is to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    /// Nothing has changed.
    #[default]
    Calm,
    /// Something was taken, and is likely to be put back.
    Soon,
    /// Nothing waits any more.
    Now,
}

/// What wakes the keeper.
#[derive(Debug, Default)]
pub(super) struct Bell {
    haste: Cell<Haste>,
    heard: Notify,
}

impl Bell {
    /// Asks for a look. Raised again before that, it costs a comparison.
    pub(super) fn raise(&self, haste: Haste) {
        if haste > self.haste.get() {
            self.haste.set(haste);
            self.heard.notify_one();
        }
    }

    /// Asks for a look at once, whatever the keeper is at: what it does may be wrong by now.
    pub(super) fn insist(&self) {
        self.haste.set(Haste::Now);
        self.heard.notify_one();
    }
}

/// Keeps the pool until that is dropped.
pub(super) async fn keep(shared: Weak<Shared>, bell: Rc<Bell>, pace: Pace) {
    let mut keeper = Keeper { shared, bell, pace, opening: None, look_at: None };
    while let Some(shared) = keeper.shared.upgrade() {
        let next = keeper.look(&shared);
        drop(shared);
        tokio::select! {
            () = keeper.bell.heard.notified() => {}
            closed = any_closed(&keeper.shared) => keeper.lost(closed),
            opened = opened(&mut keeper.opening) => keeper.opened(opened),
            () = until(next) => {}
        }
    }
}

struct Keeper {
    /// Weak, and made strong only between two waits: who drops the pool ends it.
    shared: Weak<Shared>,
    bell: Rc<Bell>,
    pace: Pace,
    /// One at a time: whoever needs more than one at once opens them himself.
    opening: Option<Opening>,
    /// When to look because of [`Haste::Soon`].
    look_at: Option<Instant>,
}

struct Opening {
    origin: Arc<Origin>,
    connecting: Pin<Box<dyn Future<Output = Result<Transport, UpstreamError>>>>,
}

/// Of connections that waited and were found closed by upstream, how long the one had that waited longest; and what
/// waited longest of all.
#[derive(Clone, Copy, Debug)]
struct Closed {
    age: Duration,
    oldest: Duration,
}

impl Keeper {
    /// Looks after the pool; returns when to look again if nothing happens before.
    fn look(&mut self, shared: &Shared) -> Option<Instant> {
        let now = Instant::now();
        if self.bell.haste.get() == Haste::Soon {
            let at = *self.look_at.get_or_insert(now + SOON);
            if now < at {
                return Some(at);
            }
        }
        self.look_at = None;
        let mut idle = shared.idle.borrow_mut();
        let pool_idle = shared.connector.timeouts().pool_idle;
        idle.http1.retain(|waiting| waiting.age(now) < pool_idle);
        if let Some(ended) = idle.http2.take_if(|standing| standing.sender.is_closed()) {
            self.pace.ended(ended.since, now);
        }
        self.opening.take_if(|opening| !idle.is_for(&opening.origin));
        if idle.has_moved {
            idle.has_moved = false;
            self.pace.begin_anew();
        }
        let oldest = idle.http1.first().map(|waiting| waiting.since);
        let mut next = oldest.map(|since| since + pool_idle);
        if let Some(since) = oldest {
            self.pace.survived(now - since);
        }
        let waiting = idle.http1.iter().map(|waiting| waiting.connection.opened_at());
        for opened_at in waiting.chain(idle.http2.as_ref().map(|standing| standing.since)) {
            next = earlier(next, self.pace.stands(opened_at, now));
        }
        if let Some(origin) = wanted(shared, &idle) {
            let life = self.pace.life(now);
            let lasting = idle.http1.iter().filter(|waiting| waiting.age(now) < life);
            let first_due = lasting.clone().map(|waiting| waiting.since + life).next();
            next = earlier(next, first_due);
            if idle.http2.is_none() && lasting.count() < shared.warm && self.opening.is_none() {
                let at = self.pace.next_opening(idle.http1.is_empty(), now);
                if at <= now {
                    self.pace.begins(now);
                    let connecting = open(shared.connector.clone(), Arc::clone(&origin), shared);
                    self.opening = Some(Opening { origin, connecting: Box::pin(connecting) });
                } else {
                    next = earlier(next, Some(at));
                }
            }
        } else {
            self.opening = None;
        }
        // While one is being opened there is nothing more to do for those who find the pool empty.
        self.bell.haste.set(if self.opening.is_some() { Haste::Now } else { Haste::Calm });
        next
    }

    /// Takes in what upstream closed.
    fn lost(&mut self, closed: Closed) {
        self.pace.closed(closed.age, closed.oldest, Instant::now());
        self.bell.haste.set(Haste::Now);
    }

    /// Takes in what was opened, or why nothing was.
    fn opened(&mut self, opened: Result<Transport, UpstreamError>) {
        let (Some(opening), Some(shared)) = (self.opening.take(), self.shared.upgrade()) else { return };
        let now = Instant::now();
        shared.metrics.opened(By::Reserve, opened.is_ok());
        match opened {
            Ok(transport) => {
                shared.keep(&opening.origin, transport);
                let life = self.pace.life(now);
                let mut idle = shared.idle.borrow_mut();
                // Make before break: what had its time goes only now that there is enough without it.
                while idle.http1.len() > shared.warm
                    && idle.http1.first().is_some_and(|waiting| waiting.age(now) >= life)
                {
                    idle.http1.remove(0);
                }
                self.pace.replaced();
            }
            Err(error) => {
                let (again_in, is_news) = self.pace.failed(now);
                let again_in_ms = again_in.as_millis();
                if is_news {
                    tracing::warn!(
                        origin = %opening.origin, %error, again_in_ms,
                        "no connection to upstream could be opened ahead of requests; the next one opens its own, and \
                         this is tried again, ever more rarely"
                    );
                } else {
                    tracing::debug!(origin = %opening.origin, %error, again_in_ms, "and again");
                }
            }
        }
    }
}

/// Where connections are to wait, if any are.
fn wanted(shared: &Shared, idle: &Idle) -> Option<Arc<Origin>> {
    let is_wanted = shared.is_wanted.get() && shared.warm > 0;
    let lasts = shared.connector.timeouts().pool_idle >= SHORTEST_POOL_IDLE;
    idle.origin.clone().filter(|_| is_wanted && lasts)
}

/// Waits until upstream has closed a connection that waits, and takes those out that it has. Cancel safe.
async fn any_closed(shared: &Weak<Shared>) -> Closed {
    poll_fn(|cx| {
        let Some(shared) = shared.upgrade().filter(|shared| shared.warm > 0) else { return Poll::Pending };
        let now = Instant::now();
        let mut idle = shared.idle.borrow_mut();
        let oldest = idle.http1.first().map(|waiting| waiting.age(now)).unwrap_or_default();
        let mut closed: Option<Duration> = None;
        idle.http1.retain_mut(|waiting| {
            let is_open = waiting.connection.poll_noise(cx).is_pending();
            if !is_open {
                closed = closed.max(Some(waiting.age(now)));
            }
            is_open
        });
        closed.map_or(Poll::Pending, |age| Poll::Ready(Closed { age, oldest }))
    })
    .await
}

async fn opened(opening: &mut Option<Opening>) -> Result<Transport, UpstreamError> {
    match opening {
        Some(opening) => opening.connecting.as_mut().await,
        None => pending().await,
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// What is taken is put back within a round trip or two.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
