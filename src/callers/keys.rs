//! Keys that callers show, of which only digests are kept.
//!
//! A key is 256 random bits, so its plain SHA-256 can be searched by nobody, and a list of digests gives no key away to
//! whoever reads the configuration. A password would need more, and is refused by its form: only digests are taken.

use std::{fmt, str::FromStr};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;

use crate::{
    callers::caller::{Caller, InvalidName},
    hex::{Hex, thirty_two_bytes},
};

/// The digests of every key that is let in, each with its caller's name. Two may have one name, while a key is replaced.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

#[derive(Clone, PartialEq, Eq)]
struct Key {
    caller: Caller,
    digest: [u8; DIGEST],
}

impl Keys {
    /// Whether there are none, so that nobody is asked for one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key was presented. Each digest is compared, and each in constant time, so that the time tells neither how
    /// near a guess came nor whose key it would have been.
    pub(super) fn recognise(&self, presented: &[u8]) -> Option<Caller> {
        if presented.len() > LONGEST {
            return None;
        }
        let digest = digest(&SHA256, presented);
        let mut found = None;
        for key in &self.0 {
            if verify_slices_are_equal(&key.digest, digest.as_ref()).is_ok() {
                found = Some(&key.caller);
            }
        }
        found.cloned()
    }
}

/// `NAME=sha256:` and 64 hexadecimal digits, with commas between.
impl FromStr for Keys {
    type Err = InvalidKeys;

    fn from_str(text: &str) -> Result<Self, InvalidKeys> {
        let mut keys: Vec<Key> = Vec::new();
        for entry in text.split(',').map(str::trim) {
            let (name, digest) = entry.split_once("=sha256:").ok_or(InvalidKeys::Form)?;
            let key =
                Key { caller: name.parse()?, digest: *thirty_two_bytes(digest).ok_or(InvalidKeys::Form)? };
            if keys.iter().any(|other| other.digest == key.digest) {
                return Err(InvalidKeys::Twice);
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }
}

/// Names alone.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| key.caller.name())).finish()
    }
}

/// What is wrong with a list of keys. Never the entry, which may be a key where a digest should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeys {
    /// An entry of another form.
    #[error(
        "not NAME=sha256:<64 hexadecimal digits>, with commas between: `tradovate-proxy key NAME` prints such an entry"
    )]
    Form,
    /// An entry with another name.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// One key for two callers.
    #[error("the same key stands there twice: whose would it be?")]
    Twice,
}

/// A key that was just made: shown once, and kept nowhere.
#[derive(Debug)]
pub struct Minted {
    /// What the caller sends.
    pub key: SecretString,
    /// What the configuration gets.
    pub entry: String,
}

/// Makes a key for the caller of this name.
///
/// # Errors
/// When the name is none.
///
/// # Panics
/// When the operating system has no random bytes, without which there is no TLS either.
pub fn mint(name: &str) -> Result<Minted, InvalidName> {
    let caller: Caller = name.parse()?;
    let mut random = [0; RANDOM];
    rand::fill(&mut random).expect("the operating system has random bytes");
    let key = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(random));
    let entry = format!("{caller}=sha256:{}", Hex(digest(&SHA256, key.as_bytes()).as_ref()));
    Ok(Minted { key: key.into(), entry })
}

/// Bytes of chance in a key: as many as its digest has.
const RANDOM: usize = 32;
const DIGEST: usize = 32;
/// So that people, and scanners for secrets, know one when they see it.
const PREFIX: &str = "tpk_";
/// No key is longer; a whole head of garbage is not worth a digest.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_minted_key_is_its_callers_and_nobody_elses() {
        let (one, other, spare) = (mint("one").unwrap(), mint("other").unwrap(), mint("one").unwrap());
        let keys: Keys = format!("{},{}, {}", one.entry, other.entry, spare.entry).parse().unwrap();
        for (minted, name) in [(&one, "one"), (&other, "other"), (&spare, "one")] {
            let key = minted.key.expose_secret();
            assert_eq!(keys.recognise(key.as_bytes()).unwrap().name(), name);
            assert!(key.starts_with(PREFIX) && key.len() == PREFIX.len() + 43, "not 256 bits");
            for near in [&key[1..], &key[..key.len() - 1], &key.to_uppercase(), &format!("{key} ")] {
                assert_eq!(keys.recognise(near.as_bytes()), None);
            }
        }
        let stranger = mint("one").unwrap();
        assert_eq!(keys.recognise(stranger.key.expose_secret().as_bytes()), None);
        // What is written down opens nothing.
        assert_eq!(keys.recognise(one.entry.as_bytes()), None);
        assert_eq!(keys.recognise(one.entry.split_once(':').unwrap().1.as_bytes()), None);
        assert_eq!(keys.recognise(b""), None);
        assert_eq!(keys.recognise("x".repeat(100_000).as_bytes()), None);
        assert_eq!(Keys::default().recognise(b"x"), None);
    }

    #[test]
    fn a_digest_is_that_of_the_key_in_either_case() {
        // FIPS 180-4, the digest of "abc".
        let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for hex in [hex.to_owned(), hex.to_uppercase()] {
            let keys: Keys = format!("desk=sha256:{hex}").parse().unwrap();
            assert_eq!(keys.recognise(b"abc").unwrap().name(), "desk");
        }
    }

    #[test]
    fn a_list_is_strict_and_repeats_nothing_of_it() {
        let hex = "a".repeat(64);
        for (text, why) in [
            (String::new(), InvalidKeys::Form),
            ("desk=tpk_canary".to_owned(), InvalidKeys::Form),
            (format!("desk={hex}"), InvalidKeys::Form),
            (format!("desk=sha256:{}", &hex[1..]), InvalidKeys::Form),
            (format!("desk=sha256:{hex}0"), InvalidKeys::Form),
            (format!("desk=sha256:{}g", &hex[1..]), InvalidKeys::Form),
            (format!("desk=sha256:{hex},"), InvalidKeys::Form),
            (format!("local=sha256:{hex}"), InvalidKeys::Name(InvalidName)),
            (format!("=sha256:{hex}"), InvalidKeys::Name(InvalidName)),
            (format!("a=sha256:{hex},b=sha256:{hex}"), InvalidKeys::Twice),
        ] {
            assert_eq!(text.parse::<Keys>(), Err(why), "{text}");
            assert!(!why.to_string().contains("canary"));
        }
        let keys: Keys = format!("desk=sha256:{hex}").parse().unwrap();
        assert_eq!(format!("{keys:?}"), r#"["desk"]"#);
        assert!(mint("a b").is_err());
        let minted = mint("desk").unwrap();
        assert!(!format!("{minted:?}").contains(PREFIX), "a key in Debug");
    }
}
