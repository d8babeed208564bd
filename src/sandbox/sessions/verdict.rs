//! What a request's `Authorization` is worth.

use http::HeaderValue;
use jiff::Timestamp;
use serde::Serialize;

use crate::sandbox::sessions::token::Token;

/// The outcome of judging a request's `Authorization` fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A good token of an open session.
    Accepted { session: u64, serial: u64 },
    /// Anything else, with the session where it is known.
    Refused(Refusal, Option<u64>),
}

/// Why a bearer is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No `Authorization`.
    Missing,
    /// More than one `Authorization`.
    Repeated,
    /// Not `Bearer`, one space, and a token.
    NotABearer,
    /// No token that this broker issued.
    Unknown,
    /// Past its `expirationTime`.
    Expired,
    /// A renewal has put another in its place, and the rules let the old one die.
    Superseded,
    /// Its session was closed.
    Closed,
}

/// Judges the fields; `look_up` knows the tokens.
pub(super) fn judge<'a>(
    mut fields: impl Iterator<Item = &'a HeaderValue>,
    look_up: impl FnOnce(&str) -> Option<Verdict>,
) -> Verdict {
    let Some(field) = fields.next() else { return Verdict::Refused(Refusal::Missing, None) };
    if fields.next().is_some() {
        return Verdict::Refused(Refusal::Repeated, None);
    }
    let bearer = field.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    match bearer {
        Some(bearer) if !bearer.is_empty() && !bearer.contains([' ', ',', '\t']) => {
            look_up(bearer).unwrap_or(Verdict::Refused(Refusal::Unknown, None))
        }
        _ => Verdict::Refused(Refusal::NotABearer, None),
    }
}

/// Judges a token that this broker issued.
pub(super) fn of(token: &Token, session_is_closed: bool, now: Timestamp) -> Verdict {
    let refused = |refusal| Verdict::Refused(refusal, Some(token.session));
    if session_is_closed {
        refused(Refusal::Closed)
    } else if token.superseded {
        refused(Refusal::Superseded)
    } else if token.expires_at <= now {
        refused(Refusal::Expired)
    } else {
        Verdict::Accepted { session: token.session, serial: token.serial }
    }
}
