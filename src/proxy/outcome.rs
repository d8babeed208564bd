//! How a request ends: the `outcome` label of the metrics, which alerts are written by, and the audit log's `how`.

use crate::audit;

/// One way to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Upstream's answer was passed on whole.
    Answered,
    /// An earlier answer was given again, to an idempotency key.
    Replayed,
    /// By the proxy in upstream's place: the login calls.
    Local,
    /// The caller's fault.
    Refused,
    /// By a guard.
    Guarded,
    /// The rest of the budget is for cancels and liquidations.
    BudgetSpent,
    /// Upstream has said to stop.
    Held,
    /// There was no live token.
    NoToken,
    /// Too much to do.
    Overloaded,
    /// It could not be written down first.
    NotRecorded,
    /// There was no connection to be had.
    ConnectFailed,
    /// No byte of it left, for another reason.
    NotSent,
    /// It may have been carried out: no answer came in time.
    UnknownTimeout,
    /// It may have been carried out: the connection broke, or what came was no answer.
    UnknownBroken,
    /// Upstream's answer broke off.
    Truncated,
    /// The caller left before the end of the answer.
    CallerGone,
    /// There was nobody left to answer, and it may have been carried out.
    Aborted,
    /// There was nobody left to answer, and no byte of it had left.
    AbortedUnsent,
    /// A defect of ours.
    Panicked,
}

impl Outcome {
    /// Every way.
    #[cfg(test)]
    pub(super) const ALL: [Self; 19] = [
        Self::Answered,
        Self::Replayed,
        Self::Local,
        Self::Refused,
        Self::Guarded,
        Self::BudgetSpent,
        Self::Held,
        Self::NoToken,
        Self::Overloaded,
        Self::NotRecorded,
        Self::ConnectFailed,
        Self::NotSent,
        Self::UnknownTimeout,
        Self::UnknownBroken,
        Self::Truncated,
        Self::CallerGone,
        Self::Aborted,
        Self::AbortedUnsent,
        Self::Panicked,
    ];

    /// The label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Replayed => "replayed",
            Self::Local => "local",
            Self::Refused => "refused",
            Self::Guarded => "guarded",
            Self::BudgetSpent => "budget-spent",
            Self::Held => "held",
            Self::NoToken => "no-token",
            Self::Overloaded => "overloaded",
            Self::NotRecorded => "not-recorded",
            Self::ConnectFailed => "connect-failed",
            Self::NotSent => "not-sent",
            Self::UnknownTimeout => "unknown-timeout",
            Self::UnknownBroken => "unknown-broken",
            Self::Truncated => "truncated",
            Self::CallerGone => "caller-gone",
            Self::Aborted => "aborted",
            Self::AbortedUnsent => "aborted-unsent",
            Self::Panicked => "panicked",
        }
    }

    /// What it means for whoever asks later what the request did. Of a defect alone it must be said whether a byte of the
    /// request `has_left`.
    pub(super) fn certainty(self, has_left: bool) -> audit::Outcome {
        match self {
            Self::Answered | Self::Truncated | Self::CallerGone => audit::Outcome::Answered,
            Self::UnknownTimeout | Self::UnknownBroken | Self::Aborted => audit::Outcome::Unknown,
            Self::Panicked if has_left => audit::Outcome::Unknown,
            Self::AbortedUnsent
            | Self::Panicked
            | Self::Replayed
            | Self::Local
            | Self::Refused
            | Self::Guarded
            | Self::BudgetSpent
            | Self::Held
            | Self::NoToken
            | Self::Overloaded
            | Self::NotRecorded
            | Self::ConnectFailed
            | Self::NotSent => audit::Outcome::NotSent,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{auth, guard, tradovate::Effect};

    const README: &str = include_str!("../../README.md");
    const ALERTS: &str = include_str!("../../docker/alerts.yml");
    const TESTED_ALERTS: &str = include_str!("../../docker/alerts.test.yml");

    fn names() -> BTreeSet<&'static str> {
        Outcome::ALL.map(Outcome::name).into()
    }

    #[test]
    fn each_has_a_name_of_its_own() {
        assert_eq!(names().len(), Outcome::ALL.len());
        // In the order in which they are declared, so that none is left out.
        for (at, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, at, "{outcome:?}");
        }
        assert_eq!(Outcome::Panicked as usize + 1, Outcome::ALL.len());
    }

    #[test]
    fn the_readme_lists_them_all_and_no_other() {
        let (_, list) = README.split_once("\n- `outcome` is ").unwrap();
        let (list, _) = list.split_once("\n- ").unwrap();
        // What stands in parentheses explains.
        let bare = list.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest));
        let bare: String = bare.collect();
        let listed: BTreeSet<_> = bare.split('`').skip(1).step_by(2).collect();
        assert_eq!(listed, names());
    }

    /// The values that a selector may ask a label of this name for.
    fn values(label: &str) -> Vec<&'static str> {
        match label {
            "outcome" => Outcome::ALL.map(Outcome::name).into(),
            "effect" => Effect::ALL.map(Effect::name).into(),
            "state" => auth::State::ALL.map(auth::State::name).into(),
            "guard" => guard::Rule::ALL.map(guard::Rule::name).into(),
            // docker/prometheus.yml gives it.
            "job" => vec!["tradovate-proxy"],
            other => panic!("say here which values the label {other} has"),
        }
    }

    /// Label and value of every matcher in the selectors of `expressions`.
    fn matchers(expressions: &str) -> Vec<(&str, &str)> {
        let selectors = expressions.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0));
        let matchers = selectors.flat_map(|selector| selector.split(", ")).filter_map(|matcher| {
            let (label, values) = matcher.strip_suffix('"')?.split_once('"')?;
            Some((label.trim_end_matches(['=', '!', '~']), values))
        });
        matchers.flat_map(|(label, values)| values.split('|').map(move |value| (label, value))).collect()
    }

    #[test]
    fn alerts_ask_for_values_that_there_are() {
        let asked = matchers(ALERTS);
        for label in ["outcome", "effect", "state", "guard"] {
            assert!(asked.iter().any(|(asked, _)| *asked == label), "none was found of {label}");
        }
        for (label, value) in asked {
            assert!(values(label).contains(&value), "there is no {label} {value}");
        }
        // What they are tested with names its outcomes too.
        for series in TESTED_ALERTS.split("outcome=\"").skip(1) {
            let (outcome, _) = series.split_once('"').unwrap();
            assert!(names().contains(outcome), "there is no outcome {outcome}");
        }
    }

    #[test]
    fn no_outcome_of_an_order_that_is_not_known_for_certain_is_silent() {
        let (_, alert) = ALERTS.split_once("alert: TradovateOrderOutcomeUnknown").unwrap();
        let (alert, _) = alert.split_once("- alert:").unwrap();
        let silent: BTreeSet<_> = matchers(alert)
            .into_iter()
            .filter(|(label, _)| *label == "outcome")
            .map(|(_, value)| value)
            .collect();
        for outcome in Outcome::ALL {
            let is_certain = outcome.certainty(true) != audit::Outcome::Unknown;
            assert!(is_certain || !silent.contains(outcome.name()), "{outcome:?}");
        }
        assert!(silent.contains("answered"), "{silent:?}");
    }
}
