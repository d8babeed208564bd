//! Following answers, and saying once of each host why it is not followed.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use crate::{
    origin::Origin,
    tradovate::hosts::{ApiHosts, Distrusted, Hosts, trusted::is_plain_name},
};

/// [`Hosts`], and the hosts that have been warned of.
#[derive(Debug)]
pub(crate) struct Steering {
    hosts: Hosts,
    warned: Mutex<BTreeSet<String>>,
}

impl Steering {
    pub(crate) fn new(hosts: Hosts) -> Self {
        Self { hosts, warned: Mutex::default() }
    }

    /// Where an answer's `apiHosts` lead. The request held `secrets`, which upstream may have repeated.
    pub(crate) fn named(&self, hosts: &ApiHosts, secrets: &[&str]) -> Option<Origin> {
        self.hosts.resolve(hosts).unwrap_or_else(|distrusted| self.warn(&distrusted, secrets))
    }

    /// Where a redirect leads.
    pub(crate) fn redirected(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.hosts.redirect(from, location).unwrap_or_else(|distrusted| self.warn(&distrusted, &[]))
    }

    fn warn(&self, distrusted: &Distrusted, secrets: &[&str]) -> Option<Origin> {
        let Distrusted { host, why } = distrusted;
        let host = if is_plain_name(host) && !repeats(host, secrets) { host } else { UNFIT };
        // A panic while it was held cannot have left it half changed.
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        // Upstream chooses the names: without an end to them it could fill memory and log.
        if warned.len() < MOST_WARNED && warned.insert(host.to_owned()) {
            tracing::warn!(
                host,
                why,
                advice = "if that host is Tradovate's or yours, add its domain to trusted-hosts \
                    (TRADOVATE_PROXY_TRUSTED_HOSTS)",
                "upstream points to a host that may not receive the token; the session stays where it is"
            );
        }
        None
    }
}

/// Host names are compared in lower case.
fn repeats(host: &str, secrets: &[&str]) -> bool {
    secrets.iter().any(|secret| host.contains(&secret.to_ascii_lowercase()))
}

/// What stands for something that had better not be in a log.
const UNFIT: &str = "(no plain host name)";

const MOST_WARNED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tradovate::Environment;

    fn warned(steering: &Steering) -> Vec<String> {
        steering.warned.lock().unwrap().iter().cloned().collect()
    }

    #[test]
    fn each_host_is_warned_of_once_no_secret_is_repeated_and_there_is_an_end_to_it() {
        let steering = Steering::new(Hosts::new(Environment::Demo, None, &[]));
        let named = |host: &str, secrets: &[&str]| {
            let hosts = serde_json::from_value(serde_json::json!({ "demo": host })).unwrap();
            steering.named(&hosts, secrets)
        };
        assert!(named("demo-7.tradovateapi.com", &[]).is_some() && warned(&steering).is_empty());
        for _ in 0..3 {
            assert_eq!(named("Demo.evil.example", &[]), None);
            assert_eq!(
                steering.redirected(&Environment::Demo.bootstrap(), "https://demo.evil.example/v1"),
                None
            );
        }
        assert_eq!(warned(&steering), ["demo.evil.example"]);
        named("SIM-access-0001.evil.example", &["SIM-access-0001"]);
        named("evil.example/?SIM-access-0001", &[]);
        assert_eq!(warned(&steering), ["(no plain host name)", "demo.evil.example"]);
        for n in 0..100 {
            named(&format!("n{n}.evil.example"), &[]);
        }
        assert_eq!(warned(&steering).len(), MOST_WARNED);
    }
}
