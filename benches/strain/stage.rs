//! The proxy's own parts between an upstream and the callers, with a session that can be published anew.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::AtomicUsize,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;
use prometheus::Registry;
use tokio::{runtime, sync::oneshot};
use tradovate_proxy::{
    audit::AuditLog,
    auth::{Generation, Publisher, Session, State, Status, User, channel},
    bearer::Bearer,
    budget::{Budget, Policy},
    callers::{self, Callers},
    clock::Clock,
    downstream::{Listeners, SocketAccess},
    guard::{self, Guards, Marker},
    idempotency::{Bounds, Journal, Register},
    origin::Origin,
    proxy::{Api, Buffered, Limits, Metrics, Proxy, Timeouts},
    server::Workers,
    tradovate::Endpoints,
    upstream::{self, Connector, tls},
};

use crate::{machine, upstream as server};

/// Workers that serve, until dropped.
pub(crate) struct Stage {
    address: SocketAddr,
    sessions: Sessions,
    _stop: oneshot::Sender<()>,
}

/// One session after another, all alike.
struct Sessions {
    publisher: Publisher,
    origin: Arc<Origin>,
    clock: Clock,
    last: u64,
}

impl Stage {
    /// So many workers, who let in `places` requests at a time, before an upstream that takes `delay` for one.
    pub(crate) fn set(workers: usize, places: usize, delay: Duration) -> anyhow::Result<Self> {
        let (clock, registry) = (Clock::system(), Registry::new());
        let origin = Arc::new(format!("http://{}", server::start(delay)?).parse()?);
        let (publisher, session) = channel(clock.clone(), Status::starting(clock.now()));
        let mut sessions = Sessions { publisher, origin, clock: clock.clone(), last: 0 };
        sessions.publish()?;

        let limits = Limits { concurrent_requests: places, ..Limits::default() };
        let metrics = Metrics::register(&registry)?;
        let (guards, sweeps) = Guards::start(
            "demo",
            guard::Rules::default(),
            Marker::Nowhere,
            guard::Metrics::register(&registry)?,
            clock.clone(),
        )?;
        let proxy = Arc::new(Proxy {
            session,
            callers: Callers::new(
                callers::Listener::Proxy,
                callers::Rules::default(),
                &callers::Metrics::register(&registry)?,
            ),
            api: Api::Tradovate,
            endpoints: Endpoints::new(),
            limits,
            timeouts: Timeouts::default(),
            budget: Arc::new(Budget::new(Policy::unlimited(), clock.clone())),
            content_types: Vec::new(),
            guards,
            register: Register::start(Journal::Memory, Bounds::default(), clock.clone())?,
            audit: AuditLog::off(clock.clone()),
            clock,
            in_progress: AtomicUsize::new(0),
            buffered: Buffered::new(limits.buffered_bytes, metrics.buffered()),
            metrics,
        });
        let connector = Connector::new(
            Arc::new(tls::client_config(&[], tls::Alpn::Http1)?),
            upstream::Timeouts::default(),
        );
        let upstreams = upstream::Metrics::register(&registry)?;

        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            let _sweeps = sweeps;
            runtime.block_on(async move {
                let workers = Workers::start(workers, &proxy, &connector, &upstreams, 0, Duration::ZERO)?;
                let door = Listeners::bind(&"127.0.0.1:0".parse()?, None, &SocketAccess::default())
                    .ok()
                    .context("there is no port to listen at")?;
                tell.send(door.addresses()?.tcp().context("it listens at no port")?)?;
                let stopped = async {
                    // Dropped is as good as told.
                    let _ = stopped.await;
                };
                workers.run(door, stopped, std::future::pending()).await?;
                anyhow::Ok(())
            })
        })?;
        let address = told.recv().context("the workers did not start")?;
        Ok(Self { address, sessions, _stop: stop })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long the threads of all workers have run.
    pub(crate) fn workers_ran() -> Duration {
        machine::running().iter().filter(|(name, _)| name.starts_with("worker-")).map(|(_, ran)| *ran).sum()
    }

    /// Does something while a session is published again and again.
    pub(crate) fn while_publishing<T: Send>(
        &mut self,
        pause: Duration,
        work: impl FnOnce(SocketAddr) -> T + Send,
    ) -> anyhow::Result<T> {
        let (sessions, address) = (&mut self.sessions, self.address);
        let (done, wait) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let publishing = scope.spawn(move || {
                while wait.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    sessions.publish()?;
                }
                anyhow::Ok(())
            });
            let result = work(address);
            drop(done);
            publishing.join().ok().context("the publications ended early")??;
            Ok(result)
        })
    }
}

impl Sessions {
    fn publish(&mut self) -> anyhow::Result<()> {
        self.last += 1;
        let now = self.clock.now();
        let session = Session {
            bearer: Bearer::new(&format!("{}{}", "x".repeat(500), self.last).into())?,
            expires_at: now + Duration::from_secs(3600),
            issued_at: now,
            generation: Generation(self.last),
            origin: Arc::clone(&self.origin),
            user: User::default(),
        };
        self.publisher.publish(session, Status { state: State::Live, ..Status::starting(now) });
        Ok(())
    }
}
