//! The command line: what to do, and the flags of the [settings](crate::config::SETTINGS).
//!
//! Only this module prints: results to standard output, complaints to standard error. It reads no environment
//! and starts nothing that listens; `main` takes the [`Command`] it parsed, gives `serve` and `sandbox` to the
//! application, and turns the [`Exit`] into the process's status.
//!
//! ```text
//! tradovate-proxy [serve] [flags]     the proxy
//! tradovate-proxy sandbox [flags]     the proxy in front of a simulated Tradovate, with no account
//! tradovate-proxy check [flags]       read the configuration, show it, say what is wrong with it
//! tradovate-proxy healthcheck         ask a running proxy whether it is ready: for containers
//! tradovate-proxy status              ask it how it stands: for people
//! tradovate-proxy session ORDER       have it renew, acquire, pause or resume its session
//! tradovate-proxy key NAME            make a key for a caller
//! tradovate-proxy kill, release       turn its kill switch on, and off
//! tradovate-proxy explain METHOD PATH what would become of a request, and which rule decides
//! tradovate-proxy audit verify|show   check or show the order audit log, running or not
//! ```

mod arguments;
mod audit;
mod exit;
mod explain;
mod health;
mod key;
mod kill;
mod question;
mod session;

use std::{fmt::Display, io::Write as _, net::SocketAddr, time::Duration};

use crate::{
    config::{Config, Environment, Flags, Purpose},
    guard::{self, Marker},
};

pub use self::{
    arguments::{Unparsed, parse},
    audit::{AuditQuestion, audit},
    exit::Exit,
    explain::{Explain, explain},
    health::healthcheck,
    key::key,
    kill::{Turn, kill},
    session::{SessionOrder, session, status},
};

/// What to do.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run the proxy in front of Tradovate.
    Serve(Flags),
    /// Run the simulated Tradovate, and the proxy in front of it.
    Sandbox(Sandbox),
    /// Read the configuration and show it.
    Check(Flags),
    /// Ask a running proxy whether it is ready.
    Healthcheck(Flags),
    /// Ask a running proxy how it stands.
    Status(Flags),
    /// Have a running proxy do something with its session.
    Session(SessionOrder, Flags),
    /// Make a key for the caller of this name.
    Key(String),
    /// Turn a running proxy's kill switch.
    Kill(Turn, Flags),
    /// Say what would become of a request.
    Explain(Explain, Flags),
    /// Look at the order audit log.
    Audit(AuditQuestion, Flags),
}

/// How the sandbox is run.
#[derive(Clone, Debug)]
pub struct Sandbox {
    /// Flags of the settings, for the proxy.
    pub flags: Flags,
    /// With the proxy, or without.
    pub extent: Extent,
    /// Where the simulated API answers in plain HTTP.
    pub api_listen: SocketAddr,
    /// Where it answers over TLS, if it does.
    pub api_tls_listen: Option<SocketAddr>,
    /// How long its tokens live.
    pub token_life: Duration,
}

/// How much of the sandbox is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The simulated API and the proxy in front of it.
    WithProxy,
    /// The simulated API alone.
    ApiOnly,
}

/// Reads the configuration as `serve` would, and prints it, secrets hidden, or everything that is wrong.
pub fn check(flags: &Flags, environment: &Environment) -> Exit {
    match Config::load(Purpose::Serve, flags, environment) {
        Ok(config) => {
            print(&config.redacted());
            config.exposed().iter().for_each(|exposed| complain(exposed));
            // By what the settings name alone: what the state directory keeps may be a running proxy's affair.
            if let Some(cause) = guard::at_start(&Marker::Nowhere, config.guards.kill_file.as_deref()) {
                complain(&format_args!("the kill switch would be on {cause}: {}", cause.help()));
            }
            Exit::Success
        }
        Err(errors) => {
            complain(&errors);
            Exit::Config
        }
    }
}

/// Writes a complaint to standard error. A closed one is no reason to fail differently.
pub fn complain(complaint: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "tradovate-proxy: {complaint}");
}

/// Writes text for the user to standard output.
pub fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
