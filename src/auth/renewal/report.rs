//! What people, probes and metrics are told of each turn.

use std::{error::Error as _, iter};

use jiff::Timestamp;

use crate::auth::{
    ledger::Errand,
    machine::{Action, Plan},
    metrics::OK,
    policy::skew,
    reason::Reason,
    renewal::Renewer,
    source::{Grant, SourceError, TokenSource},
    state::{Attempt, State},
};

impl<S: TokenSource> Renewer<S> {
    /// Notes how an attempt ended.
    pub(super) fn note(&mut self, errand: Errand, answer: &Result<Grant, SourceError>, at: Timestamp) {
        let call = errand.call();
        let result = answer.as_ref().map_or_else(SourceError::label, |_| OK);
        self.metrics.attempted(call, result);
        self.status.last = Some(Attempt { call, at, result });
        match answer {
            Ok(grant) => {
                self.status.last_error = None;
                if let Some(date) = grant.server_date {
                    self.status.clock_skew_seconds = Some(skew(date, self.clock.wall()).as_secs());
                }
                tracing::info!(
                    call = call.name(),
                    expires_at = grant.expires_at.map(tracing::field::display),
                    "token granted"
                );
            }
            Err(error) => {
                self.status.last_error = Some(error.to_string());
                tracing::warn!(call = call.name(), %error, cause = chain(error), "no token granted");
            }
        }
    }

    /// Tells how things stand; the session stays what it is.
    pub(super) fn report(&mut self, plan: Plan, now: Timestamp) {
        self.describe(plan, now);
        self.publisher.report(self.status.clone());
    }

    /// Writes `plan` into the status, and a change of state into log and metrics.
    pub(super) fn describe(&mut self, plan: Plan, now: Timestamp) {
        let Plan { state, reason, action, .. } = plan;
        let advice = reason.advice();
        if state != self.status.state {
            self.status.since = now;
            let (state_name, why) = (state.name(), reason.text());
            match state {
                State::Starting | State::Live => tracing::info!(state = state_name, reason = why, "session"),
                State::Overdue | State::Lapsed | State::Paused => {
                    tracing::warn!(state = state_name, reason = why, advice, "session");
                }
                State::Held | State::Rejected | State::Kicked => {
                    tracing::error!(state = state_name, reason = why, advice, "session");
                }
            }
        }
        self.status.state = state;
        self.status.reason = reason.text().map(|text| self.with_last_error(reason, text));
        self.status.advice = advice.map(str::to_owned);
        self.status.next = match action {
            Action::At(step, at) => Some((step, at.max(now))),
            Action::Stop => None,
        };
        self.status.on_kick = self.policy.on_kick;
        let shown = |at| self.clock.shown(at);
        self.metrics.stands(&self.status, shown);
    }

    /// Where an attempt's own failure is the reason, or the reason behind it, its words say most.
    fn with_last_error(&self, reason: Reason, text: &str) -> String {
        let is_of_an_attempt = matches!(
            reason,
            Reason::Failing
                | Reason::Outage
                | Reason::LoginBudget
                | Reason::FailureBudget
                | Reason::RenewalBudget
                | Reason::Credentials
                | Reason::Hold(_)
        );
        match &self.status.last_error {
            Some(error) if is_of_an_attempt => format!("{text}; the last attempt: {error}"),
            Some(_) | None => text.to_owned(),
        }
    }
}

/// What lies below an error, from layer to layer: the outermost words of an HTTP client say nothing.
fn chain(error: &SourceError) -> Option<String> {
    let below = iter::successors(error.source(), |&cause| cause.source());
    below.map(ToString::to_string).reduce(|above, cause| format!("{above}: {cause}"))
}
