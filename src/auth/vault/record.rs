//! What is stored, and in which form.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    auth::{
        fingerprint::FingerprintKey,
        ledger::Ledger,
        token::{Generation, User},
    },
    origin::Origin,
};

/// Everything that outlives the process.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// Whose session it is, and where.
    pub seat: String,
    /// Keyed with this, credentials are recognised again.
    pub key: FingerprintKey,
    /// What was tried.
    pub ledger: Ledger,
    /// The newest publication.
    pub generation: Generation,
    /// The session, unless it was lost.
    pub session: Option<StoredSession>,
}

/// A session at rest. `Debug` does not show the token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredSession {
    /// The access token.
    #[serde(serialize_with = "expose")]
    pub token: SecretString,
    /// When the answer that carried it arrived.
    pub issued_at: Timestamp,
    /// When upstream stops accepting it, by our clock.
    pub expires_at: Timestamp,
    /// Where requests go.
    #[serde(with = "as_url")]
    pub origin: Origin,
    /// Whose it is.
    pub user: User,
}

impl Record {
    /// An empty one.
    pub fn new(seat: &str) -> Self {
        Self {
            version: VERSION,
            seat: seat.to_owned(),
            key: FingerprintKey::random(),
            ledger: Ledger::default(),
            generation: Generation::default(),
            session: None,
        }
    }

    /// The same past, with nobody's session.
    pub(super) fn reseated(mut self, seat: &str) -> Self {
        self.ledger.reseated();
        Self { seat: seat.to_owned(), session: None, ..self }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)?;
        if version != VERSION {
            return Err(Unusable::Version { version });
        }
        serde_json::from_slice(bytes).map_err(|_| Unusable::Damaged)
    }

    pub(crate) fn to_bytes(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        // Room enough that the buffer never moves and leaves a copy of the token behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        serde_json::to_writer_pretty(&mut *bytes, self)?;
        Ok(bytes)
    }
}

/// Why stored content is no record. Quotes none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it is damaged")]
    Damaged,
    #[error("its format has version {version}, this program knows {VERSION}")]
    Version { version: u32 },
}

/// The one place where a token is written out.
fn expose<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

mod as_url {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::origin::Origin;

    pub(super) fn serialize<S: Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(origin)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Origin, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

const VERSION: u32 = 1;
