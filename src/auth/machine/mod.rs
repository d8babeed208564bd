//! The state machine of the session: everything that decides, and nothing that does.
//!
//! A [`Machine`] is told what happened and says what to do next; it makes no call, writes no file, reads no clock
//! and waits for nothing, so that a year of faults can be played through it in seconds. The
//! [`Renewer`](crate::auth::Renewer) does what it says.
//!
//! The order of means: a token that lives is used; it is renewed when due; a session is opened only when there is
//! no usable token, and only inside the budgets of the [`Ledger`](crate::auth::ledger::Ledger). A token that lives
//! is given up for a better one, at its expiry, or when it is known to be dead ([`doubt`]), and for nothing else.
//!
//! ```text
//!              granted                    due, and failing
//!  Starting ──────────────▶ Live ───────────────────────────▶ Overdue
//!     │                     ▲  ▲ ◀──────────── granted ──────────┤ │
//!     │                     │  └──────── granted ─────────┐      │ │ expiry
//!     │ budget, hold,       │                             │      │ ▼
//!     │ refusal             │            known dead,      └──── Lapsed
//!     ▼                     │            life left              │
//!   Held ◀──────────────────┼──────── Kicked ◀── Live, Overdue  │ budget, hold, refusal
//!   Rejected ── credentials change, or an order                 ▼
//!                           │                                 Held / Rejected
//!   Paused ◀── an order, from anywhere; ──▶ back by another, or at its instant
//! ```

mod attempt;
pub mod doubt;
mod evidence;
mod order;
mod plan;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub use self::plan::{Action, Plan, Step};
use crate::{
    auth::{
        fingerprint::Fingerprint,
        machine::doubt::{Cause, Doubt, Examinations},
        policy::RenewalPolicy,
        source::Means,
        token::Generation,
        vault::{Record, StoredRefresh, StoredSession},
    },
    clock::Stamp,
    origin::Origin,
};

/// What is known, and what follows from it.
#[derive(Debug)]
pub struct Machine {
    policy: RenewalPolicy,
    seat: Seat,
    /// What outlives the process.
    record: Record,
    random: fastrand::Rng,
    /// The times of the token in use, if there is one.
    lease: Option<Lease>,
    /// Whether there was ever a token in this process.
    had_token: bool,
    /// What speaks against the token in use.
    doubt: Option<Doubt>,
    examinations: Examinations,
    /// The last failure, until a success.
    setback: Option<Setback>,
    /// A login has failed in a way that may be an outage; while it lasts, upstream is only asked whether it is there.
    outage: Option<Outage>,
    /// To be sent back with the next login.
    ticket: Option<Ticketed>,
    /// The next renewal is asked for at the bootstrap origin, since the other could not be asked.
    falls_back: bool,
    /// Where the session was led away from, and when.
    left: Vec<(Origin, Timestamp)>,
}

/// What stays the same for as long as the credentials do.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Recognises the credentials.
    pub credentials: Fingerprint,
    /// Recognises what a refresh token descends from.
    pub seed: Fingerprint,
    /// Where a session begins.
    pub bootstrap: Origin,
    /// Whether acquiring opens no session and costs nothing: a token is handed over.
    pub is_handed: bool,
}

/// The times of a token: a fact and a decision, which are never one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// When upstream stops accepting it.
    pub expires_at: Timestamp,
    /// When we want to renew it.
    pub renew_at: Timestamp,
}

/// A session was given up before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// What was left of its life.
    pub left: SignedDuration,
    /// Whether another login took its place, rather than its own end.
    pub is_kicked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Setback {
    delay: Duration,
    retry_at: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Outage {
    /// When to ask again whether upstream is there.
    probe_at: Timestamp,
    /// Whether it was found not to be.
    seen: bool,
}

#[derive(Clone, Debug)]
struct Ticketed {
    means: Means,
    /// How many in a row: each doubles the wait.
    count: u32,
}

impl Machine {
    /// A machine that knows `record`. A stored session that lives is in use at once, under the doubt that somebody
    /// may have closed it meanwhile.
    pub fn new(
        policy: RenewalPolicy,
        seat: Seat,
        record: Record,
        random: fastrand::Rng,
        now: Timestamp,
    ) -> Self {
        let mut machine = Self {
            policy,
            seat,
            record,
            random,
            lease: None,
            had_token: false,
            doubt: None,
            examinations: Examinations::default(),
            setback: None,
            outage: None,
            ticket: None,
            falls_back: false,
            left: Vec::new(),
        };
        machine.restore(now);
        machine
    }

    fn restore(&mut self, now: Timestamp) {
        self.forget_foreign_means();
        let is_current =
            !self.seat.is_handed || self.record.opened_with.as_ref() == Some(&self.seat.credentials);
        let Some(session) =
            self.record.session.as_mut().filter(|session| now < session.expires_at && is_current)
        else {
            return;
        };
        // A clock set wrong at one of the two starts must not make a token live for longer than tokens do.
        session.expires_at = session.expires_at.min(now + self.policy.longest_life);
        session.issued_at = session.issued_at.min(now);
        let (issued_at, expires_at) = (session.issued_at, session.expires_at);
        self.take_up(issued_at, expires_at);
        self.doubt = Some(Doubt::new(Cause::Restored));
    }

    /// What outlives the process, to be stored after each event.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The same, marked with the moment at which it is stored.
    pub fn stamped(&mut self, stamp: Stamp) -> &Record {
        self.record.stamp = Some(stamp);
        &self.record
    }

    /// The newest refresh token is known before anything else of an answer is looked at: whatever is wrong with the
    /// rest, the one before it is worth nothing any more.
    pub fn keep_refresh(&mut self, refresh: SecretString) {
        self.record.refresh = Some(StoredRefresh { token: refresh, seed: self.seat.seed.clone() });
    }

    /// The session that requests may use now.
    pub fn usable(&self) -> Option<&StoredSession> {
        let is_paused = self.record.pause.is_some();
        self.record.session.as_ref().filter(|_| self.lease.is_some() && !is_paused)
    }

    /// The generation of [`usable`](Self::usable).
    pub fn generation(&self) -> Generation {
        self.record.generation
    }

    /// Whether an answer that speaks against the token would say something new.
    pub fn listens(&self) -> bool {
        self.usable().is_some() && self.doubt.is_none()
    }

    /// Whether a 401 without words from `operation` says nothing any more.
    pub fn permits(&self, operation: &'static str) -> bool {
        self.examinations.permits(operation)
    }

    /// What the next call may use of earlier answers.
    pub fn means(&self) -> Means {
        let ticket = self.ticket.as_ref().and_then(|ticketed| ticketed.means.ticket.clone());
        let refresh = self.record.refresh.as_ref().map(|refresh| refresh.token.clone());
        Means { ticket, refresh }
    }

    /// Where the session may be extended or examined: where requests go, or the bootstrap origin if the other could
    /// not be asked.
    pub fn session_origin(&self) -> &Origin {
        match &self.record.session {
            Some(session) if !self.falls_back => &session.origin,
            Some(_) | None => &self.seat.bootstrap,
        }
    }

    /// The stored token turned out to be none.
    pub fn discard(&mut self) {
        self.lease = None;
        self.record.session = None;
    }

    /// A refresh token that descends from another is worth nothing here.
    fn forget_foreign_means(&mut self) {
        let seed = &self.seat.seed;
        self.record.refresh.take_if(|refresh| refresh.seed != *seed);
    }

    fn take_up(&mut self, issued_at: Timestamp, expires_at: Timestamp) {
        let renew_at = self.policy.renew_at(issued_at, expires_at, self.random.f64());
        self.lease = Some(Lease { expires_at, renew_at });
        self.had_token = true;
    }
}

#[cfg(test)]
mod tests;
