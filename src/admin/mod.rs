//! What operators, probes and scrapers see, on a listener of its own, so that nothing is taken from the paths
//! that belong to callers.
//!
//! | route | answer |
//! |---|---|
//! | `/` | the same as `/status`, as a page for people |
//! | `/livez` | 200 while the process runs: a session that is down is no reason to restart, and a restart loop would be a login loop |
//! | `/readyz` | 200 while a token is live; else, or while the process drains, 503 with the reason in one line and `Retry-After` |
//! | `/status` | everything known of the session, as JSON |
//! | `/metrics` | Prometheus text |
//! | `POST /guards/kill`, `release` | the kill switch afterwards, and what became of working orders |
//! | `POST /session/renew`, `acquire`, `pause`, `resume` | the session afterwards, or why not |
//! | `POST /idempotency/forget?key=…` | whether the key of an order is free again |
//!
//! The invariant: looking changes nothing, and nothing here holds a secret: no token is loaded other than for its
//! expiry and generation. What changes something is an operator's order, given to the
//! [console](crate::auth::Console) by `POST` only, and from this machine or with a key only (see `admission`).
//! Every route, to look or to change, is held to the rules of [`callers`](crate::callers): a rebound name, a web page,
//! and, where keys are asked for, whoever has none, are turned away. Only `/livez` and `/readyz` answer without a key,
//! and then without a reason: a kubelet has none to show. Heads, bodies, connections and their lives are bounded: a
//! stuck scraper costs one of the `places` for three minutes at most, and none that an operator needs.

mod admission;
mod advice;
mod errand;
mod exposition;
mod foreigners;
mod forget;
mod kill;
mod orders;
mod page;
mod places;
mod problem;
mod routes;
mod rows;
mod status;
mod times;

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use prometheus::Registry;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    audit::AuditLog,
    auth::{self, Console},
    budget::Budget,
    callers::{Callers, Reach},
    clock::Clock,
    downstream::{Accepted, Addresses, Listeners},
    guard::Guards,
    idempotency::Register,
    origin::Origin,
};

use self::{
    admission::Ends,
    foreigners::Foreigners,
    places::{Places, Silence},
};
pub use self::{
    errand::{BadSpan, span},
    kill::SwitchReport,
    rows::Row,
    status::{Report, SessionReport},
};

/// What the routes answer from. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    reader: auth::Reader,
    console: Console,
    budget: Arc<Budget>,
    guards: Arc<Guards>,
    registry: Registry,
    register: Register,
    facts: Facts,
    started: Instant,
    draining: AtomicBool,
}

/// What does not change while the process runs.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `demo`, `live` or `sandbox`.
    pub environment: &'static str,
    /// Where requests go as long as no session says otherwise.
    pub origin: Origin,
    /// Where callers connect.
    pub listen: Addresses,
    /// Whether they speak TLS there, Unix sockets aside.
    pub tls: bool,
    /// The same for these routes.
    pub admin_tls: bool,
    /// Where these routes answer.
    pub admin_listen: Addresses,
    /// From where each can be reached.
    pub reach: Reach,
    /// The same for these routes.
    pub admin_reach: Reach,
    /// Who may call there: a handle, whose rules may change.
    pub callers: Callers,
    /// Who may call here: the same.
    pub operators: Callers,
    /// The clock that expiry is judged by.
    pub clock: Clock,
    /// Where orders are written down.
    pub audit: AuditLog,
}

impl Admin {
    /// Adds the process's own metrics and `tradovate_proxy_build_info` to `registry`. Fails where those are in
    /// it already.
    pub fn new(
        reader: auth::Reader,
        console: Console,
        budget: Arc<Budget>,
        guards: Arc<Guards>,
        registry: Registry,
        register: Register,
        facts: Facts,
    ) -> Result<Self, prometheus::Error> {
        exposition::register(&registry)?;
        let (started, draining) = (Instant::now(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner {
            reader,
            console,
            budget,
            guards,
            registry,
            register,
            facts,
            started,
            draining,
        })))
    }

    /// Says from now on that this process is not ready: it was told to stop, and a load balancer should send its
    /// requests elsewhere.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }
}

impl Inner {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether requests are served, and more may come.
    fn is_ready(&self) -> bool {
        !self.is_draining() && self.reader.current().is_some()
    }
}

/// Answers until `shutdown` ends, then lets answers under way finish for at most [`DRAIN`]. Cancel safe: dropped,
/// it closes everything at once.
pub async fn serve(listeners: Listeners, admin: Admin, shutdown: impl Future<Output = ()>) {
    let mut shutdown = pin!(shutdown);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let (mut places, mut foreigners) = (Places::default(), Foreigners::default());
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listeners.accept() => {
                let peer = accepted.peer().clone();
                if accepted.is_admitted() {
                    let begin = |silence| {
                        connections.spawn(converse(accepted, admin.clone(), silence, graceful.watcher()))
                    };
                    if !places.take(&peer, begin) {
                        tracing::debug!(%peer, "admin connection refused: each that is open is being answered");
                    }
                } else if foreigners.is_news(&peer) {
                    tracing::warn!(%peer, "an admin connection was refused: name the user in socket-users, if it is one of yours");
                }
            }
        }
    }
    drop(listeners);
    // Past it, the drop of `connections` ends what is left.
    let _ = tokio::time::timeout(DRAIN, graceful.shutdown()).await;
}

async fn converse(accepted: Accepted, admin: Admin, silence: Silence, watcher: Watcher) {
    let Some((stream, peer)) = accepted.open(HEAD_TIMEOUT).await else { return };
    let ends = Ends { local: stream.arrived_at(), peer };
    let service = service_fn(async |request| {
        let _asked = silence.broken();
        Ok::<_, Infallible>(routes::respond(&admin.0, &ends, request).await)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        // RFC 9112 §9.6: a peer that has closed its side only may still wait for its answer.
        .half_close(true)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    // The timeout is for readers that take nothing; between requests the head's own is shorter.
    match tokio::time::timeout(CONNECTION_LIFE, watcher.watch(connection)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
        Err(_) => tracing::debug!("admin connection closed: its time was up"),
    }
}

/// How long answers under way may take once told to stop.
pub const DRAIN: Duration = Duration::from_secs(2);

const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_BYTES: usize = 8 * 1024;
/// Enough for an order, which may wait for an attempt under way and then take as long as one itself
/// (`RenewalPolicy::attempt_timeout`); and for a kill that cancels, which looks twice and waits in between.
const CONNECTION_LIFE: Duration = Duration::from_secs(210);

#[cfg(test)]
mod tests;
