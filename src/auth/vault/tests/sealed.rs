//! Encryption at rest.

use proptest::prelude::*;
use reading::read;

use super::*;

/// A key of one digit, 64 times.
pub(super) fn key(digit: char) -> StoreKey {
    StoreKey::parse(&digit.to_string().repeat(64)).unwrap()
}

fn sealed(record: &Record, key: &StoreKey) -> Vec<u8> {
    key.seal(record.to_bytes().unwrap()).unwrap()
}

impl Scratch {
    /// The same directory after a restart, with this key.
    fn restarted(self, key: Option<StoreKey>) -> Self {
        let Self { vault, directory, owner } = self;
        drop(vault);
        Self { vault: Vault::open(&directory).unwrap().encrypted(key), directory, owner }
    }
}

#[test]
fn a_key_is_64_hexadecimal_digits() {
    let digits = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100";
    let key = StoreKey::parse(digits).unwrap();
    assert_eq!(key.id(), StoreKey::parse(&digits.to_lowercase()).unwrap().id());
    let long = format!("{digits}0");
    for bad in [
        "",
        &digits[1..],
        &long,
        &digits.replacen('f', "g", 1),
        &digits.replacen("00", "+0", 1),
        &"ä".repeat(32),
    ] {
        assert!(StoreKey::parse(bad).is_none(), "{bad}");
    }
    for other in [digits.replacen('0', "1", 1), digits.replace("100", "101")] {
        assert_ne!(key.id(), StoreKey::parse(&other).unwrap().id());
    }
    assert_eq!(format!("{key:?}"), format!("StoreKey({:?})", key.id()));
    assert_eq!(key.id().len(), 16);
    assert!(!digits.to_lowercase().contains(&key.id()));
}

#[tokio::test]
async fn what_is_encrypted_is_read_with_its_key_and_shows_nothing() {
    let scratch = scratch().restarted(Some(key('a')));
    let saved = record();
    scratch.vault.save(&saved).await.unwrap();
    let first = fs::read_to_string(scratch.file()).unwrap();
    for part in ["canary", "seat", "acquire", "15460", "tradovateapi", &"a".repeat(16)] {
        assert!(!first.contains(part), "{part} in {first}");
    }
    assert_eq!(meaning(&scratch.vault.load("seat").unwrap()), meaning(&saved));
    scratch.vault.save(&saved).await.unwrap();
    assert_ne!(fs::read_to_string(scratch.file()).unwrap(), first, "a nonce was used twice");
    assert_eq!(mode(&scratch.file()), 0o600);
}

#[tokio::test]
async fn a_record_in_clear_is_read_and_encrypted_at_once() {
    let scratch = scratch();
    let saved = record();
    scratch.vault.save(&saved).await.unwrap();
    let scratch = scratch.restarted(Some(key('a')));
    assert_eq!(meaning(&scratch.vault.load("seat").unwrap()), meaning(&saved));
    assert!(!fs::read_to_string(scratch.file()).unwrap().contains("canary"));
    assert_eq!(meaning(&scratch.vault.load("seat").unwrap()), meaning(&saved));
    assert!(!scratch.directory.join("session.json.set-aside").exists());
}

#[tokio::test]
async fn without_the_right_key_nothing_is_forgotten() {
    let scratch = scratch().restarted(Some(key('a')));
    scratch.vault.save(&record()).await.unwrap();
    let stored = fs::read(scratch.file()).unwrap();
    let file = scratch.file().display().to_string();

    let scratch = scratch.restarted(None);
    let keyless = scratch.vault.load("seat").unwrap_err().to_string();
    let scratch = scratch.restarted(Some(key('b')));
    let other = scratch.vault.load("seat").unwrap_err().to_string();
    for error in [&keyless, &other] {
        for part in [&file, "session.store-key", "TRADOVATE_PROXY_SESSION_STORE_KEY"] {
            assert!(error.contains(part), "no {part} in {error}");
        }
    }
    assert!(other.contains(&key('a').id()) && other.contains(&key('b').id()), "{other}");
    assert_eq!(fs::read(scratch.file()).unwrap(), stored);

    let scratch = scratch.restarted(Some(key('a')));
    assert!(scratch.vault.load("seat").unwrap().session.is_some());
}

#[tokio::test]
async fn what_was_changed_is_set_aside_and_another_seats_stays_encrypted() {
    let scratch = scratch().restarted(Some(key('a')));
    scratch.vault.save(&record()).await.unwrap();
    let record = scratch.vault.load("another").unwrap();
    assert!(record.session.is_none() && record.generation == Generation(7));
    let aside = scratch.directory.join("session.json.set-aside");
    for file in [&scratch.file(), &aside] {
        let text = fs::read_to_string(file).unwrap();
        assert!(text.contains("sealed") && !text.contains("seat"), "{text}");
    }
    assert!(matches!(read(&fs::read(&aside).unwrap(), Some(&key('a')), "seat"), Reading::Unusable { .. }));

    let text = fs::read_to_string(scratch.file()).unwrap();
    let (before, after) = text.split_once("\"text\": \"").unwrap();
    let changed = format!("{before}\"text\": \"AAAA{}", &after[4..]);
    fs::write(scratch.file(), &changed).unwrap();
    assert_eq!(scratch.vault.load("another").unwrap().generation, Generation(0));
    assert_eq!(fs::read_to_string(&aside).unwrap(), changed);
}

/// The tag tells: there is no change to an envelope that passes for another record.
#[test]
fn no_changed_bit_goes_unnoticed() {
    let (record, key) = (record(), key('a'));
    let good = sealed(&record, &key);
    let mut told = [0; 3];
    for at in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        match read(&bytes, Some(&key), "seat") {
            // In the white space, or in the key's id, which the tag outranks.
            Reading::Good(read) => {
                assert_eq!(meaning(&read), meaning(&record), "bit {at}");
                told[0] += 1;
            }
            Reading::Unusable { record, .. } => {
                assert!(record.session.is_none(), "bit {at}");
                told[1] += 1;
            }
            Reading::Closed { .. } => told[2] += 1,
            Reading::InClear(_) => panic!("bit {at}: taken for clear text"),
        }
    }
    assert!(told[0] > 0 && told[1] > good.len() * 6 && told[2] == 0, "{told:?} of {}", good.len() * 8);
}

#[test]
fn an_envelope_cut_off_anywhere_is_no_envelope() {
    let key = key('a');
    let good = sealed(&record(), &key);
    for length in 0..good.len() {
        let reading = read(&good[..length], Some(&key), "seat");
        assert!(
            matches!(reading, Reading::Unusable { remains: None, .. }),
            "cut off at {length}: {reading:?}"
        );
    }
}

#[test]
fn a_message_made_for_another_purpose_is_none_of_ours() {
    use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, RandomizedNonceKey};
    use base64::{Engine, engine::general_purpose::STANDARD};

    let envelope = |purpose: &[u8]| {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM_SIV, &[0xaa; 32]).unwrap();
        let mut text = record().to_bytes().unwrap().to_vec();
        let nonce = cipher.seal_in_place_append_tag(Aad::from(purpose), &mut text).unwrap();
        let (nonce, text) = (STANDARD.encode(nonce.as_ref()), STANDARD.encode(text));
        let sealed = serde_json::json!({"key": key('a').id(), "nonce": nonce, "text": text});
        serde_json::json!({"version": 1, "sealed": sealed}).to_string()
    };
    let ours = read(envelope(b"tradovate-proxy session.json 1").as_bytes(), Some(&key('a')), "seat");
    assert!(matches!(ours, Reading::Good(_)), "the form of stored files has changed: {ours:?}");
    let other = read(envelope(b"something else").as_bytes(), Some(&key('a')), "seat");
    assert!(matches!(other, Reading::Unusable { .. }), "{other:?}");
}

proptest! {
    #[test]
    fn what_is_sealed_opens_to_the_same(
        seat in ".*", token in ".{0,3000}", digits in "[0-9a-fA-F]{64}", generation in any::<u64>(),
    ) {
        let key = StoreKey::parse(&digits).unwrap();
        let mut saved = Record::new(&seat);
        saved.generation = Generation(generation);
        saved.session = record().session.map(|session| StoredSession { token: token.into(), ..session });
        let reading = read(&sealed(&saved, &key), Some(&key), &seat);
        let Reading::Good(read) = reading else { panic!("{reading:?}") };
        prop_assert_eq!(meaning(&read), meaning(&saved));
    }
}
