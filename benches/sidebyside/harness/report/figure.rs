//! The figures that are compared, each of one way in one round.

use serde::Deserialize;

use crate::harness::{
    peer::Way,
    report::spread::Spread,
    rounds::{Round, Row},
};

/// One of them; less is better for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Figure {
    /// Processor time per request, in microseconds.
    Cpu,
    /// Median latency less that of the way without a proxy, in microseconds.
    AddedP50,
    /// The 99th percentile of latency, in microseconds.
    P99,
}

impl Figure {
    pub(crate) fn of(self, round: &Round, way: Way) -> Option<f64> {
        let row = round.get(&way)?;
        match self {
            Self::Cpu => row.cpu,
            Self::AddedP50 => Some(row.generated.p50 - round.get(&Way::Direct)?.generated.p50),
            Self::P99 => Some(row.generated.p99),
        }
    }

    /// Over all rounds.
    pub(crate) fn spread(self, rounds: &[Round], way: Way) -> Option<Spread> {
        Spread::of(rounds.iter().filter_map(|round| self.of(round, way)))
    }

    /// The ratio of two ways, taken within each round: whatever slows the machine slows both.
    pub(crate) fn ratio(self, rounds: &[Round], way: Way, to: Way) -> Option<Spread> {
        let within = |round: &Round| Some(self.of(round, way)? / self.of(round, to)?);
        Spread::of(rounds.iter().filter_map(within))
    }
}

/// Anything of a row, over all rounds.
pub(crate) fn spread(rounds: &[Round], way: Way, of: impl Fn(&Row) -> f64) -> Option<Spread> {
    Spread::of(rounds.iter().filter_map(|round| round.get(&way).map(&of)))
}
