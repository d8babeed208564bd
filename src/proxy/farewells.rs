//! How many connections above the limit are being told so.

use std::cell::Cell;

/// Counts them, within one worker's thread.
#[derive(Debug, Default)]
pub(super) struct Farewells(Cell<usize>);

/// One of them.
#[must_use]
#[derive(Debug)]
pub(super) struct Farewell<'a>(&'a Cell<usize>);

impl Farewells {
    /// A place, if there is one.
    pub(super) fn take(&self) -> Option<Farewell<'_>> {
        let count = self.0.get();
        (count < MOST).then(|| {
            self.0.set(count + 1);
            Farewell(&self.0)
        })
    }
}

impl Drop for Farewell<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

const MOST: usize = 32;
