//! What stands for a key and for a request, so that neither has to be kept.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use crate::idempotency::Key;

/// A SHA-256 over parts, each with its length, so that no two lists of parts look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// Stands for a caller's key.
pub(super) fn place(caller: &str, key: Key<'_>) -> Digest {
    Digest::over(&[b"key", caller.as_bytes(), key.as_bytes()])
}

/// Stands for a request: what it asks for, byte for byte. Its fields are no part of it, since clients vary them.
pub fn request(method: &str, target: &str, body: &[u8]) -> Digest {
    Digest::over(&[b"request", method.as_bytes(), target.as_bytes(), body])
}

impl Digest {
    pub(super) fn over(parts: &[&[u8]]) -> Self {
        let mut sha256 = Sha256::new();
        for part in parts {
            sha256.update((part.len() as u64).to_be_bytes());
            sha256.update(part);
        }
        Self(sha256.finalize().into())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map(Self).map_err(|_| D::Error::custom("a digest has 32 bytes"))
    }
}
