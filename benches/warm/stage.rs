//! The simulated API behind the relay, and the proxy in front of it.

use std::{mem, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_rustls::TlsConnector;
use tradovate_proxy::{
    app::{App, Seat, Source},
    auth::{Reader, Vault},
    clock::Clock,
    config::{Config, Environment, Flags, Purpose},
    guard::Marker,
    sandbox::{CREDENTIALS, Options, Rules, Sandbox},
};

use crate::{
    caller::{Caller, Took, all_order},
    relay::{Relay, Seen, Way},
};

/// All but the proxy.
pub(crate) struct Stage {
    sandbox: Sandbox,
    clock: Clock,
    relay: Relay,
    files: TempDir,
}

/// A running proxy with a worker for each order, and a caller for each worker.
pub(crate) struct Running {
    callers: Vec<Caller>,
    clock: Clock,
    admin: SocketAddr,
    session: Reader,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

impl Stage {
    /// Upstream closes what is silent for `idle_limit`.
    pub(crate) async fn set(delay: Duration, idle_limit: Option<Duration>) -> anyhow::Result<Self> {
        let clock = Clock::simulated_from_now();
        let home_host = Some(HOMES[0].to_owned());
        let rules = Rules { requests_per_hour: None, home_host, ..Rules::default() };
        let https = Some("127.0.0.1:0".parse()?);
        let options = Options { rules, https, clock: clock.clone(), ..Options::default() };
        let sandbox = Sandbox::start(options).await?;
        let upstream = sandbox.https_addr().context("it speaks TLS")?;
        let relay = Relay::start(upstream, Way { delay, idle_limit })?;
        let files = tempfile::tempdir()?;
        std::fs::write(files.path().join(CA), sandbox.ca_pem())?;
        Ok(Self { sandbox, clock, relay, files })
    }

    /// A proxy whose every worker has a connection to upstream waiting.
    pub(crate) async fn proxy(&self, orders: usize) -> anyhow::Result<Running> {
        let config = self.config(orders)?;
        let seat = Seat {
            environment: config.environment.name(),
            source: Source::new(&config, &self.clock)?,
            vault: Vault::open(&self.files.path().join(STATE))?,
            marker: Marker::Nowhere,
            clock: self.clock.clone(),
            audit: None,
        };
        let app = App::bind(&config, seat).await?;
        let address = app.listen()?.tcp().context("it listens at no port")?;
        let admin = app.admin_listen()?.tcp().context("it listens at no port")?;
        let (stop, stopped) = oneshot::channel::<()>();
        let session = app.session();
        let served = tokio::spawn(async move {
            let stopped = async {
                // That the sender is dropped is what tells.
                let _ = stopped.await;
            };
            app.run(stopped).await.expect("the proxy serves until it is told to stop");
        });
        session.wait(PATIENCE).await.context("the proxy got no token")?;
        let mut callers = Vec::new();
        for _ in 0..orders {
            // Each goes to the worker that has the fewest, so each to another.
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            callers.push(Caller::new(stream, "Host: localhost\r\n"));
        }
        let running = Running { callers, clock: self.clock.clone(), admin, session, stop, served };
        running.has_connections_for_all().await?;
        Ok(running)
    }

    fn config(&self, orders: usize) -> anyhow::Result<Config> {
        let file = |name: &str| Path::join(self.files.path(), name).display().to_string();
        let settings = [
            ("TRADOVATE_NAME", CREDENTIALS.name.to_owned()),
            ("TRADOVATE_PASSWORD", CREDENTIALS.password.to_owned()),
            ("TRADOVATE_APP_ID", CREDENTIALS.app_id.to_owned()),
            ("TRADOVATE_CID", CREDENTIALS.cid.to_string()),
            ("TRADOVATE_SEC", CREDENTIALS.sec.to_owned()),
            ("TRADOVATE_DEVICE_ID", CREDENTIALS.device_id.to_owned()),
            ("TRADOVATE_PROXY_UPSTREAM_URL", format!("https://{}:{}", HOMES[0], self.relay.address.port())),
            ("TRADOVATE_PROXY_UPSTREAM_CA", file(CA)),
            ("TRADOVATE_PROXY_TRUSTED_HOSTS", "api.localhost".to_owned()),
            ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:0".to_owned()),
            ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("TRADOVATE_PROXY_WORKERS", orders.to_string()),
            // Callers wait as long as the longest silence.
            ("TRADOVATE_PROXY_TIMEOUT_KEEP_ALIVE", "1h".to_owned()),
            ("TRADOVATE_PROXY_BUDGET_PER_HOUR", "off".to_owned()),
            ("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "off".to_owned()),
        ];
        Ok(Config::load(Purpose::Serve, &Flags::default(), &Environment::from_iter(settings))?)
    }

    /// One order on each worker.
    pub(crate) async fn orders(&self, proxy: &mut Running) -> anyhow::Result<Took> {
        let (callers, took) = all_order(mem::take(&mut proxy.callers)).await?;
        proxy.callers = callers;
        self.sandbox.control().forget_requests();
        Ok(took)
    }

    /// As many by callers who log in and connect themselves, over the same way.
    pub(crate) async fn orders_without_a_proxy(&self, orders: usize) -> anyhow::Result<Took> {
        let proxy = self.proxy(1).await?;
        let session = proxy.session.wait(PATIENCE).await.context("a session")?;
        let bearer = String::from_utf8(session.bearer.as_bytes().to_vec())?;
        drop(session);
        proxy.stop().await?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.sandbox.ca_pem().as_bytes())?)?;
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(tls));
        // A few, again and again: a connection of one's own is not a silent one.
        let mut callers = Vec::new();
        for _ in 0..orders.min(50) {
            let tcp = TcpStream::connect(self.relay.address).await?;
            tcp.set_nodelay(true)?;
            let stream = connector.connect(HOMES[0].try_into()?, tcp).await?;
            let fields = format!("Host: {}\r\nAuthorization: {bearer}\r\n", HOMES[0]);
            callers.push(Caller::new(stream, &fields));
        }
        let mut all = Took::default();
        while all.count() < orders {
            let (done, took) = all_order(callers).await?;
            callers = done;
            all.add(took);
        }
        Ok(all)
    }

    /// The session's next token is for another host.
    pub(crate) fn move_home(&self) {
        self.sandbox.control().change_rules(|rules| rules.home_host = Some(HOMES[1].to_owned()));
    }

    pub(crate) fn seen(&self) -> Seen {
        self.relay.seen()
    }
}

impl Running {
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        drop((self.stop, self.callers));
        Ok(self.served.await?)
    }

    /// Lets a renewal become due, and waits for its token.
    pub(crate) async fn renew(&self) -> anyhow::Result<()> {
        let generation = self.session.last().context("a session")?.generation;
        self.clock.advance(RENEWAL_IS_DUE).context("the clock is simulated")?;
        self.session.newer_than(generation, PATIENCE).await.context("no newer token came")?;
        Ok(())
    }

    /// Orders that found no connection waiting, until now.
    pub(crate) async fn handshakes(&self) -> anyhow::Result<u64> {
        self.counted("tradovate_proxy_upstream_connects_total{by=\"request\",result=\"ok\"}").await
    }

    /// Waits until one waits on every worker, by all that can be seen from outside: as many as all are to have.
    pub(crate) async fn has_connections_for_all(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        // A move is followed by each worker in its own time.
        sleep(SETTLED).await;
        while self.counted("tradovate_proxy_upstream_connections{state=\"idle\"}").await?
            < 2 * self.callers.len() as u64
        {
            if Instant::now() > deadline {
                bail!("not every worker has its connections");
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn counted(&self, series: &str) -> anyhow::Result<u64> {
        let mut stream = TcpStream::connect(self.admin).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {series}"))?.parse()?)
    }
}

const HOMES: [&str; 2] = ["a.api.localhost", "b.api.localhost"];
const CA: &str = "ca.pem";
const STATE: &str = "state";
const RENEWAL_IS_DUE: Duration = Duration::from_secs(65 * 60);
const SETTLED: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(120);
