//! Content that went wrong: whatever is in the file, a start finds a record, or is refused for a reason, and what was
//! tried is not forgotten where it can be read.

use std::fmt::Write;

use proptest::prelude::*;
use reading::read;

use super::*;

/// Loads `content` from a file, and says what stands in `session.json.set-aside` then.
fn set_aside(content: &[u8]) -> (Record, Vec<u8>) {
    let scratch = scratch();
    fs::write(scratch.file(), content).unwrap();
    let aside = scratch.directory.join("session.json.set-aside");
    // There is never more than one.
    fs::write(&aside, "what was set aside the last time").unwrap();
    let record = scratch.vault.load("seat").unwrap();
    assert!(record.session.is_none() && record.refresh.is_none(), "{:?}", String::from_utf8_lossy(content));
    assert_eq!(mode(&aside), 0o600);
    let stored = fs::read_to_string(scratch.file()).unwrap();
    assert!(!stored.contains("canary"), "{stored}");
    assert_eq!(meaning(&scratch.vault.load("seat").unwrap()), meaning(&record), "read anew, it is another");
    let mut names: Vec<_> =
        fs::read_dir(&scratch.directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["lock", "session.json", "session.json.set-aside"]);
    (record, fs::read(aside).unwrap())
}

fn stored() -> String {
    String::from_utf8(record().to_bytes().unwrap().to_vec()).unwrap()
}

#[test]
fn what_nobody_can_read_is_set_aside_as_it_is() {
    let good = stored().into_bytes();
    for content in [
        b"".to_vec(),
        b"not json".to_vec(),
        b"[1,2]".to_vec(),
        good[..good.len() / 2].to_vec(),
        [b"[", good.as_slice(), b"]"].concat(),
        [good.as_slice(), b"x"].concat(),
    ] {
        assert_eq!(set_aside(&content).1, content);
    }
    // No more of an endless file than was read is looked at.
    assert_eq!(set_aside(&vec![b' '; 1024 * 1024]).1.len(), 1024 * 1024);
}

#[test]
fn of_what_can_be_read_in_part_the_attempts_still_count_and_no_token_is_kept() {
    let good = stored();
    let tried = serde_json::to_value(record().ledger).unwrap();
    for content in [
        good.replacen("\"version\": 1", "\"version\": 2", 1),
        good.replacen("\"version\": 1", "\"version\": \"next\"", 1),
        good.replacen("\"version\": 1", "\"version\": 2, \"new\": \"canary\"", 1),
        good.replace("https://demo", "http://demo"),
        good.replacen("\"token\": \"canary-token\"", "\"token\": 5", 1),
        good.replacen("\"session\"", "\"sessions\"", 1).replacen(
            "\"pause\": {",
            "\"pause\": 7, \"was\": {",
            1,
        ),
    ] {
        assert_ne!(content, good);
        let (record, aside) = set_aside(content.as_bytes());
        assert_eq!(serde_json::to_value(&record.ledger).unwrap(), tried, "{content}");
        assert_eq!(record.generation, Generation(7));
        let aside = String::from_utf8(aside).unwrap();
        assert!(aside.contains("acquire") && !aside.contains("canary"), "{aside}");
    }
    for nothing in ["{}", "{\"ledger\": {\"attempts\": 5}, \"generation\": -1, \"seat\": []}"] {
        let (record, _) = set_aside(nothing.as_bytes());
        assert_eq!(record.generation, Generation(0));
    }
}

#[test]
fn another_seats_session_is_not_used_but_what_was_tried_still_counts() {
    let another = stored().replacen("\"seat\": \"seat\"", "\"seat\": \"another\"", 1);
    let (record, aside) = set_aside(another.as_bytes());
    assert_eq!((record.seat.as_str(), record.generation, record.pause), ("seat", Generation(7), None));
    let tried = serde_json::to_value(super::record().ledger).unwrap();
    assert_eq!(serde_json::to_value(&record.ledger).unwrap(), tried);
    let aside = String::from_utf8(aside).unwrap();
    assert!(aside.contains("another") && !aside.contains("canary"), "{aside}");
}

#[test]
fn a_record_cut_off_anywhere_is_no_record() {
    let good = stored();
    for length in 0..good.len() {
        let reading = read(&good.as_bytes()[..length], None, "seat");
        let is_told = matches!(reading, Reading::Unusable { why: Unusable::Damaged, remains: None, .. });
        assert!(is_told, "cut off at {length}: {reading:?}");
    }
}

/// In clear there is no digest (people mend such files by hand): a changed digit is a changed digit. But no change
/// reaches further than the field that it is in.
#[test]
fn a_changed_bit_changes_one_field_at_most_or_makes_it_unusable() {
    let record = record();
    let (good, before) = (record.to_bytes().unwrap(), meaning(&record));
    for at in 0..good.len() * 8 {
        let mut bytes = good.to_vec();
        bytes[at / 8] ^= 1 << (at % 8);
        match read(&bytes, None, "seat") {
            Reading::Good(read) => {
                let after = meaning(&read);
                assert!(differences(&before, &after) <= 1, "bit {at}: {after}");
            }
            Reading::Unusable { record, .. } => assert!(record.session.is_none(), "bit {at}"),
            Reading::InClear(_) | Reading::Closed { .. } => panic!("bit {at}: there is no key"),
        }
    }
}

/// In how many values two records differ.
fn differences(a: &serde_json::Value, b: &serde_json::Value) -> usize {
    use serde_json::Value;
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => {
            a.iter().map(|(name, value)| differences(value, &b[name])).sum()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).map(|(a, b)| differences(a, b)).sum()
        }
        _ => usize::from(a != b),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..2000), keyed in any::<bool>()) {
        let key = sealed::key('a');
        match read(&bytes, keyed.then_some(&key), "seat") {
            Reading::Unusable { record, .. } => prop_assert!(record.session.is_none()),
            Reading::Good(_) | Reading::InClear(_) | Reading::Closed { .. } => prop_assert!(false, "taken for a record"),
        }
    }

    /// Nearer to the truth than random bytes: JSON, with the right names and any values.
    #[test]
    fn any_values_are_read_to_an_end(
        names in prop::collection::vec(prop::sample::select(NAMES), 0..10), value in any_json(), version in 0_u32..3,
    ) {
        let mut fields = meaning(&record());
        fields["version"] = version.into();
        for name in names {
            // Gone where what it was in has been replaced.
            if let Some(field) = fields.pointer_mut(name) {
                *field = value.clone();
            }
        }
        let bytes = fields.to_string();
        match read(bytes.as_bytes(), None, "seat") {
            Reading::Good(read) => {
                // What is taken for a record means the same when it is written and read again.
                let again = Record::parse(&read.to_bytes().unwrap()).unwrap();
                prop_assert_eq!(meaning(&read), meaning(&again));
            }
            Reading::Unusable { record, .. } => prop_assert!(record.session.is_none()),
            Reading::InClear(_) | Reading::Closed { .. } => prop_assert!(false, "there is no key"),
        }
    }

    #[test]
    fn a_record_written_in_another_style_means_the_same(
        spaces in prop::collection::vec(prop::sample::select(&[" ", "\n", "\t", "\r", ""][..]), 400),
        turn in 0_usize..10,
    ) {
        let record = record();
        let fields = meaning(&record);
        let mut fields: Vec<_> = fields.as_object().unwrap().iter().collect();
        let middle = turn % fields.len();
        fields.rotate_left(middle);
        let mut spaces = spaces.into_iter().cycle();
        let mut space = || spaces.next().unwrap();
        let mut text = format!("{}{{{}", space(), space());
        for (at, (name, value)) in fields.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let name = name.replace('s', "\\u0073");
            write!(text, "{comma}{}\"{name}\"{}:{}{value}{}", space(), space(), space(), space()).unwrap();
        }
        write!(text, ",\"unheard-of\":[{{}}]}}{}", space()).unwrap();
        let reading = read(text.as_bytes(), None, "seat");
        let Reading::Good(read) = reading else { panic!("{reading:?} of {text}") };
        prop_assert_eq!(meaning(&read), meaning(&record));
    }
}

const NAMES: &[&str] = &[
    "/seat",
    "/key",
    "/ledger",
    "/ledger/attempts",
    "/ledger/attempts/0/at",
    "/ledger/hold",
    "/ledger/rejected",
    "/generation",
    "/session",
    "/session/token",
    "/session/issued_at",
    "/session/expires_at",
    "/session/origin",
    "/session/user",
    "/session/user/id",
    "/refresh",
    "/refresh/token",
    "/refresh/seed",
    "/pause",
    "/pause/until",
    "/stamp",
    "/stamp/uptime_ms",
];

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".*".prop_map(serde_json::Value::from),
        Just("seat".into()),
        Just("9999-12-30T22:00:00Z".into()),
        Just("-009999-01-02T01:59:59Z".into()),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::json!({"until": "2026-01-01T00:00:00Z", "cause": "captcha"})),
    ]
}
