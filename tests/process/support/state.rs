//! What a proxy keeps on the disk.

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::patience::until;

/// Waits until the session is on the disk, and reads it.
pub(crate) fn stored(state: &Path) -> Value {
    until("a stored session", || {
        let record: Value = serde_json::from_slice(&fs::read(state.join("session.json")).ok()?).ok()?;
        record["session"]["token"].is_string().then_some(record)
    })
}

/// Makes the stored session older by most of its token's life: it lives, and is due to be renewed.
pub(crate) fn age(state: &Path) {
    let mut record = stored(state);
    for name in ["issued_at", "expires_at"] {
        let time: Timestamp = record["session"][name].as_str().unwrap().parse().unwrap();
        record["session"][name] = json!((time - SignedDuration::from_mins(70)).to_string());
    }
    fs::write(state.join("session.json"), record.to_string()).unwrap();
}
