//! What operators and a changed configuration ask of the session.

use jiff::Timestamp;

use crate::auth::{
    console::{Declined, Order},
    ledger::Errand,
    machine::{
        Machine, Seat,
        doubt::{Cause, Doubt},
    },
    policy::RenewalPolicy,
    reason::Reason,
    source::HoldCause,
    vault::Pause,
};

impl Machine {
    /// An operator's order: what to attempt for it now, if anything.
    ///
    /// # Errors
    /// When it cannot be carried out.
    pub fn order(&mut self, order: Order, now: Timestamp) -> Result<Option<Errand>, Declined> {
        self.tick(now);
        match order {
            Order::Renew | Order::Acquire if self.record.pause.is_some() => Err(Declined::Paused),
            Order::Renew if self.lease.is_none() => Err(Declined::NoToken),
            Order::Renew => self.permitted(Errand::Renew, now).map(Some),
            Order::Acquire if self.seat.is_handed && self.is_spent() => Err(Declined::SameToken),
            Order::Acquire => self.permitted(Errand::Acquire, now).map(Some),
            Order::Pause { until } => {
                self.record.pause = Some(Pause { until });
                Ok(None)
            }
            Order::Resume if self.record.pause.is_none() && self.record.ledger.unseated_at().is_none() => {
                Err(Declined::NothingToResume)
            }
            Order::Resume => {
                if self.record.pause.is_some() {
                    self.resume();
                }
                self.record.ledger.reclaim_now();
                Ok(None)
            }
        }
    }

    /// Whether the token that is handed over has been renewed since, or is dead.
    fn is_spent(&self) -> bool {
        self.record.ledger.has_rejected(&self.seat.credentials)
    }

    /// Whether the session came of the token that is handed over now.
    fn is_taken_up(&self) -> bool {
        self.seat.is_handed && self.record.opened_with.as_ref() == Some(&self.seat.credentials)
    }

    /// The pause is over. Whoever had the seat meanwhile may have closed this session.
    pub fn resume(&mut self) {
        self.record.pause = None;
        if self.seat.is_handed && !self.is_taken_up() {
            // Another token was handed over meanwhile.
            self.lease = None;
        }
        if self.lease.is_some() {
            self.doubt = Some(Doubt::new(Cause::Restored));
        }
    }

    /// Other credentials from now on. Whether a token handed over with them should be taken at once.
    pub fn reseat(&mut self, seat: Seat) -> bool {
        let is_other = seat.credentials != self.seat.credentials;
        self.seat = seat;
        if is_other {
            (self.setback, self.ticket) = (None, None);
            self.forget_foreign_means();
        }
        is_other && self.seat.is_handed && self.record.pause.is_none()
    }

    /// Other limits from now on.
    pub fn govern(&mut self, policy: RenewalPolicy) {
        self.policy = policy;
    }

    /// Whether an operator may have `errand` run now: inside the budgets and the broker's own waits, whatever else
    /// the policy would wait for.
    fn permitted(&self, errand: Errand, now: Timestamp) -> Result<Errand, Declined> {
        let ledger = &self.record.ledger;
        let budget = ledger.earliest(errand, &self.policy.budgets, now);
        let (opened, failed) = ledger.logins_free_at(&self.policy.budgets, now);
        let spent = match errand {
            Errand::Acquire if failed > opened => Reason::FailureBudget,
            Errand::Acquire => Reason::LoginBudget,
            Errand::Renew | Errand::Verify => Reason::RenewalBudget,
        };
        let hold = ledger
            .hold()
            .filter(|(cause, _)| errand == Errand::Acquire || *cause == HoldCause::Locked)
            .map(|(cause, until)| (until, Reason::Hold(cause)));
        let longest = [hold, Some((budget, spent))].into_iter().flatten().max_by_key(|wait| wait.0);
        match longest.filter(|(at, _)| *at > now) {
            None => Ok(errand),
            Some((at, reason)) => Err(Declined::NotBefore { at, reason: reason.text().unwrap_or_default() }),
        }
    }
}
