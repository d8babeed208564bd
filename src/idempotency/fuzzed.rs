//! The journal without its file, for fuzzing.

use std::{collections::BTreeMap, sync::Arc};

use http::StatusCode;
use jiff::Timestamp;

use crate::idempotency::{
    Digest, Kept, Key, digest,
    entry::State,
    lines::{self, Line, Replay},
};

/// What a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Begun,
    Answered,
    NotKept,
    Unknown,
    Free,
}

/// The line that says so.
pub(crate) fn line(key: &str, said: Said) -> Vec<u8> {
    let status = StatusCode::OK;
    let state = match said {
        Said::Begun => Some(State::InFlight),
        Said::Answered => Some(State::Answered { answer: Arc::new(Kept::new(status, b"OK")) }),
        Said::NotKept => Some(State::NotKept { status }),
        Said::Unknown => Some(State::Unknown),
        Said::Free => None,
    };
    let request = digest::request("POST", "/v1/order/placeorder", b"{}");
    Line { key: place(key), request, at: Timestamp::UNIX_EPOCH, state }.write()
}

/// A line of this JSON, with its checksum.
pub(crate) fn summed(json: &[u8]) -> Vec<u8> {
    lines::summed(json)
}

/// What stands for a key, as a line has it.
pub(crate) fn shown(key: &str) -> String {
    json(&place(key))
}

/// What is known of each key after these bytes, as lines have it.
pub(crate) fn known(journal: &[u8]) -> BTreeMap<String, String> {
    let Replay { known, whole, lines, damaged } = Replay::of(journal);
    assert!(whole <= journal.len() && damaged <= lines && known.len() <= lines - damaged);
    known.into_iter().map(|(key, entry)| (json(&key), json(&entry.state))).collect()
}

fn place(key: &str) -> Digest {
    digest::place("", Key::new(key).expect("it is visible ASCII"))
}

fn json(part: &impl serde::Serialize) -> String {
    serde_json::to_string(part).expect("every part of a line has a form in JSON")
}
