//! The journal of idempotency keys, as a crash may leave it.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    fuzzing::{damage::Damage, naive::json::Json},
    idempotency::fuzzed::{Said, known, line, shown, summed},
};

/// A byte that says which, and either lines of JSON, which get their checksums; or four bytes for a change and one for
/// each line that a proxy has written. Whatever is left of it, a key whose last whole line says that its request may
/// have left is known, and in the state of that line.
///
/// # Panics
/// When it is not.
pub fn idempotency_journal(input: &[u8]) {
    let Some((&play, input)) = input.split_first() else { return };
    match play % 3 {
        // Without their checksums: damaged, each of them.
        0 => drop(known(input)),
        1 => by_another_version(input),
        _ => damaged(input),
    }
}

/// A journal of which each line is what it was written as.
fn by_another_version(input: &[u8]) {
    let (mut journal, mut may_have_left) = (Vec::new(), BTreeMap::new());
    for json in input.split(|&byte| byte == b'\n').take(MOST_LINES) {
        journal.extend(summed(json));
        if let Some((key, says_so)) = said_of_a_key(json) {
            may_have_left.insert(key, says_so);
        }
    }
    let known = known(&journal);
    for (key, says_so) in may_have_left {
        let is_known = known.contains_key(&format!("\"{key}\""));
        assert_eq!(is_known, says_so, "{key} may be taken for one that was not sent, or the other way round");
    }
}

/// Whose line that is, and whether it says that a request may have left under it.
fn said_of_a_key(json: &[u8]) -> Option<(String, bool)> {
    serde_json::from_slice::<Value>(json).ok()?;
    let line = Json::read(json)?;
    let only = |name: &str| match line.all(name)[..] {
        [Json::Text(text)] => Some(text.clone()),
        _ => None,
    };
    only("at")?.parse::<Timestamp>().ok()?;
    let (key, request) = (only("key")?, only("request")?);
    (is_digest(&key) && is_digest(&request)).then(|| (key, !line.all("state").is_empty()))
}

/// 256 bits in RFC 4648 §5, the two bits left over zero.
fn is_digest(text: &str) -> bool {
    text.len() == 43
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        && text.ends_with(|last| "AEIMQUYcgkosw048".contains(last))
}

/// A journal that was written line by line, and changed once.
fn damaged(input: &[u8]) {
    let (damage, changes) = Damage::of(input);
    let lines = changes.iter().take(MOST_LINES).map(|&change| &LINES[usize::from(change) % LINES.len()]);
    let mut journal: Vec<u8> = lines.flat_map(|line| line.bytes.iter().copied()).collect();
    damage.inflict(&mut journal);

    // What is left of it, told by comparing bytes alone.
    let mut expected = BTreeMap::new();
    for left in journal.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = LINES.iter().find(|line| line.bytes == left) else { continue };
        match line.state {
            Some(state) => drop(expected.insert(line.key.clone(), state.to_owned())),
            None => drop(expected.remove(&line.key)),
        }
    }
    assert_eq!(known(&journal), expected, "{damage:?}");
}

/// A line that may be written, and what the next process makes of it.
struct Written {
    bytes: Vec<u8>,
    key: String,
    state: Option<&'static str>,
}

static LINES: LazyLock<Vec<Written>> = LazyLock::new(|| {
    let unknown = Some(r#"{"state":"unknown"}"#);
    let answered = r#"{"state":"answered","answer":{"status":200,"reason":"T0s","fields":[],"body":""}}"#;
    let lines = ["a", "b", "c"].map(|key| {
        [
            (Said::Begun, unknown),
            (Said::Answered, Some(answered)),
            (Said::NotKept, Some(r#"{"state":"not-kept","status":200}"#)),
            (Said::Unknown, unknown),
            (Said::Free, None),
        ]
        .map(|(said, state)| Written { bytes: line(key, said), key: shown(key), state })
    });
    lines.into_iter().flatten().collect()
});

/// More tell nothing new.
const MOST_LINES: usize = 32;
