//! `serve` as a process, with the sandbox's credentials.

use std::{net::SocketAddr, path::Path, process::Command};

use serde_json::Value;
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::support::{
    http::{self, Answer},
    patience::until,
    process::{Ended, Process, program},
};

/// A proxy that listens, and may not have a token yet.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) process: Process,
    /// Where callers connect.
    pub(crate) listen: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// `serve` in front of `upstream`, with the credentials and everything else in the environment.
pub(crate) fn serve(state: &Path, upstream: &str) -> Command {
    let mut command = serve_without_credentials(state, upstream);
    command
        .env("TRADOVATE_NAME", CREDENTIALS.name)
        .env("TRADOVATE_PASSWORD", CREDENTIALS.password)
        .env("TRADOVATE_APP_ID", CREDENTIALS.app_id)
        .env("TRADOVATE_CID", CREDENTIALS.cid.to_string())
        .env("TRADOVATE_SEC", CREDENTIALS.sec);
    command
}

/// The same, for tests that bring the credentials in another way.
pub(crate) fn serve_without_credentials(state: &Path, upstream: &str) -> Command {
    let mut command = program(&["serve"]);
    command
        .env("TRADOVATE_PROXY_UPSTREAM_URL", upstream)
        .env("TRADOVATE_PROXY_STATE_DIR", state)
        .env("TRADOVATE_PROXY_LISTEN", "127.0.0.1:0")
        .env("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:0");
    command
}

impl Proxy {
    /// Waits until it says where it listens.
    pub(crate) fn start(command: Command) -> Self {
        Self::listening(Process::start(command))
    }

    /// The same of a process that runs already.
    pub(crate) fn listening(process: Process) -> Self {
        let line = process.line("listening");
        let (listen, admin) = (field(&line, "listen"), field(&line, "admin"));
        Self { process, listen, admin }
    }

    /// Waits until it has a token.
    pub(crate) fn start_ready(command: Command) -> Self {
        let proxy = Self::start(command);
        until("a token", || (proxy.readiness().status == 200).then_some(()));
        proxy
    }

    pub(crate) fn readiness(&self) -> Answer {
        http::get(self.admin, "/readyz")
    }

    pub(crate) fn status(&self) -> Value {
        http::get(self.admin, "/status").json()
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        http::get(self.listen, target)
    }

    /// The accounts, through the proxy: 200 and the sandbox's one.
    pub(crate) fn serves(&self) {
        let answer = self.get("/v1/account/list");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()[0]["name"], "DEMO15460", "{answer:?}");
    }

    pub(crate) fn stop(self) -> Ended {
        self.process.stop()
    }
}

/// An address in a log line, text or JSON.
fn field(line: &str, name: &str) -> SocketAddr {
    let json: Option<Value> = serde_json::from_str(line).ok();
    let value = match &json {
        Some(event) => event[name].as_str(),
        None => line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('=')),
    };
    value.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line:?}"))
}
