//! What the callers meet: the simulated API, a relay in front of it, and the proxy, each on a thread of its own.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
};
use tradovate_proxy::{
    app::{App, Seat, Source},
    auth::Vault,
    clock::Clock,
    config::{Config, Environment, Flags, Purpose},
    sandbox::{CREDENTIALS, Options, Rules, Sandbox},
    tradovate::Hosts,
};

use crate::machine;

/// How a request gets to the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the caller's own socket.
    Direct,
    /// Through something that copies bytes.
    Relay,
    /// Through us.
    Proxy,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Relay, Self::Proxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Proxy => "proxy",
        }
    }
}

/// All of it running, until dropped.
pub(crate) struct Stage {
    api: Part<SocketAddr>,
    relay: Part<SocketAddr>,
    proxy: Part<Proxy>,
}

/// What is known of the proxy from outside, and the token that it holds: on the direct way the caller carries it.
struct Proxy {
    address: SocketAddr,
    bearer: Vec<u8>,
}

impl Stage {
    pub(crate) fn set() -> anyhow::Result<Self> {
        let api = Part::start(machine::API, api)?;
        let at = api.known;
        let relay = Part::start(machine::RELAY, move |ready, stop| relay(at, ready, stop))?;
        let proxy = Part::start(machine::CONTROL, move |ready, stop| proxy(at, ready, stop))?;
        Ok(Self { api, relay, proxy })
    }

    pub(crate) fn address(&self, way: Way) -> SocketAddr {
        match way {
            Way::Direct => self.api.known,
            Way::Relay => self.relay.known,
            Way::Proxy => self.proxy.known.address,
        }
    }

    /// The value of the `Authorization` field that a caller has to send, if any.
    pub(crate) fn authorization(&self, way: Way) -> Option<&[u8]> {
        match way {
            Way::Direct | Way::Relay => Some(&self.proxy.known.bearer),
            Way::Proxy => None,
        }
    }
}

/// One of them on its thread, and what it told when it was ready. Dropped, it is asked to end.
struct Part<T> {
    known: T,
    _stop: oneshot::Sender<()>,
}

impl<T: Send + 'static> Part<T> {
    fn start<F: Future<Output = anyhow::Result<()>>>(
        name: &str,
        part: impl FnOnce(mpsc::Sender<T>, oneshot::Receiver<()>) -> F + Send + 'static,
    ) -> anyhow::Result<Self> {
        let (ready, known) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let failed = name.to_owned();
        let body = move || {
            runtime
                .block_on(part(ready, stopped))
                .unwrap_or_else(|error| panic!("the {failed} failed: {error:#}"));
        };
        thread::Builder::new().name(name.to_owned()).spawn(body)?;
        // Its thread drops the sender when it fails.
        let known = known.recv().with_context(|| format!("the {name} did not start"))?;
        Ok(Self { known, _stop: stop })
    }
}

async fn api(ready: mpsc::Sender<SocketAddr>, stop: oneshot::Receiver<()>) -> anyhow::Result<()> {
    let rules = Rules { requests_per_hour: None, ..Rules::default() };
    let sandbox = Sandbox::start(Options { rules, clock: Clock::system(), ..Options::default() }).await?;
    ready.send(sandbox.http_addr())?;
    // Either way it is over: told so, or with nobody left to tell.
    let _ = stop.await;
    sandbox.shutdown().await;
    Ok(())
}

async fn relay(
    api: SocketAddr,
    ready: mpsc::Sender<SocketAddr>,
    mut stop: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready.send(listener.local_addr()?)?;
    loop {
        let (mut downstream, _) = tokio::select! {
            _ = &mut stop => return Ok(()),
            accepted = listener.accept() => accepted?,
        };
        let mut upstream = TcpStream::connect(api).await?;
        downstream.set_nodelay(true)?;
        upstream.set_nodelay(true)?;
        // A caller that leaves ends it, and that is all there is to say.
        tokio::spawn(async move { copy_bidirectional(&mut downstream, &mut upstream).await.map(drop) });
    }
}

async fn proxy(
    api: SocketAddr,
    ready: mpsc::Sender<Proxy>,
    stop: oneshot::Receiver<()>,
) -> anyhow::Result<()> {
    let settings = [
        ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:0"),
        ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:0"),
        ("TRADOVATE_PROXY_WORKERS", "1"),
        ("TRADOVATE_PROXY_BUDGET_PER_HOUR", "off"),
        ("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "off"),
    ];
    let config = Config::load(Purpose::Sandbox, &Flags::default(), &Environment::from_iter(settings))?;
    let seat = Seat {
        environment: "sandbox",
        source: Source::login(
            &config,
            CREDENTIALS.for_login(),
            Hosts::Fixed(format!("http://{api}").parse()?),
        )?,
        vault: Vault::Memory,
        marker: tradovate_proxy::guard::Marker::Nowhere,
        clock: Clock::system(),
        audit: None,
    };
    let app = App::bind(&config, seat).await?;
    let (address, session) = (app.listen()?.tcp().context("it listens at no port")?, app.session());
    let announce = async move {
        let current = session.wait(LOGIN).await.context("the proxy got no token")?;
        ready.send(Proxy { address, bearer: current.bearer.as_bytes().to_vec() })?;
        anyhow::Ok(())
    };
    let run = app.run(async {
        // As in `api`.
        let _ = stop.await;
    });
    let (ran, announced) = tokio::join!(run, announce);
    announced?;
    Ok(ran?)
}

/// How long the first login may take.
const LOGIN: Duration = Duration::from_secs(5);
