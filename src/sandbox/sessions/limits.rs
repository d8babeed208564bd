//! How often one may log in, renew and ask.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;

use crate::sandbox::{
    rules::Rules,
    sessions::window::{Window, later},
};

/// The counters behind the broker's limits, each over a rolling hour.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    login_failures: Window,
    locked_until: Option<Timestamp>,
    renewals: Window,
    requests: Window,
    tickets: HashMap<String, Timestamp>,
    issued: u64,
}

/// An answer that says: not handled, wait, and send it again with this ticket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Penalty {
    pub(crate) ticket: String,
    pub(crate) wait: Duration,
    pub(crate) captcha: bool,
}

impl Limits {
    /// Whether logging in is locked.
    pub(crate) fn is_locked(&self, now: Timestamp) -> bool {
        self.locked_until.is_some_and(|until| now < until)
    }

    /// The penalty of a login that may not even be looked at.
    /// Tradovate: for accesstokenrequest it always has `p-captcha`.
    pub(crate) fn login_penalty(&mut self, now: Timestamp, rules: &Rules) -> Option<Penalty> {
        if let Some(until) = self.locked_until.filter(|&until| now < until) {
            return Some(self.penalty(until, now, true));
        }
        let until = later(self.login_failures.last()?, rules.login_back_off);
        (now < until).then(|| self.penalty(until, now, true))
    }

    /// Counts a login that was refused; the last of them locks.
    pub(crate) fn note_login_failure(&mut self, now: Timestamp, rules: &Rules) {
        self.login_failures.note(now);
        if self.login_failures.count(now) >= rules.login_failures {
            self.locked_until = Some(later(now, rules.lock));
            self.login_failures = Window::default();
        }
    }

    /// Counts a renewal, or tells the penalty of one too many.
    /// Tradovate: 15 an hour, successes counted.
    pub(crate) fn admit_renewal(&mut self, now: Timestamp, rules: &Rules) -> Result<(), Penalty> {
        let soonest = self.renewals.last().map(|last| later(last, rules.renewal_back_off));
        if let Some(until) = soonest.filter(|&until| now < until) {
            return Err(self.penalty(until, now, false));
        }
        if rules.renewals_per_hour.is_some_and(|most| self.renewals.count(now) >= most) {
            let until = self.renewals.frees_at().unwrap_or(now);
            return Err(self.penalty(until, now, false));
        }
        self.renewals.note(now);
        Ok(())
    }

    /// Counts a request, or says that it is one too many.
    pub(crate) fn admit_request(&mut self, now: Timestamp, rules: &Rules) -> bool {
        let Some(most) = rules.requests_per_hour else { return true };
        let admitted = self.requests.count(now) < most;
        if admitted {
            self.requests.note(now);
        }
        admitted
    }

    /// Remembers a ticket that may be sent back after `wait`.
    pub(crate) fn register_ticket(&mut self, ticket: String, now: Timestamp, wait: Duration) {
        self.tickets.insert(ticket, later(now, wait));
    }

    /// Takes a ticket back: good once, and only after its time.
    pub(crate) fn redeem_ticket(&mut self, ticket: &str, now: Timestamp) -> bool {
        let due = self.tickets.get(ticket).is_some_and(|&due| due <= now);
        due && self.tickets.remove(ticket).is_some()
    }

    /// A new penalty until `until`.
    pub(crate) fn penalty(&mut self, until: Timestamp, now: Timestamp, captcha: bool) -> Penalty {
        self.issued += 1;
        let ticket = format!("SIM-ticket-{:04}", self.issued);
        let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        // Whole seconds, rounded up: a client that waits as told is never early.
        let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        if !captcha {
            self.register_ticket(ticket.clone(), now, wait);
        }
        Penalty { ticket, wait, captcha }
    }
}
