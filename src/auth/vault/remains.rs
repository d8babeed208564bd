//! What is still good of content that cannot be used as a record: what was tried, above all.
//!
//! A later version's file, after an update was taken back, or a record with one field gone wrong must not make the
//! proxy forget its logins. Only what is named here is ever read; tokens, under whatever name, are not.

use secrecy::zeroize::Zeroizing;
use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::Value;

use crate::auth::vault::record::Record;

/// The parts of a record without a secret in them, each taken for itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Remains {
    version: Option<Value>,
    seat: Option<Value>,
    generation: Option<Value>,
    ledger: Option<Value>,
    /// Keyed with this, refused credentials are recognised again.
    #[serde(skip_serializing)]
    key: Option<Value>,
    /// Encrypted, by a later version: then nothing of it is ours to read.
    #[serde(skip_serializing)]
    sealed: Option<IgnoredAny>,
}

impl Remains {
    /// `None` where nothing can be told from nothing: what is no JSON object, or is encrypted.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        // An array would be taken for the fields in their order.
        let is_object = bytes.trim_ascii_start().first() == Some(&b'{');
        let remains: Self = is_object.then(|| serde_json::from_slice(bytes).ok())??;
        remains.sealed.is_none().then_some(remains)
    }

    /// To be set aside in place of all.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        serde_json::to_vec_pretty(self).map(Zeroizing::new)
    }

    /// A record for `seat` that remembers what these do.
    pub(super) fn to_record(&self, seat: &str) -> Record {
        fn read<T: DeserializeOwned>(value: Option<&Value>) -> Option<T> {
            T::deserialize(value?).ok()
        }
        let mut record = Record::new(seat);
        if let Some(ledger) = read(self.ledger.as_ref()) {
            record.ledger = ledger;
        }
        if let Some(generation) = read(self.generation.as_ref()) {
            record.generation = generation;
        }
        if let Some(key) = read(self.key.as_ref()) {
            record.key = key;
        }
        if read::<String>(self.seat.as_ref()).as_deref() != Some(seat) {
            record.ledger.reseated();
        }
        record
    }
}
