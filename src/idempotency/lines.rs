//! The lines of the journal: a checksum and JSON each. The last one of a key counts.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::idempotency::{
    Digest,
    entry::{Entry, State},
};

/// One change: `state` is what is known from now on, `None` that nothing is.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) key: Digest,
    pub(super) request: Digest,
    pub(super) at: Timestamp,
    #[serde(flatten)]
    pub(super) state: Option<State>,
}

/// What a journal's bytes come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Replay {
    /// Every key that is known, in the order in which they came into their states.
    pub(super) known: Vec<(Digest, Entry)>,
    /// Bytes that are whole lines.
    pub(super) whole: usize,
    /// How many lines those are, and how many of them are damaged and were skipped.
    pub(super) lines: usize,
    pub(super) damaged: usize,
}

impl Line {
    pub(super) fn write(&self) -> Vec<u8> {
        // Every part of a line has a form in JSON.
        summed(&serde_json::to_vec(self).unwrap_or_default())
    }

    fn read(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let (sum, json) = line.split_at_checked(CHECKSUM)?;
        let json = json.strip_prefix(b" ")?;
        (sum == checksum(json).as_bytes()).then(|| serde_json::from_slice(json).ok()).flatten()
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Written {
            key: Digest,
            request: Digest,
            at: Timestamp,
            #[serde(flatten)]
            rest: Map<String, Value>,
        }
        let Written { key, request, at, rest } = Written::deserialize(deserializer)?;
        // Only a line without a state frees its key. One that this version cannot read, which a later one may have
        // written, says all the same that the request may have left.
        let state = rest
            .contains_key(STATE)
            .then(|| serde_json::from_value(Value::Object(rest)).unwrap_or(State::Unknown));
        Ok(Self { key, request, at, state })
    }
}

impl Replay {
    /// Reads a journal, whatever is in it. A crash can leave half a line at the end, which is not looked at.
    pub(super) fn of(text: &[u8]) -> Self {
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let mut entries: HashMap<Digest, (usize, Entry)> = HashMap::new();
        let (mut lines, mut damaged) = (0, 0);
        for line in text[..whole].split_inclusive(|&byte| byte == b'\n') {
            lines += 1;
            let Some(Line { key, request, at, state }) = Line::read(line) else {
                damaged += 1;
                continue;
            };
            let state = match state {
                None => {
                    entries.remove(&key);
                    continue;
                }
                // Whoever was to say more has not come to it.
                Some(State::InFlight) => State::Unknown,
                Some(state) => state,
            };
            entries.insert(key, (lines, Entry { request, at, state }));
        }
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable_by_key(|(_, (line, _))| *line);
        let known = entries.into_iter().map(|(key, (_, entry))| (key, entry)).collect();
        Self { known, whole, lines, damaged }
    }
}

/// A line with this JSON.
pub(super) fn summed(json: &[u8]) -> Vec<u8> {
    let mut line = checksum(json).into_bytes();
    line.push(b' ');
    line.extend(json);
    line.push(b'\n');
    line
}

fn checksum(json: &[u8]) -> String {
    let digest = serde_json::to_value(Digest::over(&[json])).unwrap_or_default();
    digest.as_str().unwrap_or_default().chars().take(CHECKSUM).collect()
}

/// The tag of [`State`].
const STATE: &str = "state";
const CHECKSUM: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// What is known of the key after a line with these members.
    fn after(members: &str) -> Option<State> {
        let head = format!("\"key\":\"{KEY}\",\"request\":\"{KEY}\",\"at\":\"2026-11-23T00:00:00Z\"");
        let line = summed(format!("{{{head}{members}}}").as_bytes());
        let Replay { known, damaged, .. } = Replay::of(&line);
        assert_eq!(damaged, 0, "{members}");
        known.into_iter().next().map(|(_, entry)| entry.state)
    }

    #[test]
    fn a_state_that_this_version_does_not_know_does_not_free_its_key() {
        for members in [
            r#","state":"in-flight""#,
            r#","state":"unknown","since":7"#,
            r#","state":"sent-twice""#,
            r#","state":null"#,
            r#","state":"not-kept""#,
            r#","state":"not-kept","status":7"#,
            r#","state":"answered","answer":{"status":200}"#,
        ] {
            assert_eq!(after(members), Some(State::Unknown), "{members}");
        }
        assert!(matches!(after(r#","state":"not-kept","status":200"#), Some(State::NotKept { .. })));
        assert_eq!(after(""), None, "it was freed");
    }
}
