//! Both sides' account of every request, and whether they agree.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
};

use super::Effect;

/// What upstream has seen of each request, by its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Arrivals(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Arrivals {
    /// One more copy has arrived, if perhaps not all of it.
    pub(super) fn add(&self, number: u64) {
        *self.0.lock().unwrap().entry(number).or_default() += 1;
    }

    /// How many copies have.
    pub(super) fn of(&self, number: u64) -> usize {
        self.0.lock().unwrap().get(&number).copied().unwrap_or_default()
    }
}

/// What its caller was told of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Upstream's own answer, whole.
    Answered,
    NotSent,
    Unknown,
    /// No answer, or half of one: all that can be concluded is that nothing is known.
    BrokenOff,
    /// The caller did not wait for one.
    Unheard,
}

/// Every request that was made, what was told of it, and in which circumstances.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(u64, Effect, Outcome, Arc<str>)>);

/// What came of all of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: usize,
    pub(super) arrivals: usize,
    pub(super) answered: usize,
    pub(super) not_sent: usize,
    pub(super) unknown: usize,
    pub(super) unknown_not_arrived: usize,
    pub(super) broken_off: usize,
    pub(super) unheard: usize,
    pub(super) reads_repeated: usize,
}

impl Told {
    pub(super) fn add(&mut self, number: u64, effect: Effect, outcome: Outcome, context: &Arc<str>) {
        self.0.push((number, effect, outcome, Arc::clone(context)));
    }

    /// Lays what was told beside what has arrived. To be called when nothing is under way any more.
    pub(super) fn agrees_with(&self, arrivals: &Arrivals) -> Figures {
        let mut figures = Figures::default();
        for (number, effect, outcome, context) in &self.0 {
            let arrived = arrivals.of(*number);
            figures.requests += 1;
            figures.arrivals += arrived;
            figures.reads_repeated += usize::from(arrived > 1);
            assert!(arrived <= effect.most(), "a {effect:?} arrived {arrived} times: {context}");
            match outcome {
                Outcome::Answered => {
                    figures.answered += 1;
                    assert!(arrived > 0, "answered, and never arrived: {context}");
                }
                Outcome::NotSent => {
                    figures.not_sent += 1;
                    assert_eq!(arrived, 0, "a {effect:?} that was not sent has arrived: {context}");
                }
                Outcome::Unknown => {
                    figures.unknown += 1;
                    figures.unknown_not_arrived += usize::from(arrived == 0);
                }
                Outcome::BrokenOff => figures.broken_off += 1,
                Outcome::Unheard => figures.unheard += 1,
            }
        }
        figures
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests, {} arrivals ({} reads twice): {} answered, {} not sent, {} unknown ({} of them never arrived), \
             {} broken off, {} whose caller had left; no order or write arrived twice, nothing that was not sent did",
            self.requests,
            self.arrivals,
            self.reads_repeated,
            self.answered,
            self.not_sent,
            self.unknown,
            self.unknown_not_arrived,
            self.broken_off,
            self.unheard,
        )
    }
}
