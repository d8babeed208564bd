//! What may go, what has gone: the register without its thread, so that every rule can be tested as a function.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use crate::idempotency::{
    Bounds, Digest, Journal, Kept, Unwritable,
    entry::{Entry, State},
};

/// Every key that is known, and the journal that knows it too.
#[derive(Debug)]
pub(super) struct Ledger {
    entries: HashMap<Digest, (u64, Entry)>,
    /// By age: when each came into its state.
    ages: BTreeMap<u64, Digest>,
    last: u64,
    bounds: Bounds,
    journal: Journal,
}

/// Whether a request may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    First,
    Repeat(Arc<Kept>),
}

/// Why a request with a key is not sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// Another with its key is on its way.
    #[error("a request with this Idempotency-Key is in flight")]
    InFlight,
    /// The key belongs to another request.
    #[error("this Idempotency-Key was given to another request")]
    AnotherRequest,
    /// The first attempt may have been carried out.
    #[error("a request with this Idempotency-Key was sent, and its outcome is unknown")]
    OutcomeUnknown,
    /// The first attempt was answered, at more length than is kept.
    #[error(
        "a request with this Idempotency-Key was answered with {status}, in a body that was too large to be kept"
    )]
    NotKept {
        /// The answer's status.
        status: StatusCode,
    },
    /// There is no room, and nothing may be forgotten.
    #[error(
        "{entries} Idempotency-Keys are remembered whose outcome is not known, and there is no room for more"
    )]
    Full {
        /// Setting `idempotency.entries`.
        entries: usize,
    },
    /// The guarantee cannot be given.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

impl Refusal {
    /// Whether it says nothing of the request, nor of what went before under its key: the key could not be looked up,
    /// or not be kept.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Full { .. } | Self::Unwritable(_) => true,
            Self::InFlight | Self::AnotherRequest | Self::OutcomeUnknown | Self::NotKept { .. } => false,
        }
    }
}

impl Ledger {
    /// What the journal knows. One that cannot be read is logged, and leaves nothing known.
    pub(super) fn open(mut journal: Journal, bounds: Bounds) -> Self {
        let known = journal.read();
        let mut ledger = Self { entries: HashMap::new(), ages: BTreeMap::new(), last: 0, bounds, journal };
        match known {
            Ok(known) => {
                for (place, entry) in known {
                    ledger.set(place, entry);
                }
                let unknown =
                    ledger.entries.values().filter(|(_, entry)| entry.state == State::Unknown).count();
                if unknown > 0 {
                    tracing::warn!(
                        keys = unknown,
                        "requests with an Idempotency-Key have no certain outcome; look at order/list, then POST /idempotency/forget?key=… on the admin listener"
                    );
                }
            }
            // Keys in it may have been sent: nothing with a key goes until somebody has looked.
            Err(why) => {
                tracing::error!(%why, "requests with an Idempotency-Key are refused: mend the journal in the state directory, or move it away, and restart");
                ledger.journal = Journal::Closed(why);
            }
        }
        ledger
    }

    /// Whether the request may go under this key. It stands in the journal then.
    pub(super) fn begin(
        &mut self,
        place: Digest,
        request: Digest,
        now: Timestamp,
    ) -> Result<Verdict, Refusal> {
        self.forget_aged(now);
        if let Some((_, entry)) = self.entries.get(&place) {
            if entry.request != request {
                return Err(Refusal::AnotherRequest);
            }
            return match &entry.state {
                State::InFlight => Err(Refusal::InFlight),
                State::Unknown => Err(Refusal::OutcomeUnknown),
                State::NotKept { status } => Err(Refusal::NotKept { status: *status }),
                State::Answered { answer } => Ok(Verdict::Repeat(Arc::clone(answer))),
            };
        }
        if self.entries.len() >= self.bounds.entries && !self.forget_oldest() {
            return Err(Refusal::Full { entries: self.bounds.entries });
        }
        self.write_down(place, request, now, Some(&State::InFlight))?;
        self.set(place, Entry { request, at: now, state: State::InFlight });
        Ok(Verdict::First)
    }

    /// What became of a request that was let go. Where it cannot be written down, the journal is left with "in flight",
    /// which the next process takes for unknown.
    pub(super) fn settle(&mut self, place: Digest, state: State, now: Timestamp) {
        let Some((_, entry)) = self.entries.get(&place) else { return };
        let request = entry.request;
        if let Err(why) = self.write_down(place, request, now, Some(&state)) {
            tracing::warn!(%why, "after a restart the outcome of a request with an Idempotency-Key will pass for unknown");
        }
        self.set(place, Entry { request, at: now, state });
        self.compact();
    }

    /// Frees a key: its request was certainly not sent, or somebody has looked. Returns whether it was known.
    pub(super) fn forget(&mut self, place: Digest, now: Timestamp) -> Result<bool, Unwritable> {
        let Some((age, entry)) = self.entries.get(&place) else { return Ok(false) };
        let (age, request) = (*age, entry.request);
        self.write_down(place, request, now, None)?;
        self.entries.remove(&place);
        self.ages.remove(&age);
        self.compact();
        Ok(true)
    }

    /// Whether the key may be forgotten by an operator: not while its request is under way.
    pub(super) fn is_in_flight(&self, place: Digest) -> bool {
        self.entries.get(&place).is_some_and(|(_, entry)| entry.state == State::InFlight)
    }

    fn set(&mut self, place: Digest, entry: Entry) {
        self.last += 1;
        if let Some((before, _)) = self.entries.insert(place, (self.last, entry)) {
            self.ages.remove(&before);
        }
        self.ages.insert(self.last, place);
    }

    fn forget_aged(&mut self, now: Timestamp) {
        let age = SignedDuration::try_from(self.bounds.age).unwrap_or(SignedDuration::MAX);
        let aged: Vec<_> = self
            .ages
            .iter()
            .map(|(age, place)| (*age, *place))
            .take_while(|(_, place)| {
                self.entries.get(place).is_some_and(|(_, entry)| now.duration_since(entry.at) >= age)
            })
            .filter(|(_, place)| self.entries.get(place).is_some_and(|(_, entry)| entry.state.is_settled()))
            .collect();
        for (age, place) in aged {
            self.entries.remove(&place);
            self.ages.remove(&age);
        }
    }

    fn forget_oldest(&mut self) -> bool {
        let settled =
            |place: &Digest| self.entries.get(place).is_some_and(|(_, entry)| entry.state.is_settled());
        let Some((age, place)) = self.ages.iter().find(|(_, place)| settled(place)) else { return false };
        let (age, place) = (*age, *place);
        self.entries.remove(&place);
        self.ages.remove(&age);
        true
    }

    /// Returns when the disk has it, behind all that went before.
    fn write_down(
        &mut self,
        place: Digest,
        request: Digest,
        now: Timestamp,
        state: Option<&State>,
    ) -> Result<(), Unwritable> {
        if self.journal.has_been_removed() {
            // What it held is known here still; on the disk it must be there before there is more.
            self.write_anew()?;
            tracing::error!(
                "the journal of idempotency keys was removed from the state directory under the running proxy; it is there again"
            );
        }
        self.journal.append(place, request, now, state)
    }

    fn compact(&mut self) {
        if self.journal.is_mostly_past(self.entries.len())
            && let Err(why) = self.write_anew()
        {
            tracing::warn!(%why, "it grows until it can be written anew");
        }
    }

    fn write_anew(&mut self) -> Result<(), Unwritable> {
        let entries = self.ages.values().filter_map(|place| Some((*place, &self.entries.get(place)?.1)));
        self.journal.rewrite(entries)
    }
}
