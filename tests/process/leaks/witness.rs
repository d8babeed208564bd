//! Remembers everything a process let out, and looks for secrets in it.

use std::{fmt::Display, fs, io::ErrorKind, net::SocketAddr};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use crate::support::{
    http::{self, Answer},
    process::Ended,
    proxy::Proxy,
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
        self.0.iter().any(|(_, bytes)| holds(bytes, text.as_bytes()))
    }

    /// Looks for `secret` in everything, in every coat.
    pub(super) fn never_heard(&self, what: &str, secret: &str) {
        self.never_heard_but_in("nowhere", what, secret);
    }

    /// The same, but for a place where it may stand.
    pub(super) fn never_heard_but_in(&self, allowed: &str, what: &str, secret: &str) {
        for (place, bytes) in self.0.iter().filter(|(place, _)| place != allowed) {
            if let Some(coat) = found(bytes, secret) {
                panic!("{what} stands {coat} in {place}:\n{}", String::from_utf8_lossy(bytes));
            }
        }
    }
}

/// In which coat `secret` stands in `bytes`, if it does.
///
/// A secret of letters, digits and such looks the same percent-encoded, in a form, in JSON, and in the `Debug` of
/// a text, so that canaries have a core of those.
fn found(bytes: &[u8], secret: &str) -> Option<&'static str> {
    let lower = bytes.to_ascii_lowercase();
    let numbers = |base: fn(&u8) -> String, between: &str| {
        secret.as_bytes().iter().map(base).collect::<Vec<_>>().join(between)
    };
    let coats = [
        ("bare", secret.to_ascii_lowercase()),
        ("in hex", numbers(|byte| format!("{byte:02x}"), "")),
        ("as a list of bytes", numbers(ToString::to_string, ", ")),
    ];
    if let Some((coat, _)) = coats.iter().find(|(_, text)| holds(&lower, text.as_bytes())) {
        return Some(coat);
    }
    // Base64 differs by how many bytes stand before, modulo three; its first and last characters by their
    // neighbours. Both alphabets are compared as one.
    let plain = |text: &[u8]| {
        text.iter()
            .map(|byte| {
                if *byte == b'-' {
                    b'+'
                } else if *byte == b'_' {
                    b'/'
                } else {
                    *byte
                }
            })
            .collect()
    };
    let haystack: Vec<u8> = plain(bytes);
    (0..3)
        .any(|before| {
            let coat = STANDARD_NO_PAD.encode([&b"xx"[..before], secret.as_bytes()].concat());
            let coat: Vec<u8> = plain(&coat.as_bytes()[2 * before.min(1) + before / 2..coat.len() - 2]);
            holds(&haystack, &coat)
        })
        .then_some("in base64")
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[test]
fn a_secret_is_found_in_every_coat_and_nothing_else_is() {
    let secret = "c4nary7f3a";
    let cases = [
        ("bare", format!("p%20{secret}%2b")),
        ("bare", secret.to_uppercase()),
        ("in hex", format!("{:02x?}", secret.as_bytes()).replace([',', ' '], "")),
        ("as a list of bytes", format!("{:?}", format!("x{secret}y").as_bytes())),
        ("in base64", STANDARD_NO_PAD.encode(format!("user:{secret}"))),
        ("in base64", STANDARD_NO_PAD.encode(format!("user1:{secret}+"))),
        ("in base64", STANDARD_NO_PAD.encode(format!("user12:{secret}ü"))),
        ("in base64", base64::engine::general_purpose::URL_SAFE.encode(format!("\u{3ff}{secret}\u{3ff}"))),
    ];
    for (coat, text) in cases {
        assert_eq!(found(text.as_bytes(), secret), Some(coat), "{text}");
    }
    assert_eq!(found(b"nothing of c4nary 7f3a here", secret), None);
}
