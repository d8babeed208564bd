//! The one module that knows all the others: builds them, binds, runs them beside each other, drains.
//!
//! ```text
//! control thread   accept ─ admin ─ renewer ─ reload ─ signals
//! worker threads   requests                              (crate::server)
//! ```
//!
//! Whichever part ends before it was told to takes the process down with an error: a proxy whose session task
//! has died silently is the worst state there is.

mod core_dump;
mod descriptors;
mod device;
mod error;
mod panics;
mod parts;
mod reload;
mod sandbox;
mod serve;
mod signals;
mod source;

use std::{
    future::{self, Future},
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

use prometheus::Registry;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

pub use core_dump::forbid_core_dumps;
pub use descriptors::raise_descriptor_limit;
pub use error::AppError;
pub use panics::report_panics;
pub use sandbox::sandbox;
pub use serve::{Launch, serve};
pub use signals::{Hangups, Kills, Signals};
pub use source::{Source, Tradovate};

use crate::{
    admin::{self, Admin, Facts},
    app::reload::Controls,
    audit::{self, AuditLog},
    auth::{self, Reader, Renewer, TokenSource as _, Vault},
    budget::{self, Budget},
    callers::{self, Callers, Listener, Protection, Reach},
    clock::Clock,
    config::Config,
    downstream::{self, Address, Addresses, Listeners, SocketAccess, Tls, Unbound},
    guard::{self, Guards, Sweeps},
    idempotency::Register,
    proxy::{self, Buffered, Canceller, Proxy},
    server::{Ended, Workers},
    tradovate::Endpoints,
    upstream::{self, Connector, tls},
};

/// Whose session is held, where, and what is remembered of it.
#[derive(Debug)]
pub struct Seat {
    /// `demo`, `live` or `sandbox`.
    pub environment: &'static str,
    /// What hands out the tokens.
    pub source: Source,
    /// Where the session is kept over restarts.
    pub vault: Vault,
    /// Where the kill switch is kept over restarts.
    pub marker: guard::Marker,
    /// What expiry is judged by.
    pub clock: Clock,
    /// How orders are written down, if they are.
    pub audit: Option<audit::Options>,
}

/// A proxy that has been put together and bound, and serves nobody yet.
#[derive(Debug)]
pub struct App {
    listeners: Listeners,
    admin_listeners: Listeners,
    admin: Admin,
    renewer: Renewer<Source>,
    workers: Workers,
    session: Reader,
    guards: Arc<Guards>,
    canceller: Canceller,
    sweeps: Sweeps,
    controls: Controls,
    audit: AuditLog,
    register: Register,
    drain: Duration,
}

impl App {
    /// Builds every part and binds both listeners. Sends nothing.
    ///
    /// # Errors
    /// When an address is taken or a part cannot be had; the text says what to do.
    #[expect(clippy::unused_async, reason = "listeners need a runtime around them, and this says so")]
    pub async fn bind(config: &Config, seat: Seat) -> Result<Self, AppError> {
        let registry = Registry::new();
        registry.register(Box::new(panics::counter()))?;
        let handshakes = downstream::Metrics::register(&registry)?;
        let listening = &config.listening;
        let identity = listening.tls.clone().map(|identity| Tls::new(identity, handshakes));
        let (tls, access) = (identity.as_ref(), &listening.sockets);
        let admin_tls = tls.filter(|_| listening.admin_tls);
        let listeners = bind("proxy", "--listen", &listening.callers, tls, access)?;
        let admin_listeners = bind("admin", "--admin-listen", &listening.admin, admin_tls, access)?;
        let alpn = if config.upstream_http2 { tls::Alpn::Http2OrHttp1 } else { tls::Alpn::Http1 };
        let tls = tls::client_config(&config.upstream_ca, alpn).map_err(AppError::Tls)?;

        let strangers = callers::Metrics::register(&registry)?;
        let audit = parts::audit_log(&seat, &registry)?;
        let facts = Facts {
            environment: seat.environment,
            origin: seat.source.origin().clone(),
            listen: listeners.addresses().map_err(AppError::Listener)?,
            tls: identity.is_some(),
            admin_listen: admin_listeners.addresses().map_err(AppError::Listener)?,
            reach: reach(&listening.callers, listening.requires_client_certificates()),
            admin_tls: admin_tls.is_some(),
            admin_reach: reach(
                &listening.admin,
                listening.admin_tls && listening.requires_client_certificates(),
            ),
            callers: Callers::new(Listener::Proxy, config.callers.clone(), &strangers),
            operators: Callers::new(Listener::Admin, config.operators.clone(), &strangers),
            clock: seat.clock.clone(),
            audit: audit.clone(),
        };
        warn_if_open("the proxy", &facts.callers, facts.reach, &facts.listen);
        warn_if_open("the admin listener", &facts.operators, facts.admin_reach, &facts.admin_listen);
        let (guards, sweeps) = parts::guards(&seat, config, &registry)?;
        let (console, orders) = auth::console();
        let (sender, changes) = mpsc::channel(reload::PENDING);
        let budget = Arc::new(Budget::new(config.budget, facts.clock.clone()));
        budget::register(&registry, &budget)?;
        let controls = Controls {
            changes: sender,
            seat: seat.source.seat(),
            budget: Arc::clone(&budget),
            tls: identity,
            callers: facts.callers.clone(),
            operators: facts.operators.clone(),
            metrics: reload::Metrics::register(&registry, facts.clock.wall())?,
            guards: Arc::clone(&guards),
            clock: facts.clock.clone(),
        };
        let register = parts::register(&seat, config)?;
        let (renewer, session) = parts::session(seat, config.policy, orders, changes, &registry)?;
        let metrics = proxy::Metrics::register(&registry)?;
        let proxy = Proxy {
            budget: Arc::clone(&budget),
            session: session.clone(),
            callers: facts.callers.clone(),
            api: config.api,
            endpoints: Endpoints::new(),
            limits: config.limits,
            timeouts: config.timeouts,
            content_types: config.content_types.clone(),
            guards: Arc::clone(&guards),
            register: register.clone(),
            clock: facts.clock.clone(),
            audit: audit.clone(),
            in_progress: AtomicUsize::new(0),
            buffered: Buffered::new(config.limits.buffered_bytes, metrics.buffered()),
            metrics,
        };
        let connector = Connector::new(Arc::new(tls), config.upstream_timeouts);
        let upstream = upstream::Metrics::register(&registry)?;
        let proxy = Arc::new(proxy);
        let (count, warm) = (config.workers.get(), config.upstream_warm);
        let workers = Workers::start(count, &proxy, &connector, &upstream, warm, config.drain)?;
        let canceller = Canceller { proxy, connector, upstream };
        let admin = Admin::new(
            session.clone(),
            console,
            budget,
            Arc::clone(&guards),
            registry,
            register.clone(),
            facts,
        )?;
        Ok(Self {
            listeners,
            admin_listeners,
            admin,
            renewer,
            workers,
            session,
            guards,
            canceller,
            sweeps,
            controls,
            audit,
            register,
            drain: config.drain,
        })
    }

    /// Where callers connect.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn listen(&self) -> Result<Addresses, AppError> {
        self.listeners.addresses().map_err(AppError::Listener)
    }

    /// Where probes, scrapers and operators connect.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn admin_listen(&self) -> Result<Addresses, AppError> {
        self.admin_listeners.addresses().map_err(AppError::Listener)
    }

    /// The session that this proxy will hold.
    pub fn session(&self) -> Reader {
        self.session.clone()
    }

    /// What it does not let pass.
    pub fn guards(&self) -> Arc<Guards> {
        Arc::clone(&self.guards)
    }

    /// What changes it while it runs.
    fn controls(&self) -> Controls {
        self.controls.clone()
    }

    /// Serves until `stop`, then drains: new connections are refused, requests in flight finish within their
    /// bound, and only then do session and admin listener end.
    ///
    /// # Errors
    /// When a part ended that should not have.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), AppError> {
        self.run_until(stop, future::pending()).await
    }

    /// The same, and `at_once` ends it without waiting; an order in flight is then logged as one whose outcome is
    /// unknown.
    ///
    /// # Errors
    /// When a part ended that should not have.
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()>,
        at_once: impl Future<Output = ()>,
    ) -> Result<(), AppError> {
        tokio::pin!(at_once);
        let (end, ending) = watch::channel(());
        let ended = |mut ending: watch::Receiver<()>| async move {
            // The sender says nothing: that it is gone is the message.
            while ending.changed().await.is_ok() {}
        };
        let mut session = tokio::spawn(self.renewer.run(ended(ending.clone())));
        let mut admin = tokio::spawn(admin::serve(self.admin_listeners, self.admin.clone(), ended(ending)));
        // Neither ends before it is ended.
        let watching = Arc::clone(&self.guards);
        let mut guards = tokio::spawn(async move {
            tokio::join!(watching.watch(), self.canceller.run(self.sweeps));
        });
        let stopped = OnceLock::new();
        let stop = async {
            stop.await;
            stopped.get_or_init(Instant::now);
            self.admin.drain();
        };
        let ended = tokio::select! {
            served = self.workers.run(self.listeners, stop, &mut at_once) => served?,
            _ = &mut session => return Err(AppError::Ended { part: "session" }),
            _ = &mut admin => return Err(AppError::Ended { part: "admin" }),
            _ = &mut guards => return Err(AppError::Ended { part: "guards" }),
        };
        // Or the next process would take an order that was answered for one whose outcome is unknown.
        let _ = timeout(LAST_LINES, self.register.flush()).await;
        let is_patient = match ended {
            Ended::AtOnce => false,
            Ended::Drained { broken_off } => {
                if broken_off > 0 {
                    tracing::warn!(
                        connections = broken_off,
                        "broken off after the drain timeout; raise drain-timeout if that was work"
                    );
                }
                // A kill has what is left of the time that requests have.
                let limit = *stopped.get_or_init(Instant::now) + self.drain;
                if self.guards.has_kills_under_way() {
                    tracing::warn!(
                        "a kill is under way: it has until the drain timeout to cancel working orders"
                    );
                }
                tokio::select! {
                    _ = timeout_at(limit, self.guards.settled()) => true,
                    () = &mut at_once => false,
                }
            }
        };
        // What a kill has not cancelled by now it leaves, and says so.
        self.guards.break_off();
        let _ = timeout(LAST_LINES, self.guards.settled()).await;
        guards.abort();
        if !is_patient {
            let _ = timeout(LAST_LINES, self.audit.finish()).await;
            return Ok(());
        }
        self.audit.finish().await;
        drop(end);
        tokio::select! {
            () = at_once => Ok(()),
            settled = async {
                settle(session, "session").await?;
                settle(admin, "admin").await
            } => settled,
        }
    }
}

/// From where a listener at these addresses can be reached.
fn reach(addresses: &Addresses, certified: bool) -> Reach {
    match (certified, addresses.iter().all(Address::is_local)) {
        (true, _) => Reach::Certified,
        (false, true) => Reach::Machine,
        (false, false) => Reach::Network,
    }
}

/// Says so at every start: what was allowed once for a test is easily forgotten.
fn warn_if_open(what: &str, callers: &Callers, reach: Reach, addresses: &Addresses) {
    if callers.protection(reach) == Protection::Open {
        tracing::warn!(
            %addresses,
            advice = "give callers keys (tradovate-proxy key NAME), or listen on loopback",
            "{what} can be reached from outside and asks nobody for a key (unsafe-open): whoever reaches it acts in \
             your account"
        );
    }
}

async fn settle(task: JoinHandle<()>, part: &'static str) -> Result<(), AppError> {
    task.await.map_err(|_| AppError::Ended { part })
}

fn bind(
    what: &'static str,
    flag: &'static str,
    addresses: &Addresses,
    tls: Option<&Arc<Tls>>,
    access: &SocketAccess,
) -> Result<Listeners, AppError> {
    let bound = Listeners::bind(addresses, tls, access);
    bound.map_err(|Unbound { address, error }| AppError::Bind { what, flag, address, source: error })
}

/// What the simulation is called where real ones are `demo` and `live`.
const SANDBOX: &str = "sandbox";

/// How long the disk has to take what became of the last orders.
const LAST_LINES: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
