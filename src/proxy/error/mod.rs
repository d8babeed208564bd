//! Every answer that the proxy makes because it could not pass a request on: whose fault, what happened, what
//! to do, and what is known of the request.

mod problem;
mod slow;
mod wording;

pub(super) use self::problem::outcome_name;
pub use self::{problem::Problem, slow::Slow};

use crate::{
    audit::NotRecorded,
    budget,
    callers::Stranger,
    downstream::Peer,
    guard,
    http1::BadRequest,
    idempotency::{self, BadKey},
    proxy::{NoToken, outcome::Outcome, route::Refusal},
    upstream::{Failure, Sent},
};

/// Why a request got no answer from upstream.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The caller's fault: framing or form.
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    /// Nobody who may call.
    #[error(transparent)]
    Stranger(#[from] Stranger),
    /// The caller's fault: it stopped sending.
    #[error("the request did not arrive whole: {0}")]
    SlowRequest(Slow),
    /// The caller's fault: the body is too large.
    #[error("the request body is larger than {limit} bytes")]
    BodyTooLarge {
        /// Setting `limits.body-bytes`.
        limit: usize,
    },
    /// The caller's fault: what it asks for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The operator does not want it: a guard.
    #[error(transparent)]
    Guarded(#[from] guard::Refusal),
    /// Nobody's: there is no live token, and these are the circumstances.
    #[error("no live token: {0}")]
    NoToken(NoToken),
    /// Nobody's: the caller closed its side while its request waited for a token, to be written down, or for a
    /// connection.
    #[error("the caller closed its side of the connection while the request waited to be sent")]
    CallerLeft,
    /// Nobody's: Tradovate would not take it, or what it still takes is kept for cancels.
    #[error(transparent)]
    Budget(#[from] budget::Refusal),
    /// Ours: an order that cannot be written down.
    #[error(transparent)]
    NotRecorded(#[from] NotRecorded),
    /// Ours: too much to do.
    #[error("{concurrent} requests are in progress already")]
    Overloaded {
        /// Setting `limits.concurrent-requests`.
        concurrent: usize,
    },
    /// Ours: too many large bodies at once.
    #[error("request bodies hold as much memory as they may together, {limit} bytes")]
    BuffersFull {
        /// Setting `limits.buffered-bytes`.
        limit: usize,
    },
    /// Ours: too many callers.
    #[error("{connections} connections are open already")]
    TooManyConnections {
        /// Setting `limits.connections`.
        connections: usize,
    },
    /// The caller's fault: it is not among those who may use the socket.
    #[error("the Unix socket is not for processes of {0}")]
    ForeignUser(Peer),
    /// The caller's fault: its idempotency key is none.
    #[error(transparent)]
    BadKey(#[from] BadKey),
    /// What became of an earlier request with the same idempotency key, or that the key can do nothing.
    #[error(transparent)]
    Keyed(#[from] idempotency::Refusal),
    /// Upstream's, or the network's.
    #[error("upstream failed: {0}")]
    Upstream(#[from] Failure),
}

impl ProxyError {
    /// Whether the connection must end with this answer, since where the next request starts is not known.
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::BadRequest(_)
            | Self::SlowRequest(_)
            | Self::BodyTooLarge { .. }
            | Self::BuffersFull { .. }
            | Self::TooManyConnections { .. }
            | Self::ForeignUser(_) => true,
            Self::Stranger(_)
            | Self::Refused(_)
            | Self::Guarded(_)
            | Self::NoToken(_)
            | Self::CallerLeft
            | Self::Budget(_)
            | Self::NotRecorded(_)
            | Self::Overloaded { .. }
            | Self::BadKey(_)
            | Self::Keyed(_)
            | Self::Upstream(_) => false,
        }
    }

    /// How the request ends that is answered with it.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::BadRequest(_)
            | Self::Stranger(_)
            | Self::ForeignUser(_)
            | Self::SlowRequest(_)
            | Self::BodyTooLarge { .. }
            | Self::Refused(_)
            | Self::BadKey(_)
            | Self::Keyed(_) => Outcome::Refused,
            Self::Guarded(_) => Outcome::Guarded,
            Self::NoToken(_) => Outcome::NoToken,
            Self::CallerLeft => Outcome::NotSent,
            Self::Budget(budget::Refusal::Spent { .. }) => Outcome::BudgetSpent,
            Self::Budget(budget::Refusal::Held(_)) => Outcome::Held,
            Self::NotRecorded(_) => Outcome::NotRecorded,
            Self::Overloaded { .. } | Self::BuffersFull { .. } | Self::TooManyConnections { .. } => {
                Outcome::Overloaded
            }
            Self::Upstream(Failure { error, sent }) => match (sent, error.is_connect(), error.is_timeout()) {
                (_, true, _) => Outcome::ConnectFailed,
                (Sent::No, false, _) => Outcome::NotSent,
                (Sent::Maybe, false, true) => Outcome::UnknownTimeout,
                (Sent::Maybe, false, false) => Outcome::UnknownBroken,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::UpstreamError;

    #[test]
    fn a_problem_says_what_happened_what_to_do_and_whether_it_was_sent() {
        let error = ProxyError::from(Failure { error: UpstreamError::HeadTimeout, sent: Sent::Maybe });
        let problem = error.problem();
        let body: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        assert_eq!(problem.status, 504);
        assert_eq!(body["type"], "urn:tradovate-proxy:problem:upstream-too-slow");
        assert_eq!(body["outcome"], "unknown");
        assert_eq!(error.outcome(), Outcome::UnknownTimeout);
        assert!(body["help"].as_str().unwrap().contains("before you send it again"));
        assert_eq!(body.get("errorText"), None, "who reads only this would take it for a refusal");
    }

    #[test]
    fn a_hold_says_how_an_operator_ends_it() {
        use crate::budget::{Cause, Held, Refusal};

        for cause in [Cause::Limited, Cause::Locked] {
            let hold = Held { cause, until: jiff::Timestamp::UNIX_EPOCH, retry_after: 9 };
            let help = ProxyError::from(Refusal::from(hold)).problem().help;
            assert!(help.contains("budget.hold = \"0s\""), "{help}");
        }
    }

    #[test]
    fn not_connected_means_not_sent() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = ProxyError::from(Failure { error: UpstreamError::Connect(refused), sent: Sent::No });
        assert_eq!((error.problem().status.as_u16(), error.outcome()), (502, Outcome::ConnectFailed));
        assert!(error.problem().help.contains("safe to try again"));
        let body: serde_json::Value = serde_json::from_slice(&error.problem().to_json()).unwrap();
        assert_eq!(body["errorText"], body["detail"]);
    }
}
