//! What to do next, and how things stand until then.

use jiff::Timestamp;

use crate::auth::{
    ledger::Errand,
    machine::{
        Lease, Machine,
        doubt::{Cause, Stage},
    },
    policy::OnKick,
    reason::Reason,
    source::HoldCause,
    state::State,
};

/// What to do, and how things stand until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The state to show.
    pub state: State,
    /// Its cause.
    pub reason: Reason,
    /// The action.
    pub action: Action,
    /// When the state changes even if nothing is done.
    pub until: Option<Timestamp>,
}

/// The next thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This step, at this instant (which may have passed).
    At(Step, Timestamp),
    /// Nothing by itself.
    Stop,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A call that changes the session, and is budgeted.
    Attempt(Errand),
    /// To ask whether the token is honoured.
    Examine,
    /// To ask whether upstream is there.
    Probe,
    /// To end a pause.
    Resume,
}

impl Step {
    /// The name in logs and `/status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attempt(errand) => errand.call().name(),
            Self::Examine => "examine",
            Self::Probe => "probe",
            Self::Resume => "resume",
        }
    }
}

impl Plan {
    /// What is to be done by `now`.
    pub fn due(self, now: Timestamp) -> Action {
        match self.action {
            Action::At(_, at) if at <= now => self.action,
            Action::At(..) | Action::Stop => Action::Stop,
        }
    }
}

impl Machine {
    /// What to do next.
    pub fn plan(&mut self, now: Timestamp) -> Plan {
        self.tick(now);
        if let Some(pause) = self.record.pause {
            let action = pause.until.map_or(Action::Stop, |until| Action::At(Step::Resume, until));
            return Plan { state: State::Paused, reason: Reason::Paused, action, until: None };
        }
        match self.lease {
            Some(lease) => self.keep(lease, now),
            None => self.obtain(now),
        }
    }

    /// Lets go of what time has ended.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if let Some(setback) = &mut self.setback {
            setback.retry_at = setback.retry_at.min(now + setback.delay);
        }
        self.record.ledger.reconcile(&self.policy.budgets, now);
        if self.lease.is_some_and(|lease| lease.expires_at <= now) {
            // A login is due now; that renewals failed is no reason to put it off.
            (self.lease, self.setback, self.doubt, self.falls_back) = (None, None, None, false);
        }
    }

    /// A token lives: when to renew it, or to follow a doubt.
    fn keep(&self, lease: Lease, now: Timestamp) -> Plan {
        let ledger = &self.record.ledger;
        let budget = ledger.earliest(Errand::Renew, &self.policy.budgets, now);
        let patience = self.patience(now);
        // A renewal that fell back is the same one, asked for elsewhere.
        let due = if self.falls_back { now } else { lease.renew_at };
        let renew = (Step::Attempt(Errand::Renew), due.max(budget).max(patience));
        let follow_up = self.doubt.map(|doubt| match doubt.stage {
            Stage::Examine => (Step::Examine, self.examinations.next_at(now).max(self.locked_until(now))),
            Stage::Verify => {
                let free = ledger.earliest(Errand::Verify, &self.policy.budgets, now);
                (Step::Attempt(Errand::Verify), free.max(patience))
            }
            Stage::Probe => (Step::Probe, now),
        });
        let (step, at) = follow_up.filter(|follow_up| follow_up.1 <= renew.1).unwrap_or(renew);
        let overdue = lease.renew_at <= now;
        let (state, reason) = match () {
            () if overdue && budget > now => (State::Overdue, Reason::RenewalBudget),
            () if overdue && self.setback.is_some() => (State::Overdue, Reason::Failing),
            () if self.doubt.is_some_and(|doubt| doubt.cause == Cause::Restored) => {
                (State::Live, Reason::Restored)
            }
            () if self.doubt.is_some() => (State::Live, Reason::Suspected),
            () => (State::Live, Reason::Well),
        };
        let until = if overdue { lease.expires_at } else { lease.renew_at.min(lease.expires_at) };
        Plan { state, reason, action: Action::At(step, at), until: Some(until) }
    }

    /// Before when no renewal is tried.
    pub(super) fn patience(&self, now: Timestamp) -> Timestamp {
        self.setback.map_or(now, |setback| setback.retry_at).max(self.locked_until(now))
    }

    /// Tradovate: after a 423 no call at all, for an hour.
    fn locked_until(&self, now: Timestamp) -> Timestamp {
        let hold = self.record.ledger.hold().filter(|(cause, _)| *cause == HoldCause::Locked);
        hold.map_or(now, |(_, until)| until)
    }

    /// No token lives: when a session may be opened.
    fn obtain(&self, now: Timestamp) -> Plan {
        let ledger = &self.record.ledger;
        if ledger.has_rejected(&self.seat.credentials) {
            let reason = if self.seat.is_handed { Reason::HandedToken } else { Reason::Credentials };
            return Plan { state: State::Rejected, reason, action: Action::Stop, until: None };
        }
        let kicked = |at| Some((at, State::Kicked, Reason::Kicked(self.policy.on_kick)));
        let reclaim = match (ledger.unseated_at(), self.policy.on_kick) {
            (None, _) => None,
            (Some(_), OnKick::Reclaim) => ledger.reclaim_at().and_then(kicked),
            (Some(at), OnKick::Yield { wait }) => kicked(at + wait),
            (Some(_), OnKick::Manual) => {
                let reason = Reason::Kicked(OnKick::Manual);
                return Plan { state: State::Kicked, reason, action: Action::Stop, until: None };
            }
        };
        let hopeful = if self.had_token { State::Lapsed } else { State::Starting };
        let simply = match (self.setback, self.had_token) {
            (Some(_), _) => Reason::Failing,
            (None, true) => Reason::TokenGone,
            (None, false) => Reason::NoToken,
        };
        let (opened, failed) = ledger.logins_free_at(&self.policy.budgets, now);
        let hold = ledger.hold().map(|(cause, until)| (until, State::Held, Reason::Hold(cause)));
        let spent = [(opened, Reason::LoginBudget), (failed, Reason::FailureBudget)];
        let spent = spent.into_iter().max_by_key(|spent| spent.0).map(|(at, why)| (at, State::Held, why));
        // Whatever keeps us longest is what an operator wants to know.
        let waits = [hold, reclaim, spent];
        let longest = waits.into_iter().flatten().filter(|wait| wait.0 > now).max_by_key(|wait| wait.0);
        let acquire = |at| Action::At(Step::Attempt(Errand::Acquire), at);
        if let Some((at, state, reason)) = longest {
            return Plan { state, reason, action: acquire(at), until: None };
        }
        let retry_at = self.setback.map_or(now, |setback| setback.retry_at);
        let action = match self.outage {
            // A login spent on a broker that is not there would be missing when it is back.
            Some(outage) if outage.seen => Action::At(Step::Probe, outage.probe_at),
            Some(outage) if outage.probe_at < retry_at => Action::At(Step::Probe, outage.probe_at),
            Some(_) | None => acquire(retry_at),
        };
        let reason = if self.outage.is_some_and(|outage| outage.seen) { Reason::Outage } else { simply };
        Plan { state: hopeful, reason, action, until: None }
    }
}
