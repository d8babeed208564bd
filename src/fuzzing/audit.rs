//! The audit log, as whoever can write its files may leave it.

use std::{fmt::Write as _, sync::LazyLock};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    audit::{AuditKey, Draft, Memory},
    fuzzing::damage::Damage,
};

/// A byte that says what is played and with which key, four for a change, and a log: its head, and behind each line
/// that begins with `--` a file. What follows those two dashes is a half line at the end of what is in front.
///
/// Played is either the log as it stands there, which passes for whole only if an independent look finds each line to
/// name the one before; or the log that a proxy would have written with these events in it, which is whole, and after
/// one change is not.
///
/// # Panics
/// When it is otherwise.
pub fn audit_log(input: &[u8]) {
    let Some((&play, input)) = input.split_first() else { return };
    let (damage, text) = Damage::of(input);
    let mut sections = sections(text);
    let head = sections.remove(0).bytes();
    let key = (play & 1 != 0).then_some(&*KEY);
    if play & 2 == 0 {
        let head = (!head.is_empty()).then_some(head);
        let first = if play & 4 == 0 { 1 } else { u32::MAX - (MOST_FILES - 1) };
        let files = (first..=u32::MAX).zip(sections.iter().map(Section::bytes)).collect();
        as_it_stands(&Memory { head, files }, key);
    } else {
        if let Some(last) = sections.last_mut() {
            // A half line there is what a crash has left just now: no start has told of it yet.
            last.rest = b"";
        }
        let drafts: Vec<_> =
            sections.iter().map(|section| Draft { lines: &section.lines, rest: section.rest }).collect();
        changed_once(&Memory::written(&drafts, key), key, usize::from(play >> 2), damage);
    }
}

fn as_it_stands(log: &Memory, key: Option<&AuditKey>) {
    let findings = log.verify(key);
    log.read(key, |line| assert!(!line.contains(char::is_control), "{line:?} moves the cursor"));
    if key.is_none() && findings.is_some_and(|findings| findings.is_empty()) && log.files.contains_key(&1) {
        assert!(is_linked(log), "a log passes for whole that is not");
    }
}

fn changed_once(log: &Memory, key: Option<&AuditKey>, how: usize, damage: Damage) {
    let Some(findings) = log.verify(key) else { return };
    assert!(findings.is_empty(), "what was just written is not whole: {findings:?}");
    let mut changed = log.clone();
    let numbers: Vec<_> = log.files.keys().copied().collect();
    let number = numbers[(how / 4) % numbers.len()];
    match how % 4 {
        0 => drop(changed.files.remove(&number)),
        // Two files that change places.
        1 => {
            let (one, other) = (&log.files[&numbers[0]], &log.files[&number]);
            changed.files.extend([(number, one.clone()), (numbers[0], other.clone())]);
        }
        2 => {
            if let Some(head) = &mut changed.head {
                damage.inflict(head);
            }
            if tip(changed.head.as_deref()) == tip(log.head.as_deref()) {
                return;
            }
        }
        _ => {
            if let Some(file) = changed.files.get_mut(&number) {
                damage.inflict(file);
            }
        }
    }
    if changed != *log {
        let findings = changed.verify(key);
        assert!(findings.is_none_or(|findings| !findings.is_empty()), "a change goes unnoticed: {damage:?}");
    }
}

/// Number and digest of the line that a head names.
fn tip(head: Option<&[u8]>) -> Option<(u64, String)> {
    let head: Value = serde_json::from_slice(head?).ok()?;
    Some((head["seq"].as_u64()?, head["hash"].as_str()?.to_ascii_lowercase()))
}

/// Whether each line names the digest of the one before, beginning with zeros, and the head one of them.
fn is_linked(log: &Memory) -> bool {
    let (mut seq, mut hash, mut is_named) = (0, "0".repeat(64), false);
    for line in log.files.values().flat_map(|file| file.split_inclusive(|&byte| byte == b'\n')) {
        // Half lines between files are told of in another way.
        let Some(line) = line.strip_suffix(b"\n") else { continue };
        let said: Value = serde_json::from_slice(line).unwrap_or_default();
        let prev = said["prev"].as_str().unwrap_or_default();
        seq += 1;
        if said["seq"].as_u64() != Some(seq) || !prev.eq_ignore_ascii_case(&hash) {
            return false;
        }
        hash = Sha256::digest(line).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        is_named |= tip(log.head.as_deref()) == Some((seq, hash.clone()));
    }
    is_named || tip(log.head.as_deref()).is_some_and(|(seq, _)| seq == 0)
}

/// What stands between two rules.
#[derive(Debug, Default)]
struct Section<'a> {
    lines: Vec<&'a [u8]>,
    rest: &'a [u8],
}

impl Section<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
        bytes.extend_from_slice(self.rest);
        bytes
    }
}

fn sections(text: &[u8]) -> Vec<Section<'_>> {
    let mut sections = vec![Section::default()];
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let last = sections.len() - 1;
        match line.strip_prefix(b"--") {
            Some(rest) if last < MOST_FILES as usize => {
                sections[last].rest = rest;
                sections.push(Section::default());
            }
            Some(_) | None if sections[last].lines.len() < MOST_LINES => sections[last].lines.push(line),
            Some(_) | None => {}
        }
    }
    sections
}

/// More tell nothing new.
const MOST_FILES: u32 = 6;
const MOST_LINES: usize = 8;

static KEY: LazyLock<AuditKey> = LazyLock::new(|| AuditKey::parse(&"5a".repeat(32)).expect("it is a key"));
