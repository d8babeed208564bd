//! The worker threads, and the connections each has.

use std::{
    future::Future,
    io,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use prometheus::IntGauge;
use tokio::{
    runtime::{self, LocalOptions},
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    downstream::{Accepted, Listeners},
    proxy::{self, Proxy, ProxyError, Worker},
    server::farewells::{Farewell, Farewells},
    upstream::{self, Connector, Upstream},
};

/// Running worker threads. Dropped, they drain on their own.
#[derive(Debug)]
pub struct Workers {
    threads: Vec<Thread>,
    limit: usize,
    farewells: Farewells,
    metrics: proxy::Metrics,
    /// The word that nothing is waited for any more.
    at_once: CancellationToken,
}

/// How serving ended that was told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// After what was under way had ended, but for so many connections that took too long.
    Drained {
        /// Connections with a request or an answer that was broken off.
        broken_off: usize,
    },
    /// Without waiting for what was under way.
    AtOnce,
}

#[derive(Debug)]
struct Thread {
    connections: mpsc::UnboundedSender<Arrival>,
    load: Arc<AtomicUsize>,
    ended: oneshot::Receiver<usize>,
}

/// A connection on its way to its worker.
#[derive(Debug)]
enum Arrival {
    Serve(Accepted, Load),
    TurnAway(Accepted, ProxyError, Farewell),
}

/// One connection's share of a worker's load. It lives as long as the connection's task, and ends with it however
/// that does.
#[derive(Debug)]
struct Load {
    thread: Arc<AtomicUsize>,
    all: IntGauge,
}

impl Load {
    fn one_more(thread: &Arc<AtomicUsize>, all: IntGauge) -> Self {
        thread.fetch_add(1, Ordering::Relaxed);
        all.inc();
        Self { thread: Arc::clone(thread), all }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.thread.fetch_sub(1, Ordering::Relaxed);
        self.all.dec();
    }
}

/// Why serving ended in a way that was not asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No thread or runtime could be had.
    #[error("cannot start a worker thread: {0}")]
    Spawn(#[source] io::Error),
    /// A worker thread is gone, which only a defect can cause.
    #[error("a worker thread ended unexpectedly")]
    WorkerGone,
}

impl Workers {
    /// Starts `count` threads (at least one), each with a way to upstream of its own, on which `warm` connections wait
    /// ahead of requests. A request or answer of theirs that is still under way `drain` after [`run`](Self::run) was told
    /// to stop is broken off.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(
        count: usize,
        proxy: &Arc<Proxy>,
        connector: &Connector,
        metrics: &upstream::Metrics,
        warm: usize,
        drain: Duration,
    ) -> Result<Self, ServeError> {
        let at_once = CancellationToken::new();
        let threads = (0..count.max(1))
            .map(|index| {
                let at_once = at_once.clone();
                let (connections, arrivals) = mpsc::unbounded_channel();
                let (end, ended) = oneshot::channel();
                let (proxy, connector, metrics) = (Arc::clone(proxy), connector.clone(), metrics.clone());
                // Made where it lives: a runtime that finds no thread would else be dropped in the control thread's,
                // which is a panic.
                let (say, made) = std::sync::mpsc::sync_channel(1);
                let body = move || {
                    let (runtime, told) = match runtime::Builder::new_current_thread()
                        .enable_all()
                        .build_local(LocalOptions::default())
                    {
                        Ok(runtime) => (Some(runtime), Ok(())),
                        Err(error) => (None, Err(error)),
                    };
                    // Whoever starts this thread waits for it.
                    let _ = say.send(told);
                    let Some(runtime) = runtime else { return };
                    let work = async move {
                        let upstream = Upstream::new(connector, proxy.limits.head_bytes, warm, metrics);
                        work(Rc::new(Worker::new(proxy, upstream)), arrivals, drain, at_once).await
                    };
                    let broken_off = runtime.block_on(work);
                    // First, since what is broken off says so as it is dropped, and whoever waits closes the log.
                    drop(runtime);
                    // Nobody listens any more when the process ends without waiting.
                    let _ = end.send(broken_off);
                };
                thread::Builder::new()
                    .name(format!("worker-{index}"))
                    .spawn(body)
                    .map_err(ServeError::Spawn)?;
                made.recv().map_err(|_| ServeError::WorkerGone)?.map_err(ServeError::Spawn)?;
                Ok(Thread { connections, load: Arc::default(), ended })
            })
            .collect::<Result<_, _>>()?;
        let (limit, metrics) = (proxy.limits.connections, proxy.metrics.clone());
        Ok(Self { threads, limit, farewells: Farewells::default(), metrics, at_once })
    }

    /// Accepts until `stop`, then drains; `at_once` breaks off whatever is left of that. Each request that is broken
    /// off has been counted and logged by then.
    ///
    /// # Errors
    /// When a worker is gone.
    pub async fn run(
        self,
        listeners: Listeners,
        stop: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
    ) -> Result<Ended, ServeError> {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listeners.accept() => self.hand_over(accepted)?,
            }
        }
        drop(listeners);
        // All are told before any is waited for, so that the bound is one for all: the sender's end is the word.
        let ended: Vec<_> = self.threads.into_iter().map(|thread| thread.ended).collect();
        let drained = async {
            let mut broken_off = 0;
            for ended in ended {
                broken_off += ended.await.map_err(|_| ServeError::WorkerGone)?;
            }
            Ok(Ended::Drained { broken_off })
        };
        tokio::pin!(drained);
        tokio::select! {
            ended = &mut drained => return ended,
            () = at_once => self.at_once.cancel(),
        }
        // A thread that the disk or the log holds up is not waited for.
        match timeout(LAST_WORDS, drained).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(Ended::AtOnce),
        }
    }

    fn hand_over(&self, accepted: Accepted) -> Result<(), ServeError> {
        let load = |thread: &&Thread| thread.load.load(Ordering::Relaxed);
        let open: usize = self.threads.iter().map(|thread| load(&thread)).sum();
        let thread = self.threads.iter().min_by_key(load).ok_or(ServeError::WorkerGone)?;
        let arrival = if open < self.limit && accepted.is_admitted() {
            Arrival::Serve(accepted, Load::one_more(&thread.load, self.metrics.connections()))
        } else if let Some(farewell) = self.farewells.take() {
            let why = if accepted.is_admitted() {
                ProxyError::TooManyConnections { connections: self.limit }
            } else {
                ProxyError::ForeignUser(accepted.peer().clone())
            };
            Arrival::TurnAway(accepted, why, farewell)
        } else {
            self.metrics.turned_away();
            return Ok(());
        };
        thread.connections.send(arrival).map_err(|_| ServeError::WorkerGone)
    }
}

/// What one worker thread does. Returns how many connections it had to break off.
async fn work(
    worker: Rc<Worker>,
    mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    drain: Duration,
    at_once: CancellationToken,
) -> usize {
    let tasks = TaskTracker::new();
    // Ends with this thread's runtime.
    tokio::task::spawn_local(Rc::clone(&worker).follow_session());
    // Ends when accepting does; what was accepted before is still served.
    while let Some(arrival) = arrivals.recv().await {
        let worker = Rc::clone(&worker);
        tasks.spawn_local(async move {
            match arrival {
                Arrival::Serve(accepted, load) => {
                    worker.serve(accepted).await;
                    drop(load);
                }
                Arrival::TurnAway(accepted, why, farewell) => {
                    Box::pin(worker.turn_away(accepted, why)).await;
                    drop(farewell);
                }
            }
        });
    }
    tasks.close();
    worker.drain();
    tokio::select! {
        _ = timeout(drain, tasks.wait()) => {}
        () = at_once.cancelled() => {}
    }
    // Those that are left are dropped with this thread's runtime, and each says what it was.
    tasks.len()
}

/// How long the threads have to log what they break off at once.
const LAST_WORDS: Duration = Duration::from_secs(1);
