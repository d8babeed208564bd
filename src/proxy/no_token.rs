//! What a caller is told when there is no token: why, what happens next, and who has to do something about it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::auth::{State, Status};

/// The session, as it was when a request found no token.
#[derive(Debug)]
pub struct NoToken {
    state: State,
    reason: Option<String>,
    advice: Option<String>,
    /// When the renewer does something by itself, if it will.
    next_in: Option<SignedDuration>,
}

impl NoToken {
    /// What `status` means at `now` to a caller who has to wait.
    pub fn new(status: &Status, now: Timestamp) -> Self {
        let next_in = status.next.map(|(_, at)| {
            // Up to the second after: whoever comes back then must not be early.
            SignedDuration::from_secs(at.duration_since(now).as_secs().max(0).saturating_add(1))
        });
        let Status { state, reason, advice, .. } = status;
        Self { state: *state, reason: reason.clone(), advice: advice.clone(), next_in }
    }

    /// Seconds for `Retry-After` (RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> u64 {
        let seconds = self.next_in.unwrap_or(UNPLANNED).as_secs();
        u64::try_from(seconds).unwrap_or_default().clamp(1, LONGEST_RETRY_AFTER)
    }

    /// What to do.
    pub fn help(&self) -> String {
        let advice = self.advice.as_deref();
        match (self.state, self.next_in) {
            (State::Paused, Some(span)) => format!(
                "nothing is sent until the pause ends, in {span:#}; `tradovate-proxy session resume` ends it now"
            ),
            (State::Paused, None) => {
                "nothing is sent until somebody ends the pause: `tradovate-proxy session resume`".to_owned()
            }
            (State::Kicked, next_in) => {
                let course = match next_in {
                    Some(span) => format!(
                        "the proxy takes it back by itself in {span:#}; `tradovate-proxy session resume` does so now"
                    ),
                    None => "the proxy leaves it so (setting session.on-kick) until somebody says \
                             `tradovate-proxy session resume`"
                        .to_owned(),
                };
                advice.map(|advice| format!("{advice}; {course}")).unwrap_or(course)
            }
            (
                State::Starting
                | State::Live
                | State::Overdue
                | State::Lapsed
                | State::Held
                | State::Rejected,
                _,
            ) => advice
                .unwrap_or("try again after the time in Retry-After; /status on the admin listener says more")
                .to_owned(),
        }
    }
}

impl fmt::Display for NoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session is {}", self.state.name())?;
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// For a session that somebody has to mend first; as on the admin listener. To ask costs nothing upstream.
const UNPLANNED: SignedDuration = SignedDuration::from_secs(30);

/// An hour: Tradovate's own hold-off.
const LONGEST_RETRY_AFTER: u64 = 3600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::machine::Step;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn told(state: State, next: Option<i64>, advice: Option<&str>) -> NoToken {
        let next = next.map(|seconds| (Step::Probe, NOW + SignedDuration::from_secs(seconds)));
        let advice = advice.map(str::to_owned);
        NoToken::new(&Status { state, advice, next, ..Status::starting(NOW) }, NOW)
    }

    #[test]
    fn retry_after_is_when_something_happens_within_reason() {
        for (next, seconds) in [(None, 30), (Some(-5), 1), (Some(0), 1), (Some(59), 60), (Some(7200), 3600)] {
            assert_eq!(told(State::Held, next, None).retry_after(), seconds, "{next:?}");
        }
    }

    #[test]
    fn every_state_says_what_happens_next_or_who_has_to_do_something() {
        let end = Some("end the other program");
        for (state, next, advice, expected) in [
            (
                State::Paused,
                Some(3599),
                None,
                "until the pause ends, in 1h; `tradovate-proxy session resume`",
            ),
            (State::Paused, None, None, "until somebody ends the pause: `tradovate-proxy session resume`"),
            // `reclaim` and `yield` have a next time, `manual` has none.
            (
                State::Kicked,
                Some(299),
                end,
                "end the other program; the proxy takes it back by itself in 5m;",
            ),
            (State::Kicked, Some(0), None, "the proxy takes it back by itself in 1s;"),
            (
                State::Kicked,
                None,
                end,
                "end the other program; the proxy leaves it so (setting session.on-kick) until",
            ),
            (State::Held, Some(60), Some("wait an hour"), "wait an hour"),
            (State::Rejected, None, Some("correct the password"), "correct the password"),
            (State::Starting, None, None, "try again after the time in Retry-After"),
        ] {
            let help = told(state, next, advice).help();
            assert!(help.starts_with(expected) || help.contains(expected), "{state:?}: {help}");
        }
        for state in State::ALL {
            assert!(!told(state, None, None).help().is_empty());
        }
    }
}
