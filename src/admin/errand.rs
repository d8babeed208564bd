//! What may be asked of the session by POST, and what its words mean: functions of the request's text alone.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    admin::{problem::Usage, times},
    auth::{Order, State},
    clock::Clock,
};

/// One of the routes below `/session/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Renew,
    Acquire,
    Pause,
    Resume,
}

impl Errand {
    /// The errand that `path` stands for.
    pub(super) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/session/renew" => Self::Renew,
            "/session/acquire" => Self::Acquire,
            "/session/pause" => Self::Pause,
            "/session/resume" => Self::Resume,
            _ => return None,
        })
    }

    /// The name in logs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Renew => "renew",
            Self::Acquire => "acquire",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }

    /// How it is given, for whoever gave it otherwise.
    pub(super) fn usage(self) -> Usage {
        Usage {
            give: "run `tradovate-proxy session`",
            look: "/status shows the session without changing it",
            terms: self.terms(),
        }
    }

    fn terms(self) -> &'static str {
        match self {
            Self::Renew | Self::Acquire => "this order takes no terms: send no query and no body",
            Self::Pause => {
                "at most one term, as a query or as a JSON body: for=30m (a duration such as 90s, 30m or 1h30m), or \
                 until=2026-11-23T08:00:00Z (an instant to come, with its offset)"
            }
            Self::Resume => {
                "at most one term, as a query or as a JSON body: in=30m (a duration such as 90s, 30m or 1h30m), or \
                 at=2026-11-23T08:00:00Z (an instant to come, with its offset)"
            }
        }
    }

    /// The order that this errand, asked for with these words, is to a session in `state`.
    pub(super) fn order(
        self,
        query: Option<&str>,
        body: &[u8],
        clock: &Clock,
        state: State,
    ) -> Result<Order, BadTerms> {
        let term = Term::read(query, body)?;
        let until = |term: Term| term.instant(clock).map(Some);
        match (self, term) {
            (Self::Renew, None) => Ok(Order::Renew),
            (Self::Acquire, None) => Ok(Order::Acquire),
            (Self::Resume, None) => Ok(Order::Resume),
            (Self::Pause, None) => Ok(Order::Pause { until: None }),
            (Self::Pause, Some(term @ (Term::For(_) | Term::Until(_)))) => {
                Ok(Order::Pause { until: until(term)? })
            }
            // A pause is given its end; a session that is not paused would be stopped by that.
            (Self::Resume, Some(term @ (Term::In(_) | Term::At(_)))) if state == State::Paused => {
                Ok(Order::Pause { until: until(term)? })
            }
            (Self::Resume, Some(Term::In(_) | Term::At(_))) => Err(BadTerms::NotPaused),
            (Self::Renew | Self::Acquire | Self::Pause | Self::Resume, Some(_)) => Err(BadTerms::Unknown),
        }
    }
}

/// Why the words of an order were not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTerms {
    #[error("the body is not a JSON object with a text for each term")]
    Body,
    #[error("there is a term that this order does not know")]
    Unknown,
    #[error("there is more than one term")]
    Several,
    #[error("a term is missing")]
    Missing,
    #[error("{}", BadSpan)]
    Span,
    #[error("the instant cannot be read")]
    Instant,
    #[error("the instant has passed")]
    Past,
    #[error("that is more than a year away")]
    TooFar,
    #[error("the session is not paused, so there is nothing to resume at a later time")]
    NotPaused,
}

/// When, in the words of whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    For(String),
    Until(String),
    In(String),
    At(String),
}

/// All terms that a body may have. A derived reader refuses others, and the same one twice.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    r#for: Option<String>,
    until: Option<String>,
    r#in: Option<String>,
    at: Option<String>,
}

impl Term {
    /// The one term in `query` and `body` together.
    fn read(query: Option<&str>, body: &[u8]) -> Result<Option<Self>, BadTerms> {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut terms = query
            .map(|(name, value)| {
                let value = value.into_owned();
                Ok(match &*name {
                    "for" => Self::For(value),
                    "until" => Self::Until(value),
                    "in" => Self::In(value),
                    "at" => Self::At(value),
                    _ => return Err(BadTerms::Unknown),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if !body.is_empty() {
            let body: Terms = serde_json::from_slice(body).map_err(|_| BadTerms::Body)?;
            terms.extend(body.r#for.map(Self::For));
            terms.extend(body.until.map(Self::Until));
            terms.extend(body.r#in.map(Self::In));
            terms.extend(body.at.map(Self::At));
        }
        let term = terms.pop();
        if terms.is_empty() { Ok(term) } else { Err(BadTerms::Several) }
    }

    /// The session's instant that it names: one to come.
    fn instant(&self, clock: &Clock) -> Result<Timestamp, BadTerms> {
        let now = clock.now();
        let instant = match self {
            Self::For(text) | Self::In(text) => {
                let span = span(text).map_err(|BadSpan| BadTerms::Span)?;
                now.checked_add(span).map_err(|_| BadTerms::TooFar)?
            }
            Self::Until(text) | Self::At(text) => {
                times::meant(clock, text.parse().map_err(|_| BadTerms::Instant)?)
            }
        };
        match instant.duration_since(now) {
            away if away > LONGEST => Err(BadTerms::TooFar),
            away if away.is_positive() => Ok(instant),
            _ => Err(BadTerms::Past),
        }
    }
}

/// How long a seat is lent: `90s`, `30m`, `8h`, as in the settings, and also `1h30m`.
///
/// # Errors
/// When it is no duration above zero.
pub fn span(text: &str) -> Result<SignedDuration, BadSpan> {
    text.parse().ok().filter(SignedDuration::is_positive).ok_or(BadSpan)
}

/// What was given is no duration above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a duration above zero, such as 90s, 30m or 1h30m")]
pub struct BadSpan;

/// Whoever lends the seat for longer has slipped in the unit or the year; without an end it is lent until told.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::simulated("2026-11-23T07:00:00Z".parse().unwrap())
    }

    fn order(errand: Errand, query: &str, body: &str, state: State) -> Result<Order, BadTerms> {
        let query = (!query.is_empty()).then_some(query);
        errand.order(query, body.as_bytes(), &clock(), state)
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_what_its_words_say() {
        let until = |text: &str| Ok(Order::Pause { until: Some(text.parse().unwrap()) });
        let half_past = until("2026-11-23T07:30:00Z");
        for (errand, query, body, expected) in [
            (Errand::Renew, "", "", Ok(Order::Renew)),
            (Errand::Renew, "", "{}", Ok(Order::Renew)),
            (Errand::Acquire, "", "", Ok(Order::Acquire)),
            (Errand::Resume, "", "", Ok(Order::Resume)),
            (Errand::Pause, "", "{}", Ok(Order::Pause { until: None })),
            (Errand::Pause, "for=30m", "", half_past),
            (Errand::Pause, "", r#"{"for":"30m"}"#, half_past),
            (Errand::Pause, "for=1h30m", "", until("2026-11-23T08:30:00Z")),
            (Errand::Pause, "until=2026-11-23T07:30:00Z", "", half_past),
            (Errand::Pause, "", r#"{"until":"2026-11-23T08:30:00+01:00"}"#, half_past),
            (Errand::Pause, "until=2026-11-23T08%3A30%3A00%2B01:00", "", half_past),
            (Errand::Resume, "in=30m", "", half_past),
            (Errand::Resume, "", r#"{"at":"2026-11-23T07:30:00Z"}"#, half_past),
        ] {
            assert_eq!(order(errand, query, body, State::Paused), expected, "{errand:?} {query:?} {body:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_understood_is_no_order() {
        use BadTerms as Bad;
        for (errand, query, body, expected) in [
            (Errand::Renew, "for=30m", "", Bad::Unknown),
            (Errand::Acquire, "", r#"{"until":"2026-11-23T08:00:00Z"}"#, Bad::Unknown),
            (Errand::Pause, "in=30m", "", Bad::Unknown),
            (Errand::Resume, "for=30m", "", Bad::Unknown),
            (Errand::Pause, "For=30m", "", Bad::Unknown),
            (Errand::Pause, "for=30m&dry-run", "", Bad::Unknown),
            (Errand::Pause, "for=30m&for=8h", "", Bad::Several),
            (Errand::Pause, "for=30m", r#"{"until":"2026-11-23T08:00:00Z"}"#, Bad::Several),
            (Errand::Pause, "", r#"{"for":"30m","until":"2026-11-23T08:00:00Z"}"#, Bad::Several),
            (Errand::Pause, "", r#"{"for":"30m","for":"8h"}"#, Bad::Body),
            (Errand::Pause, "", r#"{"for":30}"#, Bad::Body),
            (Errand::Pause, "", r#"{"minutes":"30"}"#, Bad::Body),
            (Errand::Pause, "", "[]x", Bad::Body),
            (Errand::Pause, "", "\u{feff}{}", Bad::Body),
            (Errand::Pause, "for=", "", Bad::Span),
            (Errand::Pause, "for=30", "", Bad::Span),
            (Errand::Pause, "for=0s", "", Bad::Span),
            (Errand::Pause, "for=-30m", "", Bad::Span),
            (Errand::Pause, "for=30m ago", "", Bad::Span),
            (Errand::Pause, "for=9000h", "", Bad::TooFar),
            (Errand::Pause, "for=2562047788015215h", "", Bad::TooFar),
            (Errand::Pause, "until=tomorrow", "", Bad::Instant),
            (Errand::Pause, "until=2026-11-23T08:00:00", "", Bad::Instant),
            (Errand::Pause, "until=2026-11-23T07:00:00Z", "", Bad::Past),
            (Errand::Pause, "until=2036-11-23T08:00:00Z", "", Bad::TooFar),
        ] {
            assert_eq!(
                order(errand, query, body, State::Paused),
                Err(expected),
                "{errand:?} {query:?} {body:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn resuming_later_never_stops_a_session_that_runs() {
        for state in State::ALL.into_iter().filter(|state| *state != State::Paused) {
            assert_eq!(order(Errand::Resume, "in=30m", "", state), Err(BadTerms::NotPaused), "{state:?}");
        }
    }
}
