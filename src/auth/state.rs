//! The states a session can be in, and what each means to callers, probes and operators.

use jiff::Timestamp;

use crate::auth::{machine::Step, policy::OnKick, token::Generation};

/// Where the session stands: the picture is in [`machine`](crate::auth::machine).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No token yet since the process started.
    Starting,
    /// A good token, nothing due.
    Live,
    /// A good token; its renewal is due and has failed so far.
    Overdue,
    /// The token has expired and no new one could be had yet.
    Lapsed,
    /// No token, and nothing may be tried before an instant: a spent budget, or a penalty.
    Held,
    /// Tradovate refused the credentials: nothing is tried until they change.
    Rejected,
    /// Another login took the session's place.
    Kicked,
    /// An operator lent the seat to somebody: nothing is sent.
    Paused,
}

impl State {
    /// Every state, in the order of the diagram.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Live,
        Self::Overdue,
        Self::Lapsed,
        Self::Held,
        Self::Rejected,
        Self::Kicked,
        Self::Paused,
    ];

    /// The name in metrics, logs and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Live => "live",
            Self::Overdue => "overdue",
            Self::Lapsed => "lapsed",
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Kicked => "kicked",
            Self::Paused => "paused",
        }
    }

    /// Whether a request that waits may hope for a token soon.
    pub fn is_hopeful(self) -> bool {
        match self {
            Self::Starting | Self::Live | Self::Overdue | Self::Lapsed => true,
            Self::Held | Self::Rejected | Self::Kicked | Self::Paused => false,
        }
    }
}

/// What is known of the session, for `/status`, `/readyz`, metrics and error texts. Holds no secret.
#[derive(Clone, Debug)]
pub struct Status {
    /// Where the session stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Why, in words, when it is not simply live.
    pub reason: Option<String>,
    /// What an operator should do now; empty when nothing.
    pub advice: Option<String>,
    /// The next thing the renewer will do by itself, and when.
    pub next: Option<(Step, Timestamp)>,
    /// The last call to Tradovate, and how it ended (a label of `session_attempts_total`).
    pub last: Option<Attempt>,
    /// What went wrong in it, in words.
    pub last_error: Option<String>,
    /// When the token was last renewed or acquired with success, and its generation.
    pub last_success: Option<(Timestamp, Generation)>,
    /// Broker's clock minus ours in seconds, from the last answer's `Date`.
    pub clock_skew_seconds: Option<i64>,
    /// What happens when another login takes the session's place.
    pub on_kick: OnKick,
    /// Why the session could not be written to disk, if it could not: it is then lost with the process.
    pub store_trouble: Option<String>,
}

impl Status {
    /// How things stand before anything was tried.
    pub fn starting(now: Timestamp) -> Self {
        Self {
            state: State::Starting,
            since: now,
            reason: None,
            advice: None,
            next: None,
            last: None,
            last_error: None,
            last_success: None,
            clock_skew_seconds: None,
            on_kick: OnKick::default(),
            store_trouble: None,
        }
    }
}

/// A call that changes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Opens a session: the dangerous one.
    Acquire,
    /// Extends it.
    Renew,
}

impl Call {
    /// The name in metrics, logs and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Acquire => "acquire",
            Self::Renew => "renew",
        }
    }
}

/// One finished call.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which.
    pub call: Call,
    /// When its answer, or its failure, was known.
    pub at: Timestamp,
    /// `ok`, or the kind of failure: a label, never upstream's text.
    pub result: &'static str,
}
