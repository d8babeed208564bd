//! What an operator writes.

use std::str;

use crate::{
    config::{Config, Difference, Environment},
    fuzzing::CANARY,
};

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
    // Else each run would ask the kernel, file by file, how many threads it may have.
    let workers = (!text.contains("workers")).then_some(("TRADOVATE_PROXY_WORKERS", "2"));
    let given = workers.into_iter().chain(variables);
    let environment: Environment = given.chain([("TRADOVATE_PASSWORD", CANARY)]).collect();
    let shown = match Config::of_text(&environment, toml) {
        Ok(config) => {
            assert!(Difference::between(&config, &config).is_empty());
            format!("{config:?}{}", config.redacted())
        }
        Err(errors) => format!("{errors:?}{errors}"),
    };
    assert!(!shown.contains(CANARY), "a secret is shown");
}

/// Settings that are read from files of their own.
const FILES: [&str; 2] = ["TRADOVATE_PROXY_CONFIG", "TRADOVATE_PROXY_UPSTREAM_CA"];
