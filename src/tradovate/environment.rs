//! The two data sets of Tradovate, and which hosts may receive a token of theirs.

use std::{collections::HashMap, str::FromStr};

use serde::Deserialize;

use crate::origin::Origin;

/// Paper or real money. The two hold separate accounts, orders and ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Environment {
    /// Simulated trading.
    #[default]
    Demo,
    /// Real money.
    Live,
}

impl Environment {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Demo, Self::Live];

    /// The name in settings, metrics and logs, and its key in `apiHosts`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Live => "live",
        }
    }

    /// Where a session begins, before any answer has named a host.
    ///
    /// # Panics
    /// Never: both are constants, and a test parses them.
    pub fn bootstrap(self) -> Origin {
        let url = match self {
            Self::Demo => "https://demo.tradovateapi.com",
            Self::Live => "https://live.tradovateapi.com",
        };
        url.parse().expect("a constant that a test parses")
    }
}

impl FromStr for Environment {
    type Err = UnknownEnvironment;

    fn from_str(name: &str) -> Result<Self, UnknownEnvironment> {
        Self::ALL.into_iter().find(|environment| environment.name() == name).ok_or(UnknownEnvironment)
    }
}

/// Neither `demo` nor `live`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment is demo or live")]
pub struct UnknownEnvironment;

/// Where requests go, and whether answers may change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// Tradovate itself: begin at the environment's bootstrap origin, and go where answers say.
    Dynamic {
        /// The environment.
        environment: Environment,
        /// Where answers may point.
        trusted: TrustedSuffixes,
    },
    /// An origin that the operator set in the environment's place, such as a simulation: answers change nothing.
    Fixed(Origin),
}

impl Hosts {
    /// Where a session begins.
    pub fn bootstrap(&self) -> Origin {
        match self {
            Self::Dynamic { environment, .. } => environment.bootstrap(),
            Self::Fixed(origin) => origin.clone(),
        }
    }

    /// The origin that an answer's `hosts` lead to, if that may receive a token.
    ///
    /// Tradovate: values are bare host names of at most 64 characters; the client adds the scheme. A host from
    /// an answer steers a bearer token, so anything but a plain name under a trusted suffix is ignored.
    pub fn resolve(&self, hosts: &ApiHosts) -> Option<Origin> {
        let Self::Dynamic { environment, trusted } = self else { return None };
        let host = hosts.0.get(environment.name())?.as_str()?;
        trusted.covers(host).then(|| Origin::https(host).ok()).flatten()
    }
}

/// `apiHosts` as an answer holds it. Tradovate: keys may be added at any time, so the values stay unread until
/// one is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct ApiHosts(HashMap<String, serde_json::Value>);

/// The domains whose hosts may receive a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSuffixes(Vec<String>);

impl TrustedSuffixes {
    /// Tradovate's own domains, and what the operator adds (`example.com`, in any case, with or without a
    /// leading dot).
    pub fn with(extra: impl IntoIterator<Item = String>) -> Self {
        let extra = extra.into_iter().map(|suffix| suffix.trim_matches('.').to_ascii_lowercase());
        Self(TRUSTED.iter().map(|&suffix| suffix.to_owned()).chain(extra.filter(|s| !s.is_empty())).collect())
    }

    /// Whether `host` is a plain DNS name equal to, or below, one of them.
    pub fn covers(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        is_plain_name(&host)
            && self.0.iter().any(|suffix| {
                host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            })
    }
}

impl Default for TrustedSuffixes {
    fn default() -> Self {
        Self::with([])
    }
}

/// Letters, digits and hyphens in labels of 1 to 63 (RFC 1123 §2.1): no port, user name, path or space that a
/// URL parser might read otherwise.
fn is_plain_name(host: &str) -> bool {
    host.len() <= LONGEST_HOST
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

const TRUSTED: [&str; 3] = ["tradovateapi.com", "tradovate.com", "ninjatrader.com"];

/// RFC 1035 §2.3.4, without the root's dot.
const LONGEST_HOST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(json: &str) -> Option<String> {
        let demo = Hosts::Dynamic { environment: Environment::Demo, trusted: TrustedSuffixes::default() };
        demo.resolve(&hosts(json)).map(|origin| origin.to_string())
    }

    fn hosts(json: &str) -> ApiHosts {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn both_bootstrap_origins_parse() {
        for environment in Environment::ALL {
            assert!(environment.bootstrap().is_tls());
            assert_eq!(environment.name().parse(), Ok(environment));
        }
        assert_eq!("Demo".parse::<Environment>(), Err(UnknownEnvironment));
    }

    #[test]
    fn a_dedicated_host_is_followed_and_unknown_keys_are_ignored() {
        let json = r#"{"live":"live.tradovateapi.com","demo":"demo-eval-7.tradovateapi.com","mdDemo":7,"new":{"a":[]}}"#;
        assert_eq!(resolve(json).unwrap(), "https://demo-eval-7.tradovateapi.com");
    }

    #[test]
    fn whatever_could_steer_a_token_elsewhere_is_ignored() {
        for host in [
            "evil.example",
            "tradovateapi.com.evil.example",
            "eviltradovateapi.com",
            "evil.example/.tradovateapi.com",
            "evil.example#.tradovateapi.com",
            "user@demo.tradovateapi.com",
            "demo.tradovateapi.com:8443",
            "demo.tradovateapi.com/v1",
            "demo.tradovateapi.com.",
            " demo.tradovateapi.com",
            "demo..tradovateapi.com",
            "-.tradovateapi.com",
            "dem\u{f6}.tradovateapi.com",
            "",
        ] {
            let json = serde_json::json!({ "demo": host }).to_string();
            assert_eq!(resolve(&json), None, "{host:?}");
        }
        for json in ["{}", r#"{"demo":null}"#, r#"{"demo":1}"#, r#"{"live":"live.tradovateapi.com"}"#] {
            assert_eq!(resolve(json), None, "{json}");
        }
    }

    #[test]
    fn an_origin_set_by_the_operator_stays() {
        let fixed = Hosts::Fixed("http://127.0.0.1:9000".parse().unwrap());
        assert_eq!(fixed.resolve(&hosts(r#"{"demo":"demo.tradovateapi.com"}"#)), None);
        assert_eq!(fixed.bootstrap().to_string(), "http://127.0.0.1:9000");
    }

    #[test]
    fn an_operator_may_trust_more() {
        let trusted = TrustedSuffixes::with([".Example.COM".to_owned(), ".".to_owned()]);
        assert!(trusted.covers("demo.example.com") && trusted.covers("DEMO.tradovate.com"));
        assert!(!trusted.covers("example.org"));
    }
}
