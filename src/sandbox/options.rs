//! Where the sandbox listens, and who may log in to it.

use std::net::{Ipv4Addr, SocketAddr};

use crate::{clock::Clock, sandbox::rules::Rules, tradovate};

/// How to start a [`Sandbox`](crate::sandbox::Sandbox).
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen for plain HTTP; port 0 takes any free one.
    pub http: SocketAddr,
    /// Where to listen for TLS, if at all.
    pub https: Option<SocketAddr>,
    /// The broker's clock: tokens expire by it, and `Date` tells it. Only a simulated one can be advanced.
    pub clock: Clock,
    /// What is allowed, and how it is answered, until the control API says otherwise.
    pub rules: Rules,
}

impl Default for Options {
    /// A free port of the loopback address, no TLS, a clock that can be advanced, the known rules.
    fn default() -> Self {
        Self {
            http: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            https: None,
            clock: Clock::simulated_from_now(),
            rules: Rules::default(),
        }
    }
}

/// What logs in to the sandbox. Public, and worth nothing anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `name`
    pub name: &'static str,
    /// `password`
    pub password: &'static str,
    /// `appId`
    pub app_id: &'static str,
    /// `appVersion`; any other does too.
    pub app_version: &'static str,
    /// `deviceId`; any other does too.
    pub device_id: &'static str,
    /// `cid`, and `client_id` for OAuth.
    pub cid: i64,
    /// `sec`, and `client_secret` for OAuth.
    pub sec: &'static str,
}

impl Credentials {
    /// The same, as whoever logs in to Tradovate holds them.
    pub fn for_login(self) -> tradovate::Credentials {
        tradovate::Credentials {
            name: self.name.to_owned(),
            password: self.password.into(),
            app_id: self.app_id.to_owned(),
            app_version: self.app_version.to_owned(),
            device_id: self.device_id.to_owned(),
            cid: self.cid.unsigned_abs(),
            sec: self.sec.into(),
        }
    }
}

/// A client of an authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`
    pub id: &'static str,
    /// `client_secret`
    pub secret: &'static str,
}

/// The one client of the other API. Public, and worth nothing anywhere else.
pub const EDGETAG: Client =
    Client { id: "00000000-0000-4000-8000-0000000000ed", secret: "sim_edgetag_secret" };

/// The one user of the sandbox.
pub const CREDENTIALS: Credentials = Credentials {
    name: crate::sandbox::book::library::USER_NAME,
    password: "sim_password",
    app_id: "sim-app",
    app_version: "1.0",
    device_id: "00000000-0000-4000-8000-000000000001",
    cid: 1,
    sec: "00000000-0000-4000-8000-0000000000ff",
};
