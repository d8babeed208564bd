//! Encryption at rest: the record as one AEAD message in a small JSON envelope.
//!
//! ```json
//! {"version": 1, "sealed": {"key": "4f2c…", "nonce": "…", "text": "…"}}
//! ```
//!
//! The cipher is AES-256-GCM-SIV (RFC 8452), with a random nonce for each write. Nonces of plain GCM must never
//! repeat, and a machine restored from a snapshot, or a user who gives one key to several proxies, would leave that
//! to luck; with SIV a repeated nonce tells no more than that two records are equal. What the message is (a record
//! of ours, in this version) is bound to it as associated data; whose it is stands inside, where nobody can read it.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::zeroize::Zeroizing;
use serde::{Deserialize, Serialize};

use crate::{auth::vault::record::VERSION, hex::thirty_two_bytes};

/// What records are encrypted with. `Debug` shows its [id](Self::id).
#[derive(Clone)]
pub struct StoreKey(Arc<Zeroizing<[u8; 32]>>);

impl StoreKey {
    /// From 64 hexadecimal digits, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        thirty_two_bytes(text).map(|key| Self(Arc::new(key)))
    }

    /// Tells one key from another, and nothing else of it: a pseudo-random function under the key itself.
    pub fn id(&self) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice()), ID);
        let mut id = [0; 8];
        id.copy_from_slice(&tag.as_ref()[..8]);
        format!("{:016x}", u64::from_be_bytes(id))
    }

    /// The envelope around `record`, which is encrypted where it stands.
    pub(super) fn seal(&self, mut record: Zeroizing<Vec<u8>>) -> Result<Vec<u8>, SealError> {
        let nonce = self.cipher()?.seal_in_place_append_tag(Aad::from(PURPOSE), &mut *record)?;
        let sealed = Sealed {
            key: self.id(),
            nonce: STANDARD.encode(nonce.as_ref()),
            text: STANDARD.encode(&*record),
        };
        Ok(serde_json::to_vec_pretty(&Envelope { version: VERSION, sealed })?)
    }

    fn open(&self, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        let nonce = Nonce::try_assume_unique_for_key(&STANDARD.decode(&sealed.nonce).ok()?).ok()?;
        let mut text = Zeroizing::new(STANDARD.decode(&sealed.text).ok()?);
        let length = self.cipher().ok()?.open_in_place(nonce, Aad::from(PURPOSE), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }

    fn cipher(&self) -> Result<RandomizedNonceKey, Unspecified> {
        RandomizedNonceKey::new(&AES_256_GCM_SIV, self.0.as_slice())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreKey").field(&self.id()).finish()
    }
}

/// An encrypted record.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    version: u32,
    sealed: Sealed,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Whose key it takes.
    key: String,
    nonce: String,
    text: String,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    /// Bytes that are no envelope: a record in clear, or nothing good.
    Clear,
    /// A record in clear that was encrypted.
    Opened(Zeroizing<Vec<u8>>),
    /// An envelope that our key made, and that was changed since.
    Damaged,
    /// An envelope that takes a key, and we have none, or another.
    Closed {
        /// The id of the one it takes.
        key: String,
    },
}

/// Opens what is encrypted.
pub(super) fn open(bytes: &[u8], key: Option<&StoreKey>) -> Content {
    let Ok(Envelope { version: VERSION, sealed }) = serde_json::from_slice(bytes) else {
        return Content::Clear;
    };
    // The tag decides whose it is; the id only explains why it does not fit.
    match key.and_then(|key| key.open(&sealed)) {
        Some(record) => Content::Opened(record),
        None if key.is_some_and(|key| key.id() == sealed.key) => Content::Damaged,
        None => Content::Closed { key: sealed.key },
    }
}

/// Why a record could not be encrypted. Quotes none of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SealError {
    #[error("it cannot be encrypted: no randomness could be had")]
    Cipher(#[from] Unspecified),
    #[error("it cannot be written down: {0}")]
    Form(#[from] serde_json::Error),
}

/// What is authenticated with every message, so that one made for another purpose or version is none of ours.
const PURPOSE: &[u8] = b"tradovate-proxy session.json 1";

const ID: &[u8] = b"tradovate-proxy session.store-key id";
