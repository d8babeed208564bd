//! Where requests go, and where answers may take them.
//!
//! Tradovate: since October 2026 a user's host depends on his organisation. Logins and renewals name it
//! (`apiHosts`), and a request to the wrong one is answered 307 with the right one in `Location`. Either steers a
//! bearer token, so neither is believed further than a [`TrustedSuffixes`] reaches: a plain DNS name at or below
//! a domain that Tradovate or the operator owns, with the scheme and the port that were in use anyway.

mod steering;
mod trusted;

use std::collections::HashMap;

use serde::Deserialize;

pub(crate) use self::steering::Steering;
pub use self::trusted::TrustedSuffixes;
use crate::{origin::Origin, tradovate::Environment};

/// Where a session begins, and whether answers may move it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Tradovate itself: begin at the environment's bootstrap origin, and go where answers say.
    Dynamic {
        /// The environment.
        environment: Environment,
        /// Where answers may point.
        trusted: TrustedSuffixes,
    },
    /// An origin that the operator set in the environment's place, such as a simulation, and names that answers
    /// may move it to: those of its own alone, since Tradovate's would take the session out of the simulation.
    Movable {
        /// Whose hosts in `apiHosts` are meant.
        environment: Environment,
        /// Where to begin; its scheme and port stay.
        origin: Origin,
        /// Where answers may point.
        trusted: TrustedSuffixes,
    },
    /// An origin that the operator set in the environment's place: answers change nothing.
    Fixed(Origin),
}

impl Hosts {
    /// What the settings make of it: an environment, an `upstream` in its place, and domains that are `trusted`
    /// besides Tradovate's own, or with an `upstream`, instead of them.
    pub fn new(environment: Environment, upstream: Option<Origin>, trusted: &[String]) -> Self {
        match upstream {
            None => Self::Dynamic { environment, trusted: TrustedSuffixes::with(trusted.iter().cloned()) },
            Some(origin) if trusted.is_empty() => Self::Fixed(origin),
            Some(origin) => {
                Self::Movable { environment, origin, trusted: TrustedSuffixes::only(trusted.iter().cloned()) }
            }
        }
    }

    /// Where a session begins.
    pub fn bootstrap(&self) -> Origin {
        match self {
            Self::Dynamic { environment, .. } => environment.bootstrap(),
            Self::Movable { origin, .. } | Self::Fixed(origin) => origin.clone(),
        }
    }

    /// The origin that an answer's `hosts` lead to; `None` where they do not say.
    ///
    /// Tradovate: values are bare host names of at most 64 characters; the client adds the scheme.
    ///
    /// # Errors
    /// When it may not receive a token.
    pub fn resolve(&self, hosts: &ApiHosts) -> Result<Option<Origin>, Distrusted> {
        let environment = match self {
            Self::Dynamic { environment, .. } | Self::Movable { environment, .. } => environment,
            Self::Fixed(_) => return Ok(None),
        };
        let host = hosts.0.get(environment.name()).and_then(|host| host.as_str());
        host.filter(|host| !host.is_empty()).map(|host| self.at(host)).transpose()
    }

    /// The origin that a redirect of a request to `from` leads to; `None` if it stays there, or leads nowhere.
    ///
    /// # Errors
    /// When it may not receive a token.
    pub fn redirect(&self, from: &Origin, location: &str) -> Result<Option<Origin>, Distrusted> {
        if matches!(self, Self::Fixed(_)) {
            return Ok(None);
        }
        let Some((scheme, authority)) = destination(from, location) else { return Ok(None) };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let named = format!("{scheme}://{authority}").parse::<Origin>();
        let named =
            named.map_err(|_| Distrusted::new(host, "it asks for another way than https to a host"))?;
        let trusted = self.at(named.host())?;
        if trusted != named {
            return Err(Distrusted::new(named.host(), "it asks for another scheme or port"));
        }
        Ok((named != *from).then_some(named))
    }

    /// The origin at this host.
    fn at(&self, host: &str) -> Result<Origin, Distrusted> {
        let origin = match self {
            Self::Movable { origin, .. } | Self::Fixed(origin) if is_of(host, origin) => Ok(origin.clone()),
            Self::Dynamic { trusted, .. } if trusted.covers(host) => Origin::https(host),
            Self::Movable { origin, trusted, .. } if trusted.covers(host) => origin.at(host),
            Self::Dynamic { .. } | Self::Movable { .. } | Self::Fixed(_) => {
                return Err(Distrusted::new(host, "its domain is not among the trusted ones"));
            }
        };
        origin.map_err(|_| Distrusted::new(host, "the token would travel in the clear"))
    }
}

/// Whether `host`, with a port or without, is where the operator sent us to begin with.
fn is_of(host: &str, origin: &Origin) -> bool {
    host.eq_ignore_ascii_case(origin.host()) || host.eq_ignore_ascii_case(origin.authority())
}

/// Scheme and authority that a `Location` leads to, if it names any (RFC 3986 §4.2: one that begins with two
/// slashes leaves the scheme as it was, one without an authority the host).
fn destination<'a>(from: &Origin, location: &'a str) -> Option<(&'a str, &'a str)> {
    let (scheme, rest) = match location.strip_prefix("//") {
        Some(rest) => (if from.is_tls() { "https" } else { "http" }, rest),
        None => location.split_once("://").filter(|(scheme, _)| is_scheme(scheme))?,
    };
    Some((scheme, rest.split(['/', '?', '#']).next().unwrap_or(rest)))
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// `apiHosts` as an answer holds it. Tradovate: keys may be added at any time, so the values stay unread until
/// one is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ApiHosts(HashMap<String, serde_json::Value>);

/// A host that an answer points to and that may not receive a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host} is not followed: {why}")]
pub struct Distrusted {
    host: String,
    why: &'static str,
}

impl Distrusted {
    fn new(host: &str, why: &'static str) -> Self {
        Self { host: host.to_ascii_lowercase(), why }
    }
}

#[cfg(test)]
mod tests;
