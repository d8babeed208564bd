//! What reads bytes that others wrote, as the fuzz targets in `tests/fuzz` call it: each input must be taken or refused
//! without a panic, and what holds for every input is asserted.
//!
//! Here and not there, so that a test can feed the same inputs to the same functions on every run. Where a rule has an
//! oracle that shares no code with the product, it is [`naive`].

mod audit;
mod callers;
mod configuration;
mod damage;
mod guards;
mod journal;
mod naive;
mod request;
mod response;
mod session;

pub use self::{
    audit::audit_log,
    callers::callers,
    configuration::configuration,
    guards::{explain, guard_body},
    journal::idempotency_journal,
    request::{request_body, request_head, request_path},
    response::response,
    session::{hosts, oauth_answer, stored_session, token_response},
};

/// A secret that no input has by itself.
const CANARY: &str = "canary-5d1e90bc7f3a";

/// Lengths of pieces, below 32, that two bytes of the input determine.
struct Lengths(u32);

impl Lengths {
    fn next(&mut self) -> usize {
        // Numerical Recipes' generator: any will do.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 27) as usize
    }
}

impl From<[u8; 2]> for Lengths {
    fn from(seed: [u8; 2]) -> Self {
        Self(u16::from_le_bytes(seed).into())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::{
        auth::vault::Record,
        config::{Config, Environment},
    };

    type Target = fn(&[u8]);

    const TARGETS: &[(&str, Target)] = &[
        ("audit_log", audit_log),
        ("callers", callers),
        ("configuration", configuration),
        ("explain", explain),
        ("guard_body", guard_body),
        ("hosts", hosts),
        ("idempotency_journal", idempotency_journal),
        ("oauth_answer", oauth_answer),
        ("request_body", request_body),
        ("request_head", request_head),
        ("request_path", request_path),
        ("response", response),
        ("stored_session", stored_session),
        ("token_response", token_response),
    ];

    #[test]
    fn every_committed_input_is_taken_or_refused() {
        for (name, target) in TARGETS {
            let files = below(&format!("corpus/{name}"));
            assert!((8..=100).contains(&files.len()), "{} inputs for {name}", files.len());
            for file in files {
                eprintln!("{file}");
                target(&read(&file));
            }
        }
    }

    #[test]
    fn every_target_is_here_and_has_a_program_and_a_corpus() {
        let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        assert_eq!(below("corpus"), names.iter().map(|name| format!("corpus/{name}")).collect::<Vec<_>>());
        assert_eq!(
            below("src/bin"),
            names.iter().map(|name| format!("src/bin/{name}.rs")).collect::<Vec<_>>()
        );
    }

    #[test]
    fn the_corpus_is_awake() {
        assert!(Record::parse(&read("corpus/stored_session/whole.json")).is_ok());
        let text = String::from_utf8(read("corpus/configuration/all")).unwrap();
        let (variables, toml) = text.split_once("---\n").unwrap();
        let environment: Environment = variables.lines().filter_map(|line| line.split_once('=')).collect();
        Config::of_text(&environment, toml).unwrap();
    }

    /// What is in a folder of `tests/fuzz`, sorted.
    fn below(folder: &str) -> Vec<String> {
        let entries = fs::read_dir(Path::new(FUZZ).join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut paths: Vec<_> = names.map(|name| format!("{folder}/{name}")).collect();
        paths.sort();
        paths
    }

    fn read(path: &str) -> Vec<u8> {
        fs::read(Path::new(FUZZ).join(path)).unwrap()
    }

    const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");
}
