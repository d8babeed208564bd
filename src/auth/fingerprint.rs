//! How credentials are recognised again without being kept.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A random key that stays with the stored session, so that equal credentials have unequal fingerprints on
/// different machines.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FingerprintKey(String);

impl FingerprintKey {
    /// A new one, from the system's source of randomness.
    pub fn random() -> Self {
        let half = || uuid::Uuid::new_v4().simple().to_string();
        Self(half() + &half())
    }

    /// The fingerprint of `fields`, in this order.
    pub fn fingerprint(&self, fields: &[&[u8]]) -> Fingerprint {
        let mut hash = Sha256::new();
        // Lengths go in too: without them `ab` + `c` would equal `a` + `bc`.
        for field in [self.0.as_bytes()].iter().chain(fields) {
            hash.update((field.len() as u64).to_be_bytes());
            hash.update(field);
        }
        Fingerprint(format!("{:x}", hash.finalize()))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(redacted)")
    }
}

/// SHA-256 over a key and some credentials: says whether they changed, not what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_the_key_on_every_field_and_on_their_borders() {
        let (key, other) = (FingerprintKey::random(), FingerprintKey::random());
        let print = key.fingerprint(&[b"ab", b"c"]);
        assert_eq!(print, key.fingerprint(&[b"ab", b"c"]));
        for different in [
            key.fingerprint(&[b"a", b"bc"]),
            key.fingerprint(&[b"ab", b"d"]),
            key.fingerprint(&[b"abc"]),
            other.fingerprint(&[b"ab", b"c"]),
        ] {
            assert_ne!(print, different);
        }
        assert!(!format!("{key:?}").contains(&key.0));
    }
}
