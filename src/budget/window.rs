//! A count over a span that slides, shared by all workers without a lock.

use std::{
    cmp::Ordering,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts events of the last [`SPAN`] buckets and the one that is being filled.
///
/// Each bucket, and the sum of all but the last, is one word that holds the index of its bucket beside the number, so
/// that to see one is to see whether it is still of this round.
#[derive(Debug)]
pub(super) struct Window {
    /// Seconds that one bucket is wide.
    width: i64,
    buckets: [AtomicU64; SLOTS],
    /// The sum of the [`SPAN`] buckets before the one named.
    before: AtomicU64,
    /// The bucket in which it was last warned.
    warned: AtomicU64,
}

impl Window {
    /// The last hour, to the minute.
    pub(super) fn of_minutes() -> Self {
        Self::of(60)
    }

    /// The last minute, to the second.
    pub(super) fn of_seconds() -> Self {
        Self::of(1)
    }

    fn of(width: i64) -> Self {
        Self {
            width,
            buckets: [const { AtomicU64::new(0) }; SLOTS],
            before: AtomicU64::new(0),
            warned: AtomicU64::new(0),
        }
    }

    /// One more at `at`, a number of seconds.
    pub(super) fn add(&self, at: i64) {
        let index = self.index(at);
        self.change(index, |word| match index_of(word).cmp(&index) {
            Ordering::Equal => Some(word + 1),
            Ordering::Less => Some(pack(index, 1)),
            // Its place has gone to a bucket of the next round: it is older than the span.
            Ordering::Greater => None,
        });
        // Whoever read the clock a little earlier adds to a bucket that another worker has summed up already.
        if index_of(self.before.load(Relaxed)) > index {
            self.before.store(0, Relaxed);
        }
    }

    /// One less: it was counted at `at`, and did not happen.
    pub(super) fn take_back(&self, at: i64) {
        let index = self.index(at);
        self.change(index, |word| (index_of(word) == index && number_of(word) > 0).then(|| word - 1));
        // Where that bucket has become one of those before, their sum is made anew.
        self.before.store(0, Relaxed);
    }

    /// How many there were in the span that ends at `at`: never too few, but for those that are being added at this moment.
    pub(super) fn count(&self, at: i64) -> u64 {
        let index = self.index(at);
        let before = self.before.load(Relaxed);
        let before = if index_of(before) == index {
            number_of(before)
        } else {
            let sum = (index.saturating_sub(SPAN)..index).map(|index| self.bucket(index)).sum();
            self.before.store(pack(index, sum), Relaxed);
            sum
        };
        before + self.bucket(index)
    }

    /// Seconds after `at` when fewer than `limit` are left in the span, if no more come: at least one.
    pub(super) fn room_in(&self, at: i64, limit: u64) -> u64 {
        let index = self.index(at);
        let mut left = self.count(at);
        let mut oldest = index.saturating_sub(SPAN);
        while left >= limit && oldest <= index {
            left -= self.bucket(oldest).min(left);
            oldest += 1;
        }
        // A bucket leaves the span when the one that is SPAN + 1 after it begins.
        let begins = i64::try_from(oldest + SPAN).unwrap_or(i64::MAX).saturating_mul(self.width);
        u64::try_from(begins.saturating_sub(at)).unwrap_or(0).max(1)
    }

    /// Warns when the count passes `percent` of the limit, and not again before one span is over.
    pub(super) fn warn_once(&self, at: i64, spent: u64, limit: u64, percent: u64, name: &str) {
        if spent * 100 < limit * percent {
            return;
        }
        let (index, last) = (self.index(at), self.warned.load(Relaxed));
        let is_due = last == 0 || index.saturating_sub(last) > SPAN;
        if is_due && self.warned.compare_exchange(last, index, Relaxed, Relaxed).is_ok() {
            tracing::warn!(
                spent,
                limit,
                "{spent} requests were sent in the last {name}, of {limit}: soon only cancels and liquidations \
                 will be sent; /status says who sends how many"
            );
        }
    }

    fn index(&self, at: i64) -> u64 {
        // 32 bits of seconds last until 2106.
        u64::try_from(at / self.width).unwrap_or(0) & u64::from(u32::MAX)
    }

    fn bucket(&self, index: u64) -> u64 {
        let word = self.slot(index).load(Relaxed);
        if index_of(word) == index { number_of(word) } else { 0 }
    }

    fn change(&self, index: u64, change: impl Fn(u64) -> Option<u64>) {
        // Relaxed: the number is all there is to see, and nothing is published by it.
        let _ = self.slot(index).fetch_update(Relaxed, Relaxed, change);
    }

    fn slot(&self, index: u64) -> &AtomicU64 {
        &self.buckets[usize::try_from(index).unwrap_or(0) % SLOTS]
    }
}

fn pack(index: u64, number: u64) -> u64 {
    index << 32 | number.min(u64::from(u32::MAX))
}

fn index_of(word: u64) -> u64 {
    word >> 32
}

fn number_of(word: u64) -> u64 {
    word & u64::from(u32::MAX)
}

/// Buckets in the span.
const SPAN: u64 = 60;
/// More than the span and the bucket being filled, so that none is taken over while it counts.
const SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: i64 = 1_795_190_400;

    #[test]
    fn what_is_older_than_the_span_no_longer_counts() {
        let window = Window::of_seconds();
        window.add(START);
        window.add(START + 30);
        assert_eq!(window.count(START + 30), 2);
        assert_eq!(window.count(START + 60), 2, "the oldest second counts whole");
        assert_eq!(window.count(START + 61), 1);
        assert_eq!(window.count(START + 91), 0);
    }

    #[test]
    fn what_is_added_late_counts_where_it_belongs() {
        let window = Window::of_seconds();
        window.add(START);
        assert_eq!(window.count(START + 1), 1);
        window.add(START);
        assert_eq!(window.count(START + 1), 2, "by a worker that had read the clock before");
        for second in 1..=64 {
            window.add(START + second);
        }
        window.add(START);
        assert_eq!(window.count(START + 64), 61, "what is older than the span takes nobody's place");
    }

    #[test]
    fn what_did_not_happen_is_taken_back_even_later() {
        let window = Window::of_minutes();
        window.add(START);
        window.add(START);
        assert_eq!(window.count(START + 600), 2);
        window.take_back(START);
        assert_eq!(window.count(START + 600), 1);
        window.take_back(START);
        window.take_back(START);
        assert_eq!(window.count(START + 600), 0);
    }

    #[test]
    fn it_says_when_there_is_room_again() {
        let window = Window::of_seconds();
        for second in 0..10 {
            window.add(START + second);
        }
        let room = window.room_in(START + 20, 8);
        assert_eq!(room, 43, "two less than now, and one more: the third second's leaves");
        assert!(window.count(START + 20 + 43) < 8);
        assert!(window.count(START + 20 + 42) >= 8);
    }

    proptest! {
        /// Against the naive count: never too few, and too many by no more than what one bucket holds.
        #[test]
        fn never_too_few(steps in prop::collection::vec(0_i64..40, 1..200)) {
            let window = Window::of_seconds();
            let (mut at, mut all) = (START, Vec::new());
            for step in steps {
                at += step;
                window.add(at);
                all.push(at);
                let exact = all.iter().filter(|&&then| then > at - 60).count() as u64;
                let upper = all.iter().filter(|&&then| then >= at - 60).count() as u64;
                let counted = window.count(at);
                prop_assert!(counted >= exact && counted <= upper, "{counted} is not in {exact}..={upper}");
            }
        }
    }
}
