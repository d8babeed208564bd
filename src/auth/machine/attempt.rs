//! What an attempt to acquire or renew comes to.

use std::time::Duration;

use jiff::Timestamp;

use crate::auth::{
    ledger::Errand,
    machine::{
        Lost, Machine, Outage, Setback, Ticketed,
        doubt::{Cause, Doubt},
    },
    source::{Grant, HoldCause, Means, Reached, Retry, SourceError},
    token::User,
    vault::StoredSession,
};

impl Machine {
    /// An attempt is about to be made: to be stored before it is.
    pub fn begin(&mut self, errand: Errand, now: Timestamp) {
        self.record.ledger.begin(errand, now);
    }

    /// The attempt begun at `asked` was granted.
    pub fn granted(&mut self, errand: Errand, grant: Grant, asked: Timestamp, now: Timestamp) {
        self.record.ledger.granted(grant.opened, now);
        let renews_same = errand != Errand::Acquire;
        if let (true, Some(Doubt { cause: Cause::Denied(operation), .. })) = (renews_same, self.doubt) {
            self.examinations.verified(operation, grant.proves_bearer);
        }
        (self.setback, self.outage, self.ticket, self.doubt) = (None, None, None, None);
        self.falls_back = false;
        if !renews_same {
            self.record.opened_with = Some(self.seat.credentials.clone());
            self.examinations.begin_anew();
        }
        if let Some(token) = grant.refresh {
            self.keep_refresh(token);
        }
        let (origin, user) = match self.record.session.take() {
            Some(last) => (last.origin, last.user),
            None => (self.seat.bootstrap.clone(), User::default()),
        };
        // A token that was handed over may be anybody's.
        let user = if self.seat.is_handed && !renews_same { User::default() } else { user };
        if self.seat.is_handed && renews_same {
            // What came of it has taken its place: the one that was handed over is not to be taken up again.
            self.record.ledger.reject(&self.seat.credentials);
        }
        // A token that was handed over says nothing of its life: asking for more is how to learn it.
        let is_of_unknown_life = grant.expires_at.is_none() && !grant.opened && !renews_same;
        let session = StoredSession {
            token: grant.token,
            issued_at: now,
            expires_at: self.policy.expires_at(grant.expires_at, grant.server_date, asked),
            // Absent means unchanged, not back to where it began.
            origin: grant.origin.unwrap_or(origin),
            user: grant.user.unwrap_or_default().or(user),
        };
        let (issued_at, expires_at) = (session.issued_at, session.expires_at);
        self.record.session = Some(session);
        self.record.generation = self.record.generation.next();
        self.take_up(issued_at, expires_at);
        if let (true, Some(lease)) = (is_of_unknown_life, &mut self.lease) {
            lease.renew_at = now;
        }
    }

    /// The attempt last begun failed.
    pub fn failed(&mut self, errand: Errand, error: &SourceError, now: Timestamp) -> Option<Lost> {
        let Self { record, seat, policy, .. } = self;
        record.ledger.failed(error, &seat.credentials, &policy.budgets, now);
        let previous = self.setback.map(|setback| setback.delay);
        let mut delay = self.policy.delay(error, previous, self.random.f64());
        if errand == Errand::Acquire && self.lease.is_some() {
            // An operator wanted another session. The one that lives is renewed as if nothing had been.
            return None;
        }
        if errand == Errand::Acquire {
            let last = if error.reached() == Reached::No { None } else { self.ticket.take() };
            let count = last.map_or(0, |ticketed| ticketed.count);
            if let SourceError::Penalty { ticket, .. } = error {
                // The next ticket in a row says that the last wait was too short.
                delay = delay.saturating_mul(1_u32.checked_shl(count).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
                let means = Means { ticket: Some(ticket.clone()), refresh: None };
                self.ticket = Some(Ticketed { means, count: count + 1 });
                self.record.ledger.hold_until(HoldCause::Penalty, now + delay);
            }
            let may_be_outage = error.reached() == Reached::Unknown && error.retry() == Retry::Backoff;
            self.outage = may_be_outage.then(|| Outage { probe_at: now + self.probe_gap(), seen: false });
        } else if self.may_fall_back(error) {
            // Nothing else is known to be wrong: the bootstrap origin is asked at once.
            self.falls_back = true;
            return None;
        }
        self.falls_back = false;
        let expires_at = self.lease.map(|lease| lease.expires_at);
        let retry_at = match (error.retry(), expires_at) {
            // What refuses these credentials once will refuse them again.
            (Retry::Never, Some(expires_at)) => expires_at,
            _ => now + delay,
        };
        self.setback = Some(Setback { delay, retry_at });
        match errand {
            Errand::Acquire => None,
            Errand::Renew | Errand::Verify => self.weigh(|doubt| Doubt::renewal_failed(doubt, error), now),
        }
    }

    /// Tradovate: a dead resolved host is answered for by the bootstrap host; a wrong one answers 307 or 404.
    fn may_fall_back(&self, error: &SourceError) -> bool {
        let is_elsewhere = *self.session_origin() != self.seat.bootstrap;
        let is_wrong_host =
            error.reached() == Reached::No || matches!(error.status(), Some(301..=308 | 404 | 421));
        is_elsewhere && !self.falls_back && is_wrong_host
    }
}

/// Tradovate: no lock-out lasts longer.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
