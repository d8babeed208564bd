//! A whole proxy in this process, on free ports.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{sync::oneshot, task::JoinHandle};
use tradovate_proxy::{
    app::{App, Seat, Source},
    auth::{Reader, State, Vault},
    clock::Clock,
    config::{Config, Environment, Flags, Purpose},
    downstream::Addresses,
    guard::Marker,
    sandbox::CREDENTIALS,
};

use super::{client::Client, log, metrics::Metrics, wait::within};

/// How a proxy is to be set up: its settings, as a user would write them into the environment.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    settings: Vec<(String, String)>,
    clock: Clock,
    ca_pem: String,
    state: Option<PathBuf>,
    audited: bool,
}

/// A running proxy. Dropped, it is told to stop and left to it, or is ended with the test.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) session: Reader,
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Setup {
    /// In front of `upstream`, judging expiry by `clock`.
    pub(crate) fn before(upstream: &str, clock: &Clock) -> Self {
        let settings = [
            ("TRADOVATE_NAME", CREDENTIALS.name),
            ("TRADOVATE_PASSWORD", CREDENTIALS.password),
            ("TRADOVATE_APP_ID", CREDENTIALS.app_id),
            ("TRADOVATE_CID", &CREDENTIALS.cid.to_string()),
            ("TRADOVATE_SEC", CREDENTIALS.sec),
            ("TRADOVATE_DEVICE_ID", CREDENTIALS.device_id),
            ("TRADOVATE_PROXY_UPSTREAM_URL", upstream),
            ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:0"),
            ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:0"),
            // Whatever a test is about, it is not how many requests it sends.
            ("TRADOVATE_PROXY_BUDGET_PER_HOUR", "off"),
            ("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "off"),
            ("TRADOVATE_PROXY_BUDGET_HOLD", "0s"),
            // One pool of connections to upstream, so that which of them is used again is no accident.
            ("TRADOVATE_PROXY_WORKERS", "1"),
            // And none but those that a request has opened, so that each is the test's to count.
            ("TRADOVATE_PROXY_UPSTREAM_WARM", "0"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { settings, clock: clock.clone(), ca_pem: String::new(), state: None, audited: false }
    }

    /// The same with nothing to log in with.
    pub(crate) fn without_login(mut self) -> Self {
        self.settings.retain(|(set, _)| set.starts_with("TRADOVATE_PROXY_"));
        self
    }

    /// Keeping the session in this directory.
    pub(crate) fn stored_in(mut self, directory: &Path) -> Self {
        self.state = Some(directory.to_owned());
        self
    }

    /// Writing orders down in this directory.
    pub(crate) fn audited_in(mut self, directory: &Path) -> Self {
        self.audited = true;
        self.with("TRADOVATE_PROXY_AUDIT_DIR", directory.to_str().unwrap())
    }

    /// With one more setting, or another value for one.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(set, _)| set != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Trusting these certificates too.
    pub(crate) fn trusting(mut self, ca_pem: &str) -> Self {
        ca_pem.clone_into(&mut self.ca_pem);
        self
    }

    /// Starts it, and waits for nothing.
    pub(crate) async fn start(mut self) -> Proxy {
        log::is_heard();
        let ca = tempfile::NamedTempFile::new().unwrap();
        if !self.ca_pem.is_empty() {
            std::fs::write(ca.path(), &self.ca_pem).unwrap();
            self = self.with("TRADOVATE_PROXY_UPSTREAM_CA", ca.path().to_str().unwrap());
        }
        let environment = Environment::from_iter(self.settings);
        let config = Config::load(Purpose::Serve, &Flags::default(), &environment).unwrap();
        let marker = self.state.clone().map_or(Marker::Nowhere, Marker::In);
        let vault = self.state.map_or(Vault::Memory, |directory| Vault::open(&directory).unwrap());
        let mut seat = seat(&config, vault, marker, self.clock);
        // Its default is outside the test.
        seat.audit = config.audit.clone().filter(|_| self.audited);
        let app = App::bind(&config, seat).await.unwrap();
        let tcp = |addresses: Addresses| addresses.tcp().unwrap();
        let (address, admin) = (tcp(app.listen().unwrap()), tcp(app.admin_listen().unwrap()));
        let session = app.session();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let stopped = async {
                // That the sender is dropped is what tells.
                let _ = stopped.await;
            };
            app.run(stopped).await.unwrap();
        });
        Proxy { address, admin, session, stop, running }
    }

    /// Starts it, and waits for its first token.
    pub(crate) async fn live(self) -> Proxy {
        let proxy = self.start().await;
        proxy.reaches(State::Live).await;
        proxy
    }
}

fn seat(config: &Config, vault: Vault, marker: Marker, clock: Clock) -> Seat {
    let source = Source::new(config, &clock).unwrap();
    Seat { environment: config.environment.name(), source, vault, marker, clock, audit: None }
}

impl Proxy {
    /// Tells it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        within("the proxy to stop", self.running).await.unwrap();
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str, body: &str) -> super::Answer {
        self.client().await.ask(request, body).await
    }

    /// One request to the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> super::Answer {
        Client::connect(self.admin).await.ask(&format!("GET {path}"), "").await
    }

    /// Waits until the session is in this state.
    pub(crate) async fn reaches(&self, state: State) {
        let mut status = self.session.watch();
        let reached = status.wait_for(|status| status.state == state);
        within(&format!("a session that is {}", state.name()), reached).await.unwrap();
    }

    /// Waits until a token of this generation, or a later one, is in use.
    pub(crate) async fn reaches_generation(&self, generation: u64) {
        let mut status = self.session.watch();
        let reached =
            status.wait_for(|status| status.last_success.is_some_and(|(_, newest)| newest.0 >= generation));
        within(&format!("token {generation}"), reached).await.unwrap();
    }

    /// What is counted now.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::read(self.admin("/metrics").await.text())
    }

    /// Waits until so many requests have been counted with these labels, and no more. A request is counted when
    /// its answer has been written, and so a moment after its caller has it.
    pub(crate) async fn counts(&self, labels: &[(&str, &str)], count: f64) {
        let counted = self.scraped(REQUESTS, labels, |sum| sum >= count).await;
        assert!((counted - count).abs() < f64::EPSILON, "{counted} with {labels:?}, not {count}");
    }

    /// Waits until the series with these labels have this sum.
    pub(crate) async fn shows(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.scraped(name, labels, |sum| (sum - value).abs() < f64::EPSILON).await;
    }

    /// Scrapes until `enough`. No metric is an event, so this is the one wait that has to ask again.
    async fn scraped(&self, name: &str, labels: &[(&str, &str)], enough: impl Fn(f64) -> bool) -> f64 {
        let mut last = f64::NAN;
        let scraped = async {
            loop {
                last = self.metrics().await.sum(name, labels);
                if enough(last) {
                    return last;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(&format!("{name} with {labels:?}"), scraped).await
    }
}

const REQUESTS: &str = "tradovate_proxy_requests_total";
