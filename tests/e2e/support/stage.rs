//! A simulated broker with a proxy in front of it.

use tradovate_proxy::{
    clock::Clock,
    sandbox::{Control, Options, Record, Sandbox},
};

use super::{Answer, Client, Proxy, Setup};

/// Both, on one clock.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) proxy: Proxy,
    pub(crate) clock: Clock,
}

/// How the proxy speaks to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Plain,
    Tls,
    Http2,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Http2];
}

impl Stage {
    /// Over plain HTTP/1.1, with a live session.
    pub(crate) async fn new() -> Self {
        Self::by(Way::Plain).await
    }

    /// The way given, with a live session.
    pub(crate) async fn by(way: Way) -> Self {
        Self::with(way, |setup| setup).await
    }

    /// With settings of its own, and a live session.
    pub(crate) async fn with(way: Way, settings: impl FnOnce(Setup) -> Setup) -> Self {
        let (sandbox, clock) = broker().await;
        let proxy = settings(setup(&sandbox, &clock, way)).live().await;
        Self { sandbox, proxy, clock }
    }

    pub(crate) fn control(&self) -> &Control {
        self.sandbox.control()
    }

    pub(crate) async fn client(&self) -> Client {
        self.proxy.client().await
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str, body: &str) -> Answer {
        self.proxy.ask(request, body).await
    }

    /// What the broker has seen that is no session call.
    pub(crate) fn seen(&self) -> Vec<Record> {
        let requests = self.control().requests();
        requests.into_iter().filter(|record| !is_session_call(record)).collect()
    }
}

/// A broker that tests can watch, and its clock.
pub(crate) async fn broker() -> (Sandbox, Clock) {
    let options = Options { https: Some("127.0.0.1:0".parse().unwrap()), ..Options::default() };
    let clock = options.clock.clone();
    (Sandbox::start(options).await.unwrap(), clock)
}

/// A proxy in front of `sandbox`.
pub(crate) fn setup(sandbox: &Sandbox, clock: &Clock, way: Way) -> Setup {
    let plain = format!("http://{}", sandbox.http_addr());
    let tls = format!("https://{}", sandbox.https_addr().unwrap());
    match way {
        Way::Plain => Setup::before(&plain, clock),
        Way::Tls => Setup::before(&tls, clock).trusting(sandbox.ca_pem()),
        Way::Http2 => Setup::before(&tls, clock)
            .trusting(sandbox.ca_pem())
            .with("TRADOVATE_PROXY_UPSTREAM_HTTP2", "yes"),
    }
}

fn is_session_call(record: &Record) -> bool {
    let path = record.path();
    path.ends_with("/auth/accesstokenrequest") || path.ends_with("/auth/renewaccesstoken")
}

/// An order that is filled at once.
pub(crate) const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
