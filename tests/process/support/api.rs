//! The simulated API as a process of its own, so that it outlives the proxies in front of it.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::{
    http,
    process::{Process, program},
};

/// `sandbox --api-only`.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) process: Process,
    /// Where it answers in plain HTTP.
    pub(crate) address: SocketAddr,
    /// Where it answers over TLS.
    pub(crate) tls: SocketAddr,
}

impl Api {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these arguments too.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let any = "127.0.0.1:0";
        let alone = ["sandbox", "--api-only", "--api-listen", any, "--api-tls-listen", any];
        let process = Process::start(program(&[&alone, arguments].concat()));
        let address = address_in(&process.line("simulated API"), "http://");
        let tls = address_in(&process.line("over TLS"), "https://");
        Self { process, address, tls }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Has a fault wait for the requests it is meant for.
    pub(crate) fn fault(&self, fault: &Value) {
        let answer = http::post(self.address, "/sandbox/faults", &fault.to_string());
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The requests seen whose path ends with `path`.
    pub(crate) fn requests(&self, path: &str) -> Vec<Value> {
        let answer = http::get(self.address, &format!("/sandbox/requests?path={path}"));
        answer.json().as_array().unwrap().clone()
    }

    /// How many logins have been asked for, granted or not.
    pub(crate) fn logins(&self) -> usize {
        self.requests("auth/accesstokenrequest").len()
    }
}

/// The address after `scheme` in a line for people.
pub(crate) fn address_in(line: &str, scheme: &str) -> SocketAddr {
    let from = line.find(scheme).unwrap_or_else(|| panic!("no {scheme} in {line:?}")) + scheme.len();
    let address = line[from..].split('/').next().unwrap();
    address.parse().unwrap_or_else(|_| panic!("no address in {line:?}"))
}
