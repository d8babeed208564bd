//! How many connections above the limit are being told so.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts them, on all workers: each has a file descriptor beyond those that `limits.connections` bounds.
#[derive(Debug, Default)]
pub(super) struct Farewells(Arc<AtomicUsize>);

/// One of them.
#[must_use]
#[derive(Debug)]
pub(super) struct Farewell(Arc<AtomicUsize>);

impl Farewells {
    /// A place, if there is one. So many at once can be told; a flood of them must not take the descriptors that
    /// callers and upstream need.
    pub(super) fn take(&self) -> Option<Farewell> {
        // Only the one thread that accepts takes places.
        (self.0.load(Ordering::Relaxed) < MOST_FAREWELLS).then(|| {
            self.0.fetch_add(1, Ordering::Relaxed);
            Farewell(Arc::clone(&self.0))
        })
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Connections that are told at once that there is no room; one more is closed without a word.
pub const MOST_FAREWELLS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_places_and_each_can_be_taken_again() {
        let farewells = Farewells::default();
        let mut taken: Vec<_> = (0..MOST_FAREWELLS).map(|_| farewells.take().unwrap()).collect();
        assert!(farewells.take().is_none());
        taken.pop();
        assert!(farewells.take().is_some());
    }
}
