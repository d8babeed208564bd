//! The key that makes a chain one that only its holder can forge.

use std::{fmt, sync::Arc};

use aws_lc_rs::hmac;
use secrecy::zeroize::Zeroizing;

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

/// What 64 hexadecimal digits stand for.
pub(super) fn thirty_two_bytes(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

/// No line of a log: those begin with a brace.
const ID: &[u8] = b"tradovate-proxy audit.key id";
