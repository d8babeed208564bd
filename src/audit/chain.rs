//! How lines are linked: each names the digest of the one before.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

use crate::{
    audit::AuditKey,
    hex::{Hex, thirty_two_bytes},
};

/// The digest of a line, without its line feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    /// SHA-256, whatever the chain's own digest is.
    pub(super) fn plain(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        thirty_two_bytes(&text).map(|bytes| Self(*bytes)).ok_or_else(|| D::Error::custom("no digest"))
    }
}

/// The line that the next one follows. Before the first of all there is number 0, whose digest is zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Link {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

/// Which digest links the lines of a file.
#[derive(Clone, Debug)]
pub(super) enum Chain {
    /// SHA-256: whoever can write the files can forge all of them.
    Plain,
    /// HMAC-SHA-256: only who has the key can.
    Keyed(AuditKey),
}

impl Chain {
    pub(super) fn new(key: Option<&AuditKey>) -> Self {
        key.map_or(Self::Plain, |key| Self::Keyed(key.clone()))
    }

    pub(super) fn hash(&self, line: &[u8]) -> Hash {
        match self {
            Self::Plain => Hash::plain(line),
            Self::Keyed(key) => Hash(key.digest(line)),
        }
    }

    /// As the first line of a file names it.
    pub(super) fn name(&self) -> ChainName {
        match self {
            Self::Plain => ChainName::Sha256,
            Self::Keyed(key) => ChainName::HmacSha256 { key: key.id() },
        }
    }
}

/// The digest that a file says it is linked by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChainName {
    Sha256,
    HmacSha256 { key: String },
}
