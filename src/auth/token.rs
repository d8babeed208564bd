//! What is held once a grant has been checked.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{bearer::Bearer, origin::Origin};

/// Which publication of the token: grows by one with each, so that a late 401 can be told from a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The publication after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything a request needs to know of the session, published as one value so that its parts always agree.
#[derive(Debug)]
pub struct Session {
    /// What authorises a request.
    pub bearer: Bearer,
    /// When upstream stops accepting it: a fact, from `expirationTime`.
    pub expires_at: Timestamp,
    /// When the answer that carried it arrived.
    pub issued_at: Timestamp,
    /// Which publication this is.
    pub generation: Generation,
    /// Where requests go while this token is current.
    pub origin: Arc<Origin>,
    /// Whose session it is.
    pub user: User,
}

/// Whose session it is, as the login told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Tradovate: `userId`.
    pub id: i64,
    /// Tradovate: `name`.
    pub name: String,
    /// Tradovate: `userStatus`, such as `Active`.
    pub status: String,
    /// Tradovate: `hasLive`.
    pub has_live: bool,
}

impl User {
    /// The same user with what `known` says where this is silent: not every answer has every field.
    #[must_use]
    pub fn or(self, known: Self) -> Self {
        let same = self.id == known.id;
        let or = |told: String, known: String| if told.is_empty() && same { known } else { told };
        Self {
            id: self.id,
            name: or(self.name, known.name),
            status: or(self.status, known.status),
            has_live: self.has_live || (same && known.has_live),
        }
    }
}
