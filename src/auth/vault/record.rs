//! What is stored, and in which form.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    auth::{
        fingerprint::{Fingerprint, FingerprintKey},
        ledger::Ledger,
        token::{Generation, User},
    },
    clock::{Clock, Stamp},
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
    /// Recognises the credentials that the session was opened with.
    #[serde(default)]
    pub opened_with: Option<Fingerprint>,
    /// The newest refresh token, where the source has such.
    #[serde(default)]
    pub refresh: Option<StoredRefresh>,
    /// That an operator lent the seat to somebody.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// By which clock all this was written down.
    #[serde(default)]
    pub stamp: Option<Stamp>,
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

/// A refresh token at rest. `Debug` does not show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredRefresh {
    /// The token that replaced the last one.
    #[serde(serialize_with = "expose")]
    pub token: SecretString,
    /// The configured token that it descends from: when another is configured, that one counts.
    pub seed: Fingerprint,
}

/// The seat is lent to somebody: nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// When it ends by itself, if it does.
    pub until: Option<Timestamp>,
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
            opened_with: None,
            refresh: None,
            pause: None,
            stamp: None,
        }
    }

    /// The same past, with nobody's session.
    pub(super) fn reseated(mut self, seat: &str) -> Self {
        self.ledger.reseated();
        Self { seat: seat.to_owned(), session: None, opened_with: None, refresh: None, pause: None, ..self }
    }

    /// Places every instant on `clock`'s timeline, which is another one where the wall clock was set between the
    /// two processes.
    pub fn rebase(&mut self, clock: &Clock) {
        let Some(drift) = self.stamp.take().and_then(|stamp| stamp.drift(clock)) else { return };
        let shift = |at: &mut Timestamp| *at = at.saturating_add(drift).unwrap_or(*at);
        self.ledger.shift(drift);
        if let Some(session) = &mut self.session {
            shift(&mut session.issued_at);
            shift(&mut session.expires_at);
        }
        self.pause.as_mut().and_then(|pause| pause.until.as_mut()).map(shift);
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unusable> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // An array would be taken for the fields in their order.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Unusable::Damaged);
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
    #[error("it belongs to another user or upstream")]
    Seat,
}

/// The one place where tokens are written out.
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

/// Of the record, and of the envelope around an encrypted one.
pub(super) const VERSION: u32 = 1;
