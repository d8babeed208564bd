//! Why the session stands where it stands, in words for an operator.

use crate::auth::source::HoldCause;

/// The cause behind a [`Plan`](crate::auth::policy::Plan)'s state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All is well.
    Well,
    /// No token yet, and nothing forbids to get one.
    NoToken,
    /// The token ran out, or was found dead, and nothing forbids to get one.
    TokenGone,
    /// A caller's request was answered 401 and the token has not been verified since.
    Suspected,
    /// The last attempt failed and the next one is due.
    Failing,
    /// The hour's budget of logins is spent.
    LoginBudget,
    /// The hour's budget of renewals is spent.
    RenewalBudget,
    /// Upstream imposed a wait.
    Hold(HoldCause),
    /// Upstream refused these credentials.
    Credentials,
    /// Another login took the seat.
    Kicked,
}

impl Reason {
    /// What is the matter; `None` when nothing is.
    pub fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::Well => return None,
            Self::NoToken => "no token has been acquired yet",
            Self::TokenGone => "the token has expired or was found dead",
            Self::Suspected => "upstream refused the token once; it is to be verified",
            Self::Failing => "the last attempt failed and will be repeated",
            Self::LoginBudget => "as many logins as an hour allows have been made",
            Self::RenewalBudget => "as many renewals as an hour allows have been made",
            Self::Hold(HoldCause::Captcha) => "the broker wants a captcha solved",
            Self::Hold(HoldCause::RateLimited) => {
                "the broker answered 429 (too many requests) to a session call"
            }
            Self::Hold(HoldCause::Locked) => "the broker answered 423 (locked) to a session call",
            Self::Hold(HoldCause::Challenge) => "the broker wants a second factor or an approval",
            Self::Credentials => "the broker refused the credentials",
            Self::Kicked => "another login took this session's place",
        })
    }

    /// What an operator should do; `None` when waiting is enough.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Well | Self::NoToken | Self::TokenGone | Self::Suspected => None,
            Self::Failing => Some("check that Tradovate can be reached; the log has each attempt's cause"),
            Self::LoginBudget | Self::RenewalBudget => {
                Some("wait; and find what restarts this program or uses the same address so often")
            }
            Self::Hold(HoldCause::Captcha) => Some(
                "sign in once with the broker's web application, which lets a person solve it; the next login follows \
                 by itself, an hour after the last one",
            ),
            Self::Hold(HoldCause::RateLimited | HoldCause::Locked) => {
                Some("wait an hour; other programs behind the same address count too")
            }
            Self::Hold(HoldCause::Challenge) => Some(
                "sign in with the broker's web application and confirm this device; the next login follows by \
                 itself, an hour after the last one",
            ),
            Self::Credentials => Some(
                "correct name, password, cid and sec (all four give the same refusal); nothing is tried before \
                 they change, since each failure brings the user closer to a lock-out",
            ),
            Self::Kicked => Some(
                "end the other program or browser that signs in as this user: a broker that allows few sessions \
                 closes the oldest for a new one",
            ),
        }
    }
}
