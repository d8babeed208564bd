//! What reads bytes that others wrote, as the fuzz targets in `tests/fuzz` call it: each input must be taken or refused
//! without a panic, and what holds for every input is asserted.
//!
//! Here and not there, so that a test can feed the same inputs to the same functions on every run.

use std::str;

use secrecy::ExposeSecret as _;

use crate::{
    auth::{source::SourceError, state::Call, vault::Record},
    config::{Config, Difference, Environment},
    tradovate::{Environment as Which, Hosts, TrustedSuffixes, hosts::Steering, wire},
};

/// An answer to a login or a renewal: a line `acquire|renew STATUS DATE`, then the body.
///
/// # Panics
/// When something does not hold. So do the others.
pub fn token_response(input: &[u8]) {
    let at = memchr::memchr(b'\n', input).unwrap_or(input.len());
    let (line, body) = (&input[..at], input.get(at + 1..).unwrap_or_default());
    let mut words = line.splitn(3, |&byte| byte == b' ');
    let call = if words.next() == Some(b"renew") { Call::Renew } else { Call::Acquire };
    let status = words.next().and_then(|status| str::from_utf8(status).ok()?.parse().ok()).unwrap_or(200);
    let trusted = TrustedSuffixes::default();
    let steering = Steering::new(Hosts::Dynamic { environment: Which::Demo, trusted: trusted.clone() });
    match wire::decode(call, status, words.next(), body, &steering, &[CANARY]) {
        Ok(grant) => {
            assert!((200..300).contains(&status), "granted by a {status}");
            assert!(!grant.token.expose_secret().is_empty(), "an empty token");
            if let Some(origin) = grant.origin {
                assert!(origin.is_tls() && trusted.covers(origin.host()), "a token for {origin}");
            }
        }
        Err(error) => {
            assert!(!error.to_string().contains(CANARY), "a secret is repeated");
            if let SourceError::Penalty { wait, .. } = error {
                assert!(wait.as_secs() <= 3600, "a penalty of {wait:?}");
            }
        }
    }
}

/// What a session was kept in: whatever is read can be written, and read again.
///
/// # Panics
/// When it cannot.
pub fn stored_session(input: &[u8]) {
    if let Ok(record) = Record::parse(input) {
        let written = record.to_bytes().expect("what was read can be written");
        let again = Record::parse(&written).expect("what was written can be read");
        assert_eq!(*again.to_bytes().expect("and written again"), *written);
    }
}

/// Lines `NAME=value`, a line `---`, and a TOML file. No other file is read.
///
/// # Panics
/// When a secret is shown.
pub fn configuration(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (variables, toml) = text.split_once("---\n").unwrap_or((text, ""));
    if text.contains(CANARY) {
        return;
    }
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables = variables.filter(|(name, _)| !name.ends_with("_FILE") && !FILES.contains(name));
    let environment: Environment = variables.chain([("TRADOVATE_PASSWORD", CANARY)]).collect();
    let shown = match Config::of_text(&environment, toml) {
        Ok(config) => {
            assert!(Difference::between(&config, &config).is_empty());
            format!("{config:?}{}", config.redacted())
        }
        Err(errors) => format!("{errors:?}{errors}"),
    };
    assert!(!shown.contains(CANARY), "a secret is shown");
}

/// A secret that no input has by itself.
const CANARY: &str = "canary-5d1e90bc7f3a";

/// Settings that are read from files of their own.
const FILES: [&str; 2] = ["TRADOVATE_PROXY_CONFIG", "TRADOVATE_PROXY_UPSTREAM_CA"];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_committed_input_is_taken_or_refused() {
        feed("token_response", token_response);
        feed("stored_session", stored_session);
        feed("configuration", configuration);
    }

    fn feed(name: &str, target: fn(&[u8])) {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name);
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 8, "only {} inputs for {name}", files.len());
        for file in files {
            eprintln!("{}", file.display());
            target(&fs::read(file).unwrap());
        }
    }

    #[test]
    fn the_corpus_is_awake() {
        let read = |path: &str| {
            fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(path)).unwrap()
        };
        assert!(Record::parse(&read("stored_session/whole.json")).is_ok());
        let text = String::from_utf8(read("configuration/all")).unwrap();
        let (variables, toml) = text.split_once("---\n").unwrap();
        let environment: Environment = variables.lines().filter_map(|line| line.split_once('=')).collect();
        Config::of_text(&environment, toml).unwrap();
    }
}
