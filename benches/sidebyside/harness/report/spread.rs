//! The same figure of several rounds.

use std::fmt;

/// What some rounds' figures spread over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    /// A quarter of the rounds, rounded down, is below it: of seven one, of three none.
    pub(crate) low: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    /// None of none.
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.collect();
        figures.sort_unstable_by(f64::total_cmp);
        let rounds = figures.len();
        Some(Self {
            median: figures.get(rounds / 2).copied()?,
            lowest: figures[0],
            highest: figures[rounds - 1],
            low: figures[(rounds - 1) / 4],
            rounds,
        })
    }
}

/// The median, and with `{:#}` also what it is the median of.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, lowest, highest, .. } = self;
        let places = f.precision().unwrap_or(2);
        write!(f, "{median:.places$}")?;
        if f.alternate() { write!(f, " [{lowest:.places$}..{highest:.places$}]") } else { Ok(()) }
    }
}
