//! The key that makes a chain one that only its holder can forge.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;

use crate::hex::thirty_two_bytes;

/// A 256-bit key. `Debug` shows its [id](Self::id).
#[derive(Clone)]
pub struct AuditKey(Arc<hmac::Key>);

impl AuditKey {
    /// From 64 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let key = thirty_two_bytes(text)?;
        Some(Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, key.as_slice()))))
    }

    /// Tells one key from another, and nothing else of it: a pseudo-random function under the key itself.
    pub fn id(&self) -> String {
        let mut id = [0; 8];
        id.copy_from_slice(&self.digest(ID)[..8]);
        format!("{:016x}", u64::from_be_bytes(id))
    }

    pub(super) fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(hmac::sign(&self.0, bytes).as_ref());
        digest
    }
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuditKey").field(&self.id()).finish()
    }
}

/// No line of a log: those begin with a brace.
const ID: &[u8] = b"tradovate-proxy audit.key id";
