//! What speaks for and against the token in use, and what becomes of a session that is lost or moves.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    auth::{
        ledger::Errand,
        machine::{
            Lost, Machine,
            doubt::{Cause, Doubt, Finding},
        },
        source::Vitality,
    },
    origin::Origin,
};

impl Machine {
    /// An answer that a request got speaks against the token.
    pub fn suspect(&mut self, cause: Cause) {
        if self.listens() {
            self.doubt = Some(Doubt::new(cause));
        }
    }

    /// The token was examined.
    pub fn examined(&mut self, vitality: Vitality, now: Timestamp) -> Option<Lost> {
        let doubt = self.doubt?;
        // One that nobody's complaint set off says nothing of how much complaints are worth.
        if doubt.cause != Cause::Restored {
            self.examinations.made(vitality, now);
        }
        if let (Vitality::Alive, Cause::Denied(operation)) = (vitality, doubt.cause) {
            self.examinations.permit(operation);
        }
        let lost = self.weigh(|_| doubt.examined(vitality), now);
        // Examined and found dead: a further proof that must be waited for is not waited for.
        let verify_at = self.record.ledger.earliest(Errand::Verify, &self.policy.budgets, now);
        let verify_at = verify_at.max(self.patience(now));
        if lost.is_none() && vitality == Vitality::Dead && verify_at > now + LONGEST_DOUBT {
            return self.lose(now);
        }
        lost
    }

    /// Upstream was asked whether it is there.
    pub fn probed(&mut self, is_well: bool, now: Timestamp) -> Option<Lost> {
        if let Some(doubt) = self.doubt.filter(|_| self.lease.is_some()) {
            return self.weigh(|_| doubt.probed(is_well), now);
        }
        let gap = self.probe_gap();
        let outage = self.outage.as_mut()?;
        if is_well && outage.seen {
            (self.outage, self.setback) = (None, None);
        } else {
            outage.probe_at = now + gap;
            outage.seen |= !is_well;
        }
        None
    }

    pub(super) fn probe_gap(&mut self) -> Duration {
        PROBE_GAP.mul_f64(0.75 + 0.5 * self.random.f64())
    }

    /// What a finding makes of the doubt.
    pub(super) fn weigh(
        &mut self,
        judge: impl FnOnce(Option<Doubt>) -> Finding,
        now: Timestamp,
    ) -> Option<Lost> {
        self.lease?;
        self.doubt = match judge(self.doubt) {
            Finding::Dead => return self.lose(now),
            Finding::ProbablyDead if self.examinations.may_give_up(now) => return self.lose(now),
            Finding::Doubtful(doubt) => Some(doubt),
            Finding::Alive | Finding::ProbablyDead => None,
        };
        None
    }

    /// The session is dead. What was learnt of origin and user stays.
    fn lose(&mut self, now: Timestamp) -> Option<Lost> {
        let left = self.lease.take()?.expires_at.duration_since(now);
        let is_kicked = left > NEAR_EXPIRY;
        if is_kicked {
            self.record.ledger.kicked(now);
        }
        if self.seat.is_handed {
            self.record.ledger.reject(&self.seat.credentials);
        }
        if let Some(session) = &mut self.record.session {
            // Dead for every clock, this one set back too.
            session.expires_at = Timestamp::MIN;
        }
        // The login that follows is a call of its own: its first try owes nothing to the renewal's failure.
        (self.doubt, self.setback, self.falls_back) = (None, None, false);
        Some(Lost { left, is_kicked })
    }

    /// A request was redirected to `origin`, which may receive the token. Says whether that is news.
    pub fn moved(&mut self, origin: Origin, now: Timestamp) -> bool {
        self.left.retain(|(_, at)| now.duration_since(*at) < MOVE_GAP);
        let returns = self.left.iter().any(|(left, _)| *left == origin) || self.left.len() >= MOST_MOVES;
        let Some(session) =
            self.record.session.as_mut().filter(|session| session.origin != origin && !returns)
        else {
            return false;
        };
        self.left.push((std::mem::replace(&mut session.origin, origin), now));
        self.record.generation = self.record.generation.next();
        true
    }
}

/// Closer to its expiry than this, a token that is refused has simply run out.
const NEAR_EXPIRY: SignedDuration = SignedDuration::from_secs(60);

/// How long a token may stay in use that is as good as known to be dead.
const LONGEST_DOUBT: Duration = Duration::from_secs(15);

/// Hosts that redirect to each other must not move the session with every request.
const MOVE_GAP: SignedDuration = SignedDuration::from_secs(10);
const MOST_MOVES: usize = 8;

/// Between two questions whether upstream is there again: with the question's own patience on both sides still
/// below the 15 s in which service is to be back. Tradovate: 1,000 requests an hour without a token.
const PROBE_GAP: Duration = Duration::from_secs(6);
