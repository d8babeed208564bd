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

/// Whose session it is, as far as answers have told: every field of theirs but the token may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Tradovate: `userId`.
    pub id: Option<i64>,
    /// Tradovate: `name`.
    pub name: Option<String>,
    /// Tradovate: `userStatus`, such as `Active`.
    pub status: Option<String>,
    /// Tradovate: `hasLive`.
    pub has_live: Option<bool>,
}

impl User {
    /// This, with what it lacks as an `earlier` answer had it.
    #[must_use]
    pub fn or(self, earlier: Self) -> Self {
        Self {
            id: self.id.or(earlier.id),
            name: self.name.or(earlier.name),
            status: self.status.or(earlier.status),
            has_live: self.has_live.or(earlier.has_live),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_answer_leaves_out_is_still_known() {
        let text = |text: &str| Some(text.to_owned());
        let login = User { id: Some(1), name: text("sim"), status: text("Active"), has_live: Some(true) };
        let renewal = User { has_live: Some(false), ..User::default() };
        assert_eq!(renewal.or(login.clone()), User { has_live: Some(false), ..login.clone() });
        assert_eq!(User::default().or(login.clone()), login);
    }
}
