//! Connections that wait for their next request.

use std::{
    cell::RefCell,
    fmt,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    origin::Origin,
    upstream::{
        Connector, Failure, Lease, Metrics, Timeouts, connect::Protocol, http1::Http1, http2,
        lease::Transport, metrics::Counted,
    },
};

/// One worker's way to upstream. Cheap to clone within its thread.
#[derive(Clone)]
pub struct Upstream(Rc<Shared>);

struct Shared {
    connector: Connector,
    head_limit: usize,
    metrics: Metrics,
    idle: RefCell<Idle>,
}

/// What is kept for the origin that is current; another origin's connections are not.
#[derive(Default)]
struct Idle {
    origin: Option<Arc<Origin>>,
    /// Last in, first out: the one that was used last is the least likely to have been given up by upstream.
    http1: Vec<Waiting>,
    http2: Option<http2::Sender>,
}

struct Waiting {
    connection: Box<Http1>,
    since: Instant,
    _counted: Counted,
}

impl Upstream {
    /// An upstream without connections yet. Answers with a head above `head_limit` bytes are refused. Must be
    /// called within a `LocalSet`: it closes connections that have waited too long from a task of its own.
    pub fn new(connector: Connector, head_limit: usize, metrics: Metrics) -> Self {
        let shared = Rc::new(Shared { connector, head_limit, metrics, idle: RefCell::default() });
        tokio::task::spawn_local(sweep(Rc::downgrade(&shared)));
        Self(shared)
    }

    /// Requests go to `origin` from now on: connections to another one that wait are closed at once, and those in
    /// use as soon as their exchange has ended.
    pub fn turn_to(&self, origin: &Arc<Origin>) {
        self.0.idle.borrow_mut().turn_to(origin);
    }

    /// A connection to `origin`: one that waits, proven open and silent at this moment, or a new one.
    /// Cancel safe: what is being opened is closed.
    ///
    /// # Errors
    /// When none can be had. Nothing has been sent then.
    pub async fn lease(&self, origin: &Arc<Origin>, choice: Choice) -> Result<Lease, Failure> {
        self.0.idle.borrow_mut().turn_to(origin);
        if choice == Choice::Any
            && let Some(transport) = self.waiting().await
        {
            return Ok(Lease::reused(self.clone(), Arc::clone(origin), transport));
        }
        let begun = Instant::now();
        let (stream, protocol) =
            self.0.connector.connect(origin).await.map_err(super::UpstreamError::not_sent)?;
        let transport = match protocol {
            Protocol::Http1 => Transport::Http1(Box::new(Http1::new(stream))),
            Protocol::Http2 => {
                let sender = http2::start(stream, self.0.metrics.active())
                    .await
                    .map_err(super::UpstreamError::not_sent)?;
                let mut idle = self.0.idle.borrow_mut();
                if idle.is_for(origin) {
                    idle.http2 = Some(sender.clone());
                }
                Transport::Http2(sender)
            }
        };
        Ok(Lease::fresh(self.clone(), Arc::clone(origin), transport, begun.elapsed()))
    }

    async fn waiting(&self) -> Option<Transport> {
        {
            let mut idle = self.0.idle.borrow_mut();
            idle.http2.take_if(|sender| sender.is_closed());
            if let Some(sender) = &idle.http2 {
                return Some(Transport::Http2(sender.clone()));
            }
        }
        loop {
            let waiting = self.0.idle.borrow_mut().http1.pop()?;
            let mut connection = waiting.connection;
            if waiting.since.elapsed() < self.timeouts().pool_idle && connection.is_fresh().await {
                return Some(Transport::Http1(connection));
            }
        }
    }

    /// Keeps a connection for the next request to the same origin.
    pub(super) fn put_back(&self, origin: &Arc<Origin>, mut connection: Box<Http1>) {
        let mut idle = self.0.idle.borrow_mut();
        if idle.is_for(origin) {
            connection.rest();
            idle.http1.push(Waiting { connection, since: Instant::now(), _counted: self.0.metrics.idle() });
        }
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

impl Idle {
    fn is_for(&self, origin: &Arc<Origin>) -> bool {
        self.origin.as_ref().is_some_and(|current| Arc::ptr_eq(current, origin) || current == origin)
    }

    fn turn_to(&mut self, origin: &Arc<Origin>) {
        if !self.is_for(origin) {
            *self = Self { origin: Some(Arc::clone(origin)), ..Self::default() };
        }
    }
}

/// Closes connections that have waited too long, before upstream does.
async fn sweep(shared: Weak<Shared>) {
    let mut ticks = interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let limit = shared.connector.timeouts().pool_idle;
        shared.idle.borrow_mut().http1.retain(|waiting| waiting.since.elapsed() < limit);
    }
}

const SWEEP: Duration = Duration::from_secs(2);
