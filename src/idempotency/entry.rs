//! What is known of one key.

use std::sync::Arc;

use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::idempotency::{Digest, Kept, answer::status};

/// One key, the request it was given to, and what became of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) request: Digest,
    /// When it came into its state.
    pub(super) at: Timestamp,
    pub(super) state: State,
}

/// What became of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(super) enum State {
    /// It may leave at any moment, or has.
    InFlight,
    /// It was answered.
    Answered {
        #[serde(with = "kept")]
        answer: Arc<Kept>,
    },
    /// It was answered, at more length than is kept.
    NotKept {
        #[serde(with = "status")]
        status: StatusCode,
    },
    /// It has left, and nobody knows more.
    Unknown,
}

impl State {
    /// Whether it may be forgotten to make room: what is forgotten can be sent again.
    pub(super) fn is_settled(&self) -> bool {
        match self {
            Self::Answered { .. } | Self::NotKept { .. } => true,
            Self::InFlight | Self::Unknown => false,
        }
    }
}

mod kept {
    //! A kept answer, which an entry shares with whoever is writing it.

    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::idempotency::Kept;

    pub(crate) fn serialize<S: Serializer>(kept: &Arc<Kept>, serializer: S) -> Result<S::Ok, S::Error> {
        Kept::serialize(kept, serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Kept>, D::Error> {
        Kept::deserialize(deserializer).map(Arc::new)
    }
}
