//! Why the session stands where it stands, in words for an operator.

use crate::auth::{policy::OnKick, source::HoldCause};

/// The cause behind a [`Plan`](crate::auth::machine::Plan)'s state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All is well.
    Well,
    /// No token yet, and nothing forbids to get one.
    NoToken,
    /// The token ran out, or was found dead, and nothing forbids to get one.
    TokenGone,
    /// Something speaks against the token, and what is not known yet.
    Suspected,
    /// The token comes from the last run, or from before a pause, and has not been examined yet.
    Restored,
    /// The last attempt failed and the next one is due.
    Failing,
    /// Upstream is not there, or not well.
    Outage,
    /// The hour's budget of logins is spent.
    LoginBudget,
    /// As many logins failed as an hour allows.
    FailureBudget,
    /// The hour's budget of renewals is spent.
    RenewalBudget,
    /// Upstream imposed a wait.
    Hold(HoldCause),
    /// Upstream refused these credentials.
    Credentials,
    /// The token that was handed over is dead.
    HandedToken,
    /// Another login took the seat.
    Kicked(OnKick),
    /// An operator lent the seat to somebody.
    Paused,
}

impl Reason {
    /// What is the matter; `None` when nothing is.
    pub fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::Well => return None,
            Self::NoToken => "no token has been acquired yet",
            Self::TokenGone => "the token has expired or was found dead",
            Self::Suspected => "an answer speaks against the token; it is being looked into",
            Self::Failing => "the last attempt failed and will be repeated",
            Self::Outage => {
                "the broker does not answer, or answers only errors; it is asked every few seconds"
            }
            Self::Restored => {
                "the token comes from the last run, or from before a pause, and is being checked"
            }
            Self::LoginBudget => "as many sessions as an hour allows have been opened",
            Self::FailureBudget => "as many logins as an hour allows were refused, or got no answer",
            Self::RenewalBudget => "as many renewals as an hour allows have been made",
            Self::Hold(HoldCause::Captcha) => "the broker wants a captcha solved",
            Self::Hold(HoldCause::RateLimited) => {
                "the broker answered 429 (too many requests) to a session call"
            }
            Self::Hold(HoldCause::Locked) => "the broker answered 423 (locked) to a session call",
            Self::Hold(HoldCause::Penalty) => "the broker imposed a wait, and a ticket to send back after it",
            Self::Hold(HoldCause::Challenge) => "the broker wants a second factor or an approval",
            Self::Credentials => "the broker refused the credentials",
            Self::HandedToken => "the token that was handed over is dead",
            Self::Kicked(_) => "another login took this session's place",
            Self::Paused => "paused by an operator",
        })
    }

    /// What an operator should do; `None` when waiting is enough.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Well | Self::NoToken | Self::TokenGone | Self::Restored => None,
            Self::Suspected => {
                Some("calls may be refused until that is done; `tradovate-proxy session renew` hurries it")
            }
            Self::FailureBudget => Some(
                "wait: the next login follows by itself, with the credentials as they are then. Raising \
                 session.failures-per-hour brings it forward, at the risk of a lock-out",
            ),
            Self::Failing | Self::Outage => {
                Some("check that Tradovate can be reached; the log has each attempt's cause")
            }
            Self::LoginBudget | Self::RenewalBudget => {
                Some("wait; and find what restarts this program or uses the same address so often")
            }
            Self::Hold(HoldCause::Captcha) => Some(
                "sign in once with the broker's web application, which lets a person solve it; the next login follows \
                 by itself, an hour after the last one",
            ),
            Self::Hold(HoldCause::Penalty) => Some("wait; the next login follows by itself"),
            Self::Hold(HoldCause::RateLimited | HoldCause::Locked) => {
                Some("wait an hour; other programs behind the same address count too")
            }
            Self::Hold(HoldCause::Challenge) => Some(
                "sign in with the broker's web application and confirm this device; the next login follows by \
                 itself, an hour after the last one",
            ),
            Self::Credentials => Some(
                "correct name, password, cid and sec (all four give the same refusal); nothing is tried before \
                 they change, since each failure brings the user closer to a lock-out. If they are right, another \
                 program has used up the failures: wait an hour, then POST /session/acquire",
            ),
            Self::HandedToken => Some("put a token that lives into TRADOVATE_TOKEN or its file"),
            Self::Kicked(OnKick::Reclaim) => Some(
                "end the other program or browser that signs in as this user: a broker that allows few sessions \
                 closes the oldest for a new one",
            ),
            Self::Kicked(OnKick::Yield { .. }) => {
                Some("nothing, if the other login is yours; POST /session/resume takes the place back sooner")
            }
            Self::Kicked(OnKick::Manual) => {
                Some("POST /session/resume takes the place back; nothing else does")
            }
            Self::Paused => Some("`tradovate-proxy session resume` (or POST /session/resume) ends it"),
        }
    }
}
