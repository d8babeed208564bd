//! What upstream's answers to callers say of the session, on its way from the data path to the renewer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

use crate::auth::{machine::doubt::Cause, token::Generation};

/// What an answer of upstream's says against the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// 401 with words: the token is refused.
    Refused,
    /// 401 without a body. Tradovate: a permission is missing, or the token is refused.
    Denied,
    /// 429, out of the blue: it is looked into at once, since nothing more is asked that could be answered.
    Held,
    /// 408, 429 or 5xx. Tradovate: the token of a session that another login closed is answered so.
    Doubtful,
}

/// What was said and not yet heard. Written on the answers that say something, which are few.
#[derive(Debug, Default)]
pub(super) struct Signs {
    said: watch::Sender<Said>,
    /// Whether there are doubtful answers to forget: all that an ordinary answer looks at.
    has_streak: AtomicBool,
}

#[derive(Debug, Default)]
struct Said {
    /// The newest generation that was refused, failed, or was denied an operation.
    refused: Option<Generation>,
    failing: Option<Generation>,
    denied: BTreeMap<&'static str, Generation>,
    moved: Option<(Generation, String)>,
    streak: Streak,
}

/// Doubtful answers in a row.
#[derive(Debug, Default)]
struct Streak {
    generation: Generation,
    operations: BTreeSet<&'static str>,
    answers: u32,
}

/// Something that the renewer should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This speaks against the token in use.
    Against(Cause),
    /// A request was redirected here.
    Moved(String),
}

impl Signs {
    /// An answer to `operation`, asked for with `generation`, says `sign`.
    pub(super) fn report(&self, generation: Generation, operation: &'static str, sign: Sign) {
        self.said.send_if_modified(|said| {
            let known = match sign {
                Sign::Refused => &mut said.refused,
                Sign::Denied => return said.denied.insert(operation, generation) < Some(generation),
                Sign::Held => &mut said.failing,
                Sign::Doubtful => {
                    self.has_streak.store(true, Ordering::Relaxed);
                    if !said.streak.add(generation, operation) {
                        return false;
                    }
                    &mut said.failing
                }
            };
            // One report is as good as a hundred.
            let is_news = *known < Some(generation);
            *known = (*known).max(Some(generation));
            is_news
        });
    }

    /// An answer says nothing against the session.
    pub(super) fn report_well(&self) {
        if self.has_streak.load(Ordering::Relaxed) {
            self.has_streak.store(false, Ordering::Relaxed);
            self.said.send_if_modified(|said| {
                said.streak = Streak::default();
                false
            });
        }
    }

    /// A request that carried `generation` was redirected to `location`.
    pub(super) fn report_moved(&self, generation: Generation, location: &str) {
        self.said.send_if_modified(|said| {
            said.moved = Some((generation, location.to_owned()));
            true
        });
    }

    /// Waits for something said of `generation`. What was said of earlier ones is forgotten, and so is what was said
    /// against it while nobody `listens`, or by operations that `permits` rules out. Cancel safe: what is returned is
    /// taken.
    pub(super) async fn heard(
        &self,
        generation: Generation,
        listens: bool,
        permits: impl Fn(&'static str) -> bool,
    ) -> Heard {
        let mut said = self.said.subscribe();
        loop {
            said.borrow_and_update();
            if let Some(heard) = self.take(generation, listens, &permits) {
                return heard;
            }
            // Never closed while `self` lives, and it lives as long as this borrow.
            let _ = said.changed().await;
        }
    }

    fn take(
        &self,
        generation: Generation,
        listens: bool,
        permits: &impl Fn(&'static str) -> bool,
    ) -> Option<Heard> {
        let mut heard = None;
        self.said.send_if_modified(|said| {
            let is_current = |reported: Generation| reported >= generation;
            if let Some((_, location)) = said.moved.take().filter(|(reported, _)| is_current(*reported)) {
                heard = Some(Heard::Moved(location));
                return false;
            }
            // What is said while the token is in doubt already says nothing new, nor will it later.
            let refused = said.refused.take().filter(|said| is_current(*said)).map(|_| Cause::Refused);
            let failing = said.failing.take().filter(|said| is_current(*said)).map(|_| Cause::Failing);
            let denied = std::mem::take(&mut said.denied)
                .into_iter()
                .find(|(operation, reported)| is_current(*reported) && !permits(operation))
                .map(|(operation, _)| Cause::Denied(operation));
            heard = refused.or(failing).or(denied).filter(|_| listens).map(Heard::Against);
            false
        });
        heard
    }
}

impl Streak {
    /// One more. Whether they are now too many to be chance: on several paths, or very many on one.
    fn add(&mut self, generation: Generation, operation: &'static str) -> bool {
        if generation != self.generation {
            *self = Self { generation, ..Self::default() };
        }
        self.operations.insert(operation);
        self.answers += 1;
        let is_enough = self.operations.len() >= PATHS || self.answers >= ANSWERS;
        if is_enough {
            *self = Self { generation, ..Self::default() };
        }
        is_enough
    }
}

const PATHS: usize = 3;
const ANSWERS: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Generation = Generation(5);

    fn said(signs: &Signs, listens: bool) -> Option<Heard> {
        signs.take(NOW, listens, &|operation| operation == "permitted")
    }

    #[test]
    fn a_hundred_reports_are_heard_once_and_late_ones_never() {
        let signs = Signs::default();
        (0..100).for_each(|_| signs.report(NOW, "a", Sign::Refused));
        assert_eq!(said(&signs, true), Some(Heard::Against(Cause::Refused)));
        assert_eq!(said(&signs, true), None);
        signs.report(Generation(4), "a", Sign::Refused);
        assert_eq!(said(&signs, true), None);
    }

    #[test]
    fn silence_on_a_permitted_operation_says_nothing_and_hides_nothing() {
        let signs = Signs::default();
        signs.report(NOW, "permitted", Sign::Denied);
        assert_eq!(said(&signs, true), None);
        signs.report(NOW, "permitted", Sign::Denied);
        signs.report(NOW, "other", Sign::Refused);
        assert_eq!(said(&signs, true), Some(Heard::Against(Cause::Refused)));
    }

    #[test]
    fn doubtful_answers_count_only_in_a_row() {
        let signs = Signs::default();
        for operation in ["a", "b"] {
            signs.report(NOW, operation, Sign::Doubtful);
        }
        signs.report_well();
        signs.report(NOW, "c", Sign::Doubtful);
        assert_eq!(said(&signs, true), None);
        for operation in ["a", "b"] {
            signs.report(NOW, operation, Sign::Doubtful);
        }
        assert_eq!(said(&signs, true), Some(Heard::Against(Cause::Failing)));
        (0..ANSWERS).for_each(|_| signs.report(NOW, "a", Sign::Doubtful));
        assert_eq!(said(&signs, true), Some(Heard::Against(Cause::Failing)));
    }

    #[test]
    fn one_answer_that_holds_everything_back_is_enough() {
        let signs = Signs::default();
        signs.report(NOW, "a", Sign::Held);
        assert_eq!(said(&signs, true), Some(Heard::Against(Cause::Failing)));
    }

    #[test]
    fn what_is_not_listened_to_is_forgotten_and_a_move_is_always_heard() {
        let signs = Signs::default();
        signs.report(NOW, "a", Sign::Refused);
        signs.report_moved(NOW, "https://b");
        assert_eq!(said(&signs, false), Some(Heard::Moved("https://b".to_owned())));
        assert_eq!(said(&signs, false), None);
        assert_eq!(said(&signs, true), None);
    }
}
