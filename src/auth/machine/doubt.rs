//! Whether the token in use is dead: what is asked, in which order, and what the answers prove.
//!
//! Tradovate: a 401 may mean an expired token, a closed session, a missing permission or an unknown device; and the
//! token of a session that a third login closed is answered 408, 429 or 5xx as well. So no answer to a caller proves
//! anything by itself. From the cheapest question to the dearest:
//!
//! ```text
//!  suspected ──examine──▶ alive: the doubt is over
//!                    └──▶ dead, unclear ──renew──▶ granted: over
//!                                            ├──▶ refused: dead
//!                                            └──▶ 408, 429, 5xx ──probe──▶ upstream is down: over
//!                                                                   └────▶ it is well: probably dead
//!
//!  a due renewal refused ──examine──▶ alive: the token stays in use, the renewal is tried again
//!                                └──▶ dead: dead;  unclear: dead if the refusal was a 401, else in use
//! ```

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::auth::source::{SourceError, Vitality};

/// A doubt, and how far it has been followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What raised it.
    pub cause: Cause,
    /// What to ask next.
    pub stage: Stage,
    /// Whether an examination has found the token dead.
    pub is_seen_dead: bool,
}

/// What speaks against a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It comes from an earlier process, or from before a pause.
    Restored,
    /// A request was answered 401, with words.
    Refused,
    /// A request to this operation was answered 401, without any.
    Denied(&'static str),
    /// Requests in a row were answered 408, 429 or 5xx.
    Failing,
    /// Its renewal was refused, with this status.
    RenewalRefused(u16),
}

/// What to ask next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Upstream, with a cheap read.
    Examine,
    /// For a renewal.
    Verify,
    /// Upstream, whether it is well at all.
    Probe,
}

/// What the answers so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The token is good, or nothing more can be learnt: it stays in use.
    Alive,
    /// There is more to ask.
    Doubtful(Doubt),
    /// Upstream honours it no more.
    Dead,
    /// Everything with it fails, and nothing is wrong with upstream otherwise.
    ProbablyDead,
}

impl Doubt {
    /// A new one.
    pub fn new(cause: Cause) -> Self {
        Self { cause, stage: Stage::Examine, is_seen_dead: false }
    }

    fn at(self, stage: Stage) -> Finding {
        Finding::Doubtful(Self { stage, ..self })
    }

    /// What an examination proves.
    pub fn examined(self, vitality: Vitality) -> Finding {
        match (self.cause, vitality) {
            (Cause::RenewalRefused(_), Vitality::Dead) | (Cause::RenewalRefused(401), Vitality::Unclear) => {
                Finding::Dead
            }
            // Unclear: the refusal may have been about something else, and the first request will tell.
            (_, Vitality::Alive) | (Cause::RenewalRefused(_) | Cause::Restored, Vitality::Unclear) => {
                Finding::Alive
            }
            (Cause::Restored | Cause::Refused | Cause::Denied(_) | Cause::Failing, _) => {
                Self { is_seen_dead: vitality == Vitality::Dead, ..self }.at(Stage::Verify)
            }
        }
    }

    /// What the failure of a renewal proves, of a token under `doubt` or under none.
    pub fn renewal_failed(doubt: Option<Self>, error: &SourceError) -> Finding {
        let is_refusal = matches!(error, SourceError::Refused { .. });
        let refusal = error.status().filter(|_| is_refusal);
        match (doubt, refusal) {
            (Some(Self { stage: Stage::Verify, .. }), Some(_)) => Finding::Dead,
            (_, Some(status)) => Finding::Doubtful(Self::new(Cause::RenewalRefused(status))),
            // Whatever a renewal by other means was refused for, this token is dead.
            (Some(Self { stage: Stage::Verify, is_seen_dead: true, .. }), None)
                if matches!(error.status(), Some(400..=407 | 409..=428)) =>
            {
                Finding::Dead
            }
            // Tradovate: so is the token of a closed session answered, and so is everybody in an outage.
            (Some(doubt), None)
                if doubt.stage == Stage::Verify && matches!(error.status(), Some(408 | 429 | 500..=599)) =>
            {
                doubt.at(Stage::Probe)
            }
            (Some(doubt), None) => Finding::Doubtful(doubt),
            (None, None) => Finding::Alive,
        }
    }

    /// What upstream's being there proves, or its not being there.
    pub fn probed(self, is_well: bool) -> Finding {
        match (self.cause, is_well) {
            (Cause::Failing | Cause::Refused, true) => Finding::ProbablyDead,
            _ => Finding::Alive,
        }
    }
}

/// What was examined, so that an endpoint which always answers 401 costs little.
#[derive(Clone, Debug, Default)]
pub struct Examinations {
    last: Option<Timestamp>,
    /// How many in a row have found the token alive.
    in_vain: u32,
    /// Operations whose 401 without words was followed by a grant that proves nothing of the token before it.
    verified: BTreeSet<&'static str>,
    /// Operations whose 401 without words means a missing permission: it was followed up once.
    permitted: BTreeSet<&'static str>,
    given_up: Option<Timestamp>,
}

impl Examinations {
    /// One was made.
    pub(super) fn made(&mut self, vitality: Vitality, now: Timestamp) {
        self.last = Some(now);
        self.in_vain = if vitality == Vitality::Alive { self.in_vain.saturating_add(1) } else { 0 };
    }

    /// The session is another one. What its key may do, and what the user's limits are, is the same.
    pub(super) fn begin_anew(&mut self) {
        (self.last, self.in_vain) = (None, 0);
    }

    /// When the next may be made.
    pub(super) fn next_at(&self, now: Timestamp) -> Timestamp {
        let Some(last) = self.last.filter(|_| self.in_vain > 0) else { return now };
        let doublings = (self.in_vain - 1).min(8);
        last.min(now) + LEAST_GAP.saturating_mul(1 << doublings).min(LARGEST_GAP)
    }

    /// The token lives although this operation answers 401 without words.
    pub(super) fn permit(&mut self, operation: &'static str) {
        self.permitted.insert(operation);
    }

    /// A renewal was granted after this operation had answered 401 without words. Where that proves nothing of the
    /// token that was refused, the same again with the new one does.
    pub(super) fn verified(&mut self, operation: &'static str, proves_bearer: bool) {
        if proves_bearer || !self.verified.insert(operation) {
            self.permit(operation);
        }
    }

    /// Whether a 401 without words from this operation says nothing any more.
    pub fn permits(&self, operation: &'static str) -> bool {
        self.permitted.contains(operation)
    }

    /// Whether a session may be given up that is only probably dead: once an hour, since where the user's own
    /// limit is exceeded a new session would be answered no better.
    pub(super) fn may_give_up(&mut self, now: Timestamp) -> bool {
        let may = self.given_up.is_none_or(|at| now.duration_since(at) >= GIVE_UP_GAP);
        if may {
            self.given_up = Some(now);
        }
        may
    }
}

const LEAST_GAP: Duration = Duration::from_secs(60);
const LARGEST_GAP: Duration = Duration::from_secs(5 * 60);

/// Tradovate: an exceeded limit is forgotten after an hour.
const GIVE_UP_GAP: SignedDuration = SignedDuration::from_hours(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::source::{ErrorText, Loss};

    fn refused(status: u16) -> SourceError {
        SourceError::Refused { status, text: ErrorText::new("no") }
    }

    fn at(cause: Cause, stage: Stage) -> Doubt {
        Doubt { cause, stage, is_seen_dead: false }
    }

    #[test]
    fn an_examination_ends_the_doubt_or_leads_to_a_renewal() {
        for cause in [Cause::Refused, Cause::Denied("x"), Cause::Failing, Cause::Restored] {
            assert_eq!(Doubt::new(cause).examined(Vitality::Alive), Finding::Alive);
            let dead = Doubt { is_seen_dead: true, ..at(cause, Stage::Verify) };
            assert_eq!(Doubt::new(cause).examined(Vitality::Dead), Finding::Doubtful(dead));
            let refused = SourceError::UnexpectedStatus { status: 400 };
            assert_eq!(Doubt::renewal_failed(Some(dead), &refused), Finding::Dead);
        }
        assert_eq!(Doubt::new(Cause::Restored).examined(Vitality::Unclear), Finding::Alive);
        for (status, vitality, finding) in [
            (401, Vitality::Alive, Finding::Alive),
            (200, Vitality::Alive, Finding::Alive),
            (200, Vitality::Dead, Finding::Dead),
            (401, Vitality::Unclear, Finding::Dead),
            (200, Vitality::Unclear, Finding::Alive),
        ] {
            let doubt = Doubt::new(Cause::RenewalRefused(status));
            assert_eq!(doubt.examined(vitality), finding, "{status} {vitality:?}");
        }
    }

    #[test]
    fn only_a_verified_refusal_is_a_proof_and_an_outage_is_none() {
        let verify = at(Cause::Refused, Stage::Verify);
        assert_eq!(Doubt::renewal_failed(Some(verify), &refused(401)), Finding::Dead);
        assert_eq!(Doubt::renewal_failed(Some(verify), &refused(200)), Finding::Dead);
        let first = Finding::Doubtful(Doubt::new(Cause::RenewalRefused(401)));
        assert_eq!(Doubt::renewal_failed(None, &refused(401)), first);
        for status in [408, 429, 500, 503] {
            let error = match status {
                429 => SourceError::RateLimited,
                status => SourceError::UnexpectedStatus { status },
            };
            let probe = Finding::Doubtful(at(Cause::Refused, Stage::Probe));
            assert_eq!(Doubt::renewal_failed(Some(verify), &error), probe);
            assert_eq!(Doubt::renewal_failed(None, &error), Finding::Alive);
        }
        let lost = SourceError::Lost { how: Loss::TimedOut };
        assert_eq!(Doubt::renewal_failed(Some(verify), &lost), Finding::Doubtful(verify));
        let probe = at(Cause::Failing, Stage::Probe);
        assert_eq!((probe.probed(false), probe.probed(true)), (Finding::Alive, Finding::ProbablyDead));
    }

    #[test]
    fn examinations_in_vain_grow_rare_and_giving_up_is_rarer() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let mut examinations = Examinations::default();
        assert_eq!(examinations.next_at(now), now);
        let mut gaps = Vec::new();
        for _ in 0..5 {
            examinations.made(Vitality::Alive, now);
            gaps.push(examinations.next_at(now).duration_since(now).as_secs());
        }
        assert_eq!(gaps, [60, 120, 240, 300, 300]);
        examinations.made(Vitality::Dead, now);
        assert_eq!(examinations.next_at(now), now);
        assert!(examinations.may_give_up(now) && !examinations.may_give_up(now));
        assert!(examinations.may_give_up(now + GIVE_UP_GAP));
    }
}
