//! What only a process of its own can show: that its memory, descriptors and processor time stay bounded while
//! callers come in masses ([`connections`]) and when the system gives no more ([`descriptors`]).

mod connections;
mod descriptors;

use std::{
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use tokio::time::Instant;

use crate::support::{
    api::Api,
    http::{self, Connection},
    patience::PATIENCE,
    proxy::{Proxy, serve},
};

/// A proxy in front of a simulated API of its own, and one caller that was there before all others.
struct Stage {
    // Dropped in this order.
    trader: Connection,
    proxy: Proxy,
    _state: tempfile::TempDir,
    _api: Api,
}

impl Stage {
    fn new(limited: impl FnOnce(std::process::Command) -> std::process::Command) -> Self {
        let api = Api::start();
        // The user's own limit is not what this is about, on neither side.
        http::post(api.address, "/sandbox/rules", r#"{"requests_per_hour": null}"#);
        let directory = tempfile::tempdir().unwrap();
        let mut command = serve(directory.path(), &api.origin());
        command.env("TRADOVATE_PROXY_BUDGET_PER_HOUR", "off").env("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "off");
        // What is open before and after is the callers' doing alone.
        command.env("TRADOVATE_PROXY_UPSTREAM_WARM", "0");
        let proxy = Proxy::start_ready(limited(command));
        let trader = Connection::open(proxy.listen).unwrap();
        let mut stage = Self { trader, proxy, _state: directory, _api: api };
        for _ in 0..50 {
            stage.serves();
        }
        stage
    }

    /// The trader is answered, however busy the proxy is with others.
    fn serves(&mut self) {
        let begun = Instant::now();
        self.trader.send("GET", "/v1/account/list", "", "").unwrap();
        let answer = self.trader.answer().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(begun.elapsed() < PROMPT, "it took {:?}", begun.elapsed());
    }

    fn pid(&self) -> u32 {
        self.proxy.process.pid()
    }

    fn connect(&self) -> TcpStream {
        connect(self.proxy.listen)
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&address, PATIENCE).unwrap()
}

/// What others may cost on a machine that runs other tests beside this one. Alone it is a few milliseconds, but for a
/// connection that the kernel asks for again, after one second and then after two, where a queue was full.
const PROMPT: Duration = Duration::from_secs(4);
const MIB: u64 = 1 << 20;
