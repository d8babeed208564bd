//! A whole proxy in this process, on free ports.

use std::{net::SocketAddr, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};
use tradovate_proxy::{
    app::{App, AppError, Seat},
    auth::{Reader, State, Vault},
    clock::Clock,
    config::{Config, Environment, Flags, Purpose},
    sandbox::CREDENTIALS,
    tradovate::{Credentials, Hosts},
};

use super::{client::Client, metrics::Metrics, wait::within};

/// How a proxy is to be set up: its settings, as a user would write them into the environment.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    settings: Vec<(String, String)>,
    clock: Clock,
    ca_pem: String,
}

/// A running proxy. Dropped, it is told to stop and left to it.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) session: Reader,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), AppError>>,
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
            // One pool of connections to upstream, so that which of them is used again is no accident.
            ("TRADOVATE_PROXY_WORKERS", "1"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { settings, clock: clock.clone(), ca_pem: String::new() }
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
        let ca = tempfile::NamedTempFile::new().unwrap();
        if !self.ca_pem.is_empty() {
            std::fs::write(ca.path(), &self.ca_pem).unwrap();
            self = self.with("TRADOVATE_PROXY_UPSTREAM_CA", ca.path().to_str().unwrap());
        }
        let environment = Environment::from_iter(self.settings);
        let config = Config::load(Purpose::Serve, &Flags::default(), &environment).unwrap();
        let app = App::bind(&config, seat(&config, self.clock)).await.unwrap();
        let (address, admin) = (app.listen().unwrap(), app.admin_listen().unwrap());
        let session = app.session();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(async {
            // Dropping the sender means it too.
            let _ = stopped.await;
        }));
        Proxy { address, admin, session, stop, running }
    }

    /// Starts it, and waits for its first token.
    pub(crate) async fn live(self) -> Proxy {
        let proxy = self.start().await;
        proxy.reaches(State::Live).await;
        proxy
    }
}

fn seat(config: &Config, clock: Clock) -> Seat {
    let credentials = config.credentials.clone().unwrap();
    Seat {
        environment: "demo",
        hosts: Hosts::Fixed(config.upstream.clone().unwrap()),
        credentials: Credentials {
            name: credentials.name,
            password: credentials.password,
            app_id: credentials.app_id,
            app_version: credentials.app_version,
            device_id: credentials.device_id.unwrap(),
            cid: credentials.cid,
            sec: credentials.sec,
        },
        vault: Vault::Memory,
        clock,
    }
}

impl Proxy {
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

    /// Waits until so many requests have been counted with these labels. A request is counted when its answer
    /// has been written, and so a moment after its caller has it: this is the one wait that has to ask again.
    pub(crate) async fn counts(&self, labels: &[(&str, &str)], count: f64) {
        let mut last = Metrics::default();
        let counted = async {
            loop {
                last = self.metrics().await;
                if last.sum(REQUESTS, labels) >= count {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(&format!("{REQUESTS} with {labels:?} to be {count}"), counted).await;
        let counted = last.sum(REQUESTS, labels);
        assert!((counted - count).abs() < f64::EPSILON, "{counted} with {labels:?}, not {count}");
    }

    /// Stops it, and waits for the end of its drain.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        within("the proxy to drain", self.running).await.unwrap().unwrap();
    }
}

pub(crate) const REQUESTS: &str = "tradovate_proxy_requests_total";
