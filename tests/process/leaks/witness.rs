//! Remembers everything a process let out, and looks for secrets in it.

use std::{fmt::Display, fs, io::ErrorKind, net::SocketAddr};

use crate::{
    coats::Coats,
    support::{
        http::{self, Answer},
        process::Ended,
        proxy::Proxy,
    },
};

/// What was heard, by where it was heard.
#[derive(Debug, Default)]
pub(super) struct Witness(Vec<(String, Vec<u8>)>);

impl Witness {
    pub(super) fn hears(&mut self, place: impl Display, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.to_string(), bytes.into()));
    }

    /// Takes in an answer, head and body; one that broke off has nothing more to tell.
    pub(super) fn answer(&mut self, place: impl Display, answer: &std::io::Result<Answer>) {
        if let Ok(Answer { head, body, .. }) = answer {
            self.hears(place, [head.as_bytes(), body].concat());
        }
    }

    /// Asks all that the admin listener and the system tell of a running process.
    pub(super) fn questions(&mut self, proxy: &Proxy) {
        for route in ["/metrics", "/status", "/readyz", "/livez", "/nothing"] {
            self.admin(proxy.admin, route);
        }
        let pid = proxy.process.pid();
        for name in ["environ", "cmdline"] {
            match fs::read(format!("/proc/{pid}/{name}")) {
                Ok(bytes) => {
                    assert!(!bytes.is_empty(), "{name} tells nothing");
                    self.hears(name, bytes);
                }
                // A process that cannot be dumped keeps its environment even from its own user.
                Err(error) => assert_eq!((name, error.kind()), ("environ", ErrorKind::PermissionDenied)),
            }
        }
    }

    fn admin(&mut self, admin: SocketAddr, route: &str) {
        self.answer(route, &http::try_get(admin, route));
    }

    pub(super) fn output(&mut self, ended: &Ended) {
        self.hears("stdout", ended.stdout.as_bytes());
        self.hears("stderr", ended.stderr.as_bytes());
    }

    /// Whether `text` was heard anywhere: that the witness was not asleep.
    pub(super) fn heard(&self, text: &str) -> bool {
        self.0.iter().any(|(_, bytes)| memchr::memmem::find(bytes, text.as_bytes()).is_some())
    }

    /// Looks for `secret` in everything, in every coat.
    pub(super) fn never_heard(&self, what: &str, secret: &str) {
        self.never_heard_but_in("nowhere", what, secret);
    }

    /// The same, but for a place where it may stand.
    pub(super) fn never_heard_but_in(&self, allowed: &str, what: &str, secret: &str) {
        let coats = Coats::of(secret);
        for (place, bytes) in self.0.iter().filter(|(place, _)| place != allowed) {
            if let Some(coat) = coats.found(bytes) {
                panic!("{what} stands {coat} in {place}:\n{}", String::from_utf8_lossy(bytes));
            }
        }
    }
}
