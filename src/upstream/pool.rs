//! Connections that wait for their next request.
//!
//! One is chosen only if it is open and silent as far as the kernel knows at that moment. A close that is still on its
//! way from upstream cannot be known: what it costs is told by [`Failure::sent`], and `proxy::forward` tries again
//! only where that is [`Sent::No`](super::Sent::No), or for a `read`.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;

use crate::{
    origin::Origin,
    upstream::{
        Connector, Failure, Lease, Metrics, Timeouts, UpstreamError,
        connect::Protocol,
        http1::Http1,
        http2,
        keeper::{self, Bell, Haste},
        lease::Transport,
        metrics::{By, Counted},
        pace::Pace,
    },
};

/// One worker's way to upstream. Cheap to clone within its thread.
#[derive(Clone)]
pub struct Upstream(Rc<Shared>);

/// What the pool's handles and its keeper share.
pub(super) struct Shared {
    pub(super) connector: Connector,
    head_limit: usize,
    pub(super) metrics: Metrics,
    pub(super) idle: RefCell<Idle>,
    /// How many are to wait ahead of requests.
    pub(super) warm: usize,
    /// Whether requests are to be expected at all.
    pub(super) is_wanted: Cell<bool>,
    bell: Rc<Bell>,
    inboxes: RefCell<Vec<Vec<u8>>>,
}

/// What is kept for the origin that is current; another origin's connections are not.
#[derive(Default)]
pub(super) struct Idle {
    pub(super) origin: Option<Arc<Origin>>,
    /// Whether the origin is another since the keeper looked last.
    pub(super) has_moved: bool,
    /// Last in, first out: the one that was used last is the least likely to have been given up by upstream. So they
    /// stand in the order of their age, the oldest first.
    pub(super) http1: Vec<Waiting>,
    pub(super) http2: Option<Standing>,
}

/// The one connection over HTTP/2, which everybody shares.
pub(super) struct Standing {
    pub(super) sender: http2::Sender,
    pub(super) since: Instant,
}

pub(super) struct Waiting {
    pub(super) connection: Box<Http1>,
    pub(super) since: Instant,
    _counted: Counted,
}

impl Waiting {
    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Upstream {
    /// An upstream without connections yet. Answers with a head above `head_limit` bytes are refused. Must be
    /// called within a `LocalSet`: a task of its own closes connections that have waited too long, and sees to it that
    /// `warm` of them wait once [`warm_up`](Self::warm_up) was called.
    pub fn new(connector: Connector, head_limit: usize, warm: usize, metrics: Metrics) -> Self {
        let bell = Rc::<Bell>::default();
        let pace = Pace::new(connector.timeouts().pool_idle, Rng::new());
        let shared = Rc::new(Shared {
            connector,
            head_limit,
            metrics,
            idle: RefCell::default(),
            warm,
            is_wanted: Cell::new(false),
            bell: Rc::clone(&bell),
            inboxes: RefCell::default(),
        });
        tokio::task::spawn_local(keeper::keep(Rc::downgrade(&shared), bell, pace));
        Self(shared)
    }

    /// Requests go to `origin` from now on: connections to another one that wait are closed at once, and those in
    /// use as soon as their exchange has ended.
    pub fn turn_to(&self, origin: &Arc<Origin>) {
        if self.0.idle.borrow_mut().turn_to(origin) {
            self.0.bell.insist();
        }
    }

    /// Requests to `origin` may come at any moment: connections are opened before they do.
    pub fn warm_up(&self, origin: &Arc<Origin>) {
        self.turn_to(origin);
        if !self.0.is_wanted.replace(true) {
            self.0.bell.insist();
        }
    }

    /// Requests are not to be expected: what waits may be used, and nothing is opened in its place.
    pub fn cool_down(&self) {
        if self.0.is_wanted.replace(false) {
            self.0.bell.insist();
        }
    }

    /// A connection to `origin`: one that waits, proven open and silent at this moment, or a new one.
    /// Cancel safe: what is being opened is closed.
    ///
    /// # Errors
    /// When none can be had. Nothing has been sent then.
    pub async fn lease(&self, origin: &Arc<Origin>, choice: Choice) -> Result<Lease, Failure> {
        self.turn_to(origin);
        if choice == Choice::Any
            && let Some(transport) = self.waiting().await
        {
            return Ok(Lease::reused(self.clone(), Arc::clone(origin), transport));
        }
        let begun = Instant::now();
        // Boxed: few requests wait for this, and every connection would else keep room for it.
        let opened = Box::pin(open(self.0.connector.clone(), Arc::clone(origin), &self.0)).await;
        self.0.metrics.opened(By::Request, opened.is_ok());
        let transport = opened.map_err(UpstreamError::not_sent)?;
        if let Transport::Http2(sender) = &transport {
            self.0.keep(origin, Transport::Http2(sender.clone()));
        }
        Ok(Lease::fresh(self.clone(), Arc::clone(origin), transport, begun.elapsed()))
    }

    async fn waiting(&self) -> Option<Transport> {
        {
            // One that has ended is left to the keeper, which must learn how soon it did.
            let idle = self.0.idle.borrow();
            if let Some(standing) = idle.http2.as_ref().filter(|standing| !standing.sender.is_closed()) {
                return Some(Transport::Http2(standing.sender.clone()));
            }
        }
        loop {
            let waiting = self.0.take()?;
            let mut connection = waiting.connection;
            // Its keeper closes those that have waited too long; what matters here is whether upstream has.
            if connection.is_fresh().await {
                return Some(Transport::Http1(connection));
            }
        }
    }

    /// Keeps a connection for the next request to the same origin.
    pub(super) fn put_back(&self, origin: &Arc<Origin>, mut connection: Box<Http1>) {
        let inbox = connection.rest();
        let mut inboxes = self.0.inboxes.borrow_mut();
        if inboxes.len() < INBOXES && inbox.capacity() <= LARGEST_INBOX {
            inboxes.push(inbox);
        }
        drop(inboxes);
        self.0.keep(origin, Transport::Http1(connection));
    }

    /// Memory to read an answer into, which a connection that waits needs none of.
    pub(super) fn inbox(&self) -> Vec<u8> {
        self.0.inboxes.borrow_mut().pop().unwrap_or_default()
    }

    /// How many connections wait.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn waiting_connections(&self) -> usize {
        self.0.idle.borrow().http1.len()
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        self.0.connector.timeouts()
    }

    pub(super) fn head_limit(&self) -> usize {
        self.0.head_limit
    }

    pub(super) fn count_active(&self) -> Counted {
        self.0.metrics.active()
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// One that waits, if there is one.
    Any,
    /// A new one only: after one that waited proved dead.
    Fresh,
}

impl Shared {
    /// The one that has waited the shortest.
    fn take(&self) -> Option<Waiting> {
        let mut idle = self.idle.borrow_mut();
        let waiting = idle.http1.pop();
        if self.warm > 0 {
            self.bell.raise(if idle.http1.is_empty() { Haste::Now } else { Haste::Soon });
        }
        waiting
    }

    /// Lets a connection wait, unless the origin is another by now.
    pub(super) fn keep(&self, origin: &Arc<Origin>, transport: Transport) {
        let mut idle = self.idle.borrow_mut();
        if !idle.is_for(origin) {
            return;
        }
        match transport {
            Transport::Http1(connection) => {
                let since = Instant::now();
                idle.http1.push(Waiting { connection, since, _counted: self.metrics.idle() });
            }
            Transport::Http2(sender) => idle.http2 = Some(Standing { sender, since: Instant::now() }),
        }
        self.bell.raise(Haste::Soon);
    }
}

/// The keeper finds nothing left to keep.
impl Drop for Shared {
    fn drop(&mut self) {
        self.bell.insist();
    }
}

impl Idle {
    pub(super) fn is_for(&self, origin: &Arc<Origin>) -> bool {
        self.origin.as_ref().is_some_and(|current| Arc::ptr_eq(current, origin) || current == origin)
    }

    /// Whether it was for another one.
    fn turn_to(&mut self, origin: &Arc<Origin>) -> bool {
        match &self.origin {
            Some(current) if Arc::ptr_eq(current, origin) => false,
            // A renewal names the same one anew: from now on one look tells that it is.
            Some(current) if current == origin => {
                self.origin = Some(Arc::clone(origin));
                false
            }
            Some(_) | None => {
                *self = Self { origin: Some(Arc::clone(origin)), has_moved: true, ..Self::default() };
                true
            }
        }
    }
}

/// Opens a connection, which holds nothing of the pool while it does.
pub(super) fn open(
    connector: Connector,
    origin: Arc<Origin>,
    shared: &Shared,
) -> impl Future<Output = Result<Transport, UpstreamError>> + use<> {
    let (metrics, bell) = (shared.metrics.clone(), Rc::clone(&shared.bell));
    async move {
        let (stream, protocol) = connector.connect(&origin).await?;
        match protocol {
            Protocol::Http1 => Ok(Transport::Http1(Box::new(Http1::new(stream)))),
            Protocol::Http2 => {
                let ended = move || bell.insist();
                http2::start(stream, metrics.active(), ended).await.map(Transport::Http2)
            }
        }
    }
}

/// As many are kept as answers are read at once where as many requests as may are under way, by default.
const INBOXES: usize = 1024;
/// One that grew beyond this is not kept.
const LARGEST_INBOX: usize = 24 * 1024;
