//! Who may call a listener: the proxy's, where reaching it means trading, and the admin one.
//!
//! ```text
//! head ─▶ Signs ─▶ Host     421   does it mean us? a rebound name (DNS rebinding) does not
//!                  page     403   does a browser send it for a page? a page never may
//!                  key      401   whose key does it bring? asked only where keys are configured
//!                  Caller         the name for logs, metrics and the audit
//! ```
//!
//! The same three questions on both listeners, in this order, before anything else is made of a request: only then is
//! it known to be somebody's. Each has a reason that the others do not cover:
//!
//! - **`Host`** is all that gives a rebound name away. To the browser such a page is our own: it sends no `Origin` with a
//!   GET, and no `Sec-Fetch-Site` at all to a plain-http name (Fetch Metadata §2: trustworthy URLs only). So the rule is
//!   an exact list (kubernetes #9287: a pattern let `localhost.evil.com` in). The **port is not judged**: behind a
//!   forwarded container port it is another than ours, and what a page cannot take over, an address or `localhost`, it
//!   cannot take over on any port.
//! - **`Origin` and `Sec-Fetch-Site`** give away a page that calls us by our right name: a form or a `no-cors` fetch needs
//!   no one's leave to be sent, and for an order being sent is enough. Nothing is granted either: a preflight is refused,
//!   and no answer has an `Access-Control-Allow-…` (`hygiene` takes upstream's out).
//! - **Keys** tell callers of one machine or network apart, and are the only bar where others can reach the listener:
//!   curl says no `Origin`.
//!
//! What is allowed is read from one [`Rules`], replaced whole while the process runs; reading takes no lock.

mod caller;
mod host;
mod keys;
mod metrics;
mod signs;
mod stranger;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;

pub use self::{
    caller::{Caller, InvalidName, NOBODY},
    host::{HostName, InvalidHost},
    keys::{InvalidKeys, Keys, Minted, mint},
    metrics::Metrics,
    signs::Signs,
    stranger::Stranger,
};
use self::{metrics::Refused, stranger::Challenge};

/// The challenge of a 401 (RFC 9110 §11.6.1): a realm of our own, so that it is not taken for Tradovate's.
pub const CHALLENGE: Challenge = r#"Bearer realm="tradovate-proxy""#;

/// Who may call one listener. Cheap to clone; clones are the same list.
#[derive(Clone, Debug)]
pub struct Callers {
    listener: Listener,
    rules: Arc<ArcSwap<Rules>>,
    refused: Refused,
}

/// What is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Names and addresses by which the listener may be called besides `localhost`, loopback addresses, and the
    /// address that a connection came to.
    pub hosts: Vec<HostName>,
    /// Origins, as a browser writes them, whose requests are let in.
    pub origins: Vec<String>,
    /// Whose keys are asked for; none, and nobody is asked.
    pub keys: Keys,
}

/// Which listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The proxy's own, for callers.
    Proxy,
    /// The one for operators, probes and scrapers.
    Admin,
}

/// From where a listener can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine, or network namespace, alone.
    Machine,
    /// With a client certificate alone, Unix sockets aside.
    Certified,
    /// From other machines.
    Network,
}

/// What keeps others out of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// That only this machine, or network namespace, reaches it.
    Loopback,
    /// That one of the keys is needed.
    Keys,
    /// That a certificate is needed.
    Certificates,
    /// Nothing: `unsafe-open`.
    Open,
}

impl Callers {
    /// Begins with `rules`.
    pub fn new(listener: Listener, rules: Rules, metrics: &Metrics) -> Self {
        Self { listener, rules: Arc::new(ArcSwap::from_pointee(rules)), refused: metrics.of(listener) }
    }

    /// From now on these.
    pub fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// Lets a request in, and says whose it is. `certified` is the name in the caller's certificate, if its connection
    /// has proved one, which is as good as a key. `arrived_at` is asked only where `Host` is an address that is not
    /// loopback: the one that the connection came to.
    ///
    /// # Errors
    /// When it is nobody's who may call.
    pub fn admit(
        &self,
        signs: &Signs<'_>,
        certified: Option<&str>,
        arrived_at: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Caller, Stranger> {
        let rules = self.rules.load();
        // Who has a certificate may trade; to give orders to the proxy takes a key of its own where there are any.
        let certified = certified.filter(|_| self.listener == Listener::Proxy || rules.keys.is_empty());
        let admitted = rules.judge(signs, certified, arrived_at);
        admitted.inspect_err(|stranger| self.refused.count(*stranger))
    }

    /// Which listener this is about, for the words of a refusal.
    pub fn listener(&self) -> Listener {
        self.listener
    }

    /// What keeps others out of a listener that can be reached so.
    pub fn protection(&self, reach: Reach) -> Protection {
        match (self.rules.load().keys.is_empty(), reach) {
            (false, Reach::Machine | Reach::Network) => Protection::Keys,
            (false, Reach::Certified) if self.listener == Listener::Admin => Protection::Keys,
            (_, Reach::Certified) => Protection::Certificates,
            (true, Reach::Machine) => Protection::Loopback,
            (true, Reach::Network) => Protection::Open,
        }
    }
}

impl Rules {
    /// Whether a request means this listener and is sent for no page: what is asked before whose it is.
    ///
    /// # Errors
    /// When it does not, or is.
    pub fn screen(
        &self,
        signs: &Signs<'_>,
        arrived_at: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<(), Stranger> {
        signs.addressed_to(&self.hosts, arrived_at)?;
        signs.sent_by_no_page(&self.origins)
    }

    fn judge(
        &self,
        signs: &Signs<'_>,
        certified: Option<&str>,
        arrived_at: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Caller, Stranger> {
        self.screen(signs, arrived_at)?;
        if let Some(name) = certified {
            return Ok(Caller::certified(name));
        }
        if self.keys.is_empty() {
            return Ok(Caller::Local);
        }
        let presented = signs.key().ok_or(Stranger::NoKey)?;
        self.keys.recognise(presented).ok_or(Stranger::WrongKey)
    }
}

impl Protection {
    /// As `/status` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Keys => "keys",
            Self::Certificates => "certificates",
            Self::Open => "unsafe-open",
        }
    }
}

#[cfg(test)]
mod tests;
