//! The strings that the simulated broker hands out, and what it remembers of them.

use std::{borrow::Cow, fmt::Write};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

/// What the broker knows of an access token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    pub(crate) session: u64,
    /// Which token of the sandbox's life this is, from 1.
    pub(crate) serial: u64,
    pub(crate) expires_at: Timestamp,
    pub(crate) superseded: bool,
}

/// What the broker knows of a refresh token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh {
    pub(crate) session: Option<u64>,
    pub(crate) expires_at: Timestamp,
}

/// A string that nobody can guess, and that anybody can recognise in a log.
pub(crate) fn mint(kind: &str, serial: u64) -> String {
    format!("{MARK}{kind}-{serial:04}-{}", uuid::Uuid::new_v4().simple())
}

/// `text` with every minted string in it replaced by its beginning, which says what it was.
pub(crate) fn scrub(text: &str) -> Cow<'_, str> {
    if !text.contains(MARK) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(MARK) {
        let end = rest[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let minted = &rest[start..end.map_or(rest.len(), |end| start + end)];
        clean.push_str(&rest[..start]);
        match minted.len().checked_sub(RANDOM) {
            Some(named) if named > MARK.len() => {
                clean.push_str(&minted[..named]);
                clean.push_str("(redacted)");
            }
            _ => clean.push_str(minted),
        }
        rest = &rest[start + minted.len()..];
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

/// A minted string as the broker keeps it: what it handed out cannot be told again, not even by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Kept([u8; 32]);

impl Kept {
    pub(crate) fn of(minted: &str) -> Self {
        Self(Sha256::digest(minted.as_bytes()).into())
    }
}

/// A name for a secret that can be compared but not used.
pub(crate) fn digest(secret: &[u8]) -> String {
    let hash = Sha256::digest(secret);
    hash[..8].iter().fold(String::from("sha256:"), |mut name, byte| {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
        name
    })
}

const MARK: &str = "SIM-";

/// Length of the part that nobody can guess.
const RANDOM: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minted_strings_are_scrubbed_wherever_they_stand() {
        let (one, two) = (mint("access", 1), mint("md", 2));
        let text = format!("a={one}&b=\"{two}\" SIM-short");
        assert_eq!(scrub(&text), "a=SIM-access-0001-(redacted)&b=\"SIM-md-0002-(redacted)\" SIM-short");
        assert_eq!(scrub("nothing here"), "nothing here");
    }

    #[test]
    fn a_digest_names_a_secret_without_telling_it() {
        assert_eq!(digest(b"Bearer x"), digest(b"Bearer x"));
        assert_ne!(digest(b"Bearer x"), digest(b"Bearer y"));
        assert_eq!(digest(b"").len(), "sha256:".len() + 16);
    }
}
