//! What can hand out a token, and the ways in which it may not.

use std::{fmt, future::Future, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;

use crate::{
    auth::{
        fingerprint::{Fingerprint, FingerprintKey},
        token::User,
    },
    bearer::{Bearer, UnusableToken},
    origin::Origin,
};

/// What can open a session and extend it.
///
/// Not meant to be cloned: whoever holds one can log in, and only the [`Renewer`](crate::auth::Renewer) should.
/// Neither call is cancel safe in the sense that matters: a login dropped half-way may have opened a session
/// that nobody knows of.
pub trait TokenSource: Send {
    /// Opens a session. At most one request that could open one reaches upstream per call.
    fn acquire(&mut self, means: &Means) -> impl Future<Output = Result<Grant, SourceError>> + Send;

    /// Extends the session that `bearer` belongs to, asking at `origin`, with at most one request.
    fn renew(
        &mut self,
        means: &Means,
        bearer: &Bearer,
        origin: &Origin,
    ) -> impl Future<Output = Result<Grant, SourceError>> + Send;

    /// Whether upstream still honours `bearer`: one cheap read that changes nothing and costs no budget.
    fn examine(&mut self, bearer: &Bearer, origin: &Origin) -> impl Future<Output = Vitality> + Send;

    /// Whether upstream answers at all: one request without credentials, which costs no budget.
    fn is_well(&mut self) -> impl Future<Output = bool> + Send;

    /// The origin that a redirect of `from` to `location` leads to, if that may receive a token.
    fn moved(&self, from: &Origin, location: &str) -> Option<Origin>;

    /// Whether acquiring only takes up a token that somebody handed over: it opens no session, and a second try with
    /// the same token is in vain.
    fn is_handed(&self) -> bool {
        false
    }

    /// A life longer than this is not believed; `None` leaves it to the policy.
    fn longest_life(&self) -> Option<Duration> {
        None
    }

    /// Where requests go until a grant names another origin.
    fn origin(&self) -> &Origin;

    /// Whose session it is, and where: a stored session of another seat is never used. No secret.
    fn seat(&self) -> String;

    /// Recognises the credentials again, so that refused ones are not tried twice.
    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint;

    /// Recognises what a stored refresh token descends from: with another seed it is worth nothing.
    fn seed(&self, key: &FingerprintKey) -> Fingerprint {
        self.fingerprint(key)
    }
}

/// What earlier answers left behind for the next call.
#[derive(Clone, Debug, Default)]
pub struct Means {
    /// A penalty's ticket, to be sent back with the next acquisition.
    pub ticket: Option<Ticket>,
    /// The newest refresh token, where the source rotates them; `None` before the first.
    pub refresh: Option<SecretString>,
}

/// Whether a token is still honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vitality {
    /// A request was served, or refused for a reason that is not the token.
    Alive,
    /// The token was refused. Tradovate: a 401 with words; an empty one means a missing permission.
    Dead,
    /// The answer says neither.
    Unclear,
}

/// What upstream granted.
#[derive(Debug)]
pub struct Grant {
    /// The access token.
    pub token: SecretString,
    /// When upstream says it stops accepting it, if it said so legibly.
    pub expires_at: Option<Timestamp>,
    /// Upstream's clock when it answered (RFC 9110 §6.6.1).
    pub server_date: Option<Timestamp>,
    /// Whose it is; `None` where the answer does not tell.
    pub user: Option<User>,
    /// Where requests go from now on; `None` leaves it as it was.
    pub origin: Option<Origin>,
    /// The refresh token that replaces the one used; `None` leaves it as it was.
    pub refresh: Option<SecretString>,
    /// Whether this opened a session, or only handed over one that was open: the former is budgeted.
    pub opened: bool,
    /// Whether it was granted to the token in use, which is thereby known to live. A refresh token proves nothing of
    /// the kind.
    pub proves_bearer: bool,
}

/// Why there is no grant. One variant per cause that has a next step of its own.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Wrong name, password or API secret (Tradovate tells them apart no further).
    #[error("the credentials were refused: {text}")]
    CredentialsRefused {
        /// Upstream's words.
        text: ErrorText,
    },
    /// The API key is not known, or was withdrawn.
    #[error("the application was refused: {text}")]
    AppUnknown {
        /// Upstream's words.
        text: ErrorText,
    },
    /// A penalty that only a person can lift.
    #[error("upstream wants a captcha solved")]
    Captcha,
    /// A penalty that waiting lifts.
    #[error("upstream imposed a penalty of {} s", wait.as_secs())]
    Penalty {
        /// How long to wait.
        wait: Duration,
        /// What to send back then, where the call has a place for it.
        ticket: Ticket,
    },
    /// 429.
    #[error("upstream's rate limit is exceeded")]
    RateLimited,
    /// 423: the step before the lock-out.
    #[error("upstream has locked this user or address for a while")]
    Locked,
    /// Success without a token, a penalty or an error text: more than a password is asked for.
    #[error("upstream wants a second factor or an approval")]
    Challenge,
    /// Refused for a reason that is none of the above. A renewal so answered means that the session is dead.
    #[error("refused with status {status}: {text}")]
    Refused {
        /// The status, which may be 200.
        status: u16,
        /// Upstream's words.
        text: ErrorText,
    },
    /// Not a byte of the request left: it costs nothing to try again.
    #[error("upstream cannot be reached")]
    Unreachable {
        /// The step that failed.
        step: Step,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The request may have arrived and been obeyed, but no answer came.
    #[error("no answer came back")]
    Lost {
        /// How it ended.
        how: Loss,
    },
    /// A status that belongs to no answer of this call.
    #[error("unexpected status {status}")]
    UnexpectedStatus {
        /// The status.
        status: u16,
    },
    /// An answer that cannot be read.
    #[error("the answer is malformed: {what}")]
    Malformed {
        /// In which way.
        what: &'static str,
    },
    /// A token that can never be sent.
    #[error("the granted token cannot be used")]
    UnusableToken(#[from] UnusableToken),
}

impl SourceError {
    /// What may be done next.
    pub fn retry(&self) -> Retry {
        match self {
            Self::CredentialsRefused { .. } | Self::AppUnknown { .. } => Retry::Never,
            Self::Captcha => Retry::HoldOff(HoldCause::Captcha),
            Self::RateLimited => Retry::HoldOff(HoldCause::RateLimited),
            Self::Locked => Retry::HoldOff(HoldCause::Locked),
            Self::Challenge => Retry::HoldOff(HoldCause::Challenge),
            Self::Penalty { wait, .. } => Retry::After(*wait),
            Self::Unreachable { .. } => Retry::Soon,
            Self::Refused { .. }
            | Self::Lost { .. }
            | Self::UnexpectedStatus { .. }
            | Self::Malformed { .. }
            | Self::UnusableToken(_) => Retry::Backoff,
        }
    }

    /// The value of the metric label `result`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::CredentialsRefused { .. } => "credentials_refused",
            Self::AppUnknown { .. } => "app_unknown",
            Self::Captcha => "captcha",
            Self::Penalty { .. } => "penalty",
            Self::RateLimited => "rate_limited",
            Self::Locked => "locked",
            Self::Challenge => "challenge",
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::Lost { how: Loss::TimedOut } => "timed_out",
            Self::Lost { how: Loss::Broken } => "broken",
            Self::UnexpectedStatus { .. } => "unexpected_status",
            Self::Malformed { .. } | Self::UnusableToken(_) => "malformed",
        }
    }

    /// The status of the answer, where it says something.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::UnexpectedStatus { status } => Some(*status),
            Self::RateLimited => Some(429),
            Self::Locked => Some(423),
            Self::CredentialsRefused { .. }
            | Self::AppUnknown { .. }
            | Self::Captcha
            | Self::Penalty { .. }
            | Self::Challenge
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Malformed { .. }
            | Self::UnusableToken(_) => None,
        }
    }

    /// What the attempt costs: whether upstream counted it.
    pub fn reached(&self) -> Reached {
        match self {
            Self::Unreachable { .. } => Reached::No,
            Self::CredentialsRefused { .. }
            | Self::AppUnknown { .. }
            | Self::Captcha
            | Self::Penalty { .. }
            | Self::RateLimited
            | Self::Locked
            | Self::Challenge
            | Self::Refused { .. } => Reached::Refused,
            Self::Lost { .. }
            | Self::UnexpectedStatus { .. }
            | Self::Malformed { .. }
            | Self::UnusableToken(_) => Reached::Unknown,
        }
    }
}

/// What may follow a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing, until the credentials change.
    Never,
    /// No login for as long as upstream's own memory of it lasts.
    HoldOff(HoldCause),
    /// The same call, after this long.
    After(Duration),
    /// The same call within seconds: nothing was sent.
    Soon,
    /// The same call after growing delays.
    Backoff,
}

/// Why no login may be tried for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldCause {
    /// [`SourceError::Captcha`].
    Captcha,
    /// [`SourceError::RateLimited`].
    RateLimited,
    /// [`SourceError::Locked`].
    Locked,
    /// [`SourceError::Challenge`].
    Challenge,
    /// [`SourceError::Penalty`].
    Penalty,
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// Upstream never saw it.
    No,
    /// Upstream saw it and said no.
    Refused,
    /// Upstream may have obeyed it.
    Unknown,
}

/// The step before a request can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Name resolution or the TCP handshake.
    Connect,
    /// The TLS handshake.
    Tls,
}

/// How an answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// It did not come in time.
    TimedOut,
    /// The connection ended first.
    Broken,
}

/// Upstream's own words, cut to [`Self::MAX_CHARS`] and with nothing in them that could forge a log line.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorText(String);

impl ErrorText {
    /// Longest text kept.
    pub const MAX_CHARS: usize = 200;

    /// Cuts and cleans `text`.
    pub fn new(text: &str) -> Self {
        let clean = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c });
        Self(clean.take(Self::MAX_CHARS).collect())
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Controls, line and paragraph separators, and the marks that turn the direction of text around.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A penalty's ticket: worth something to whoever shares our address, so it is not printed.
#[derive(Clone)]
pub struct Ticket(pub String);

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_text_can_neither_flood_nor_forge_a_log() {
        let text = ErrorText::new(&format!("a\r\nb\u{1b}[31m\u{202e}{}", "x".repeat(1000)));
        assert!(text.to_string().starts_with("a  b [31m x"));
        assert_eq!(text.to_string().chars().count(), ErrorText::MAX_CHARS);
    }

    #[test]
    fn only_an_attempt_that_sent_nothing_is_free_and_soon_repeated() {
        let unreachable = SourceError::Unreachable { step: Step::Connect, source: "refused".into() };
        assert_eq!((unreachable.reached(), unreachable.retry()), (Reached::No, Retry::Soon));
        for error in [
            SourceError::Lost { how: Loss::TimedOut },
            SourceError::UnexpectedStatus { status: 503 },
            SourceError::Malformed { what: "not JSON" },
        ] {
            assert_eq!((error.reached(), error.retry()), (Reached::Unknown, Retry::Backoff), "{error}");
        }
    }
}
