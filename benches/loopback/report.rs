//! From rounds to figures: medians, with what they spread over.

use std::fmt;

use crate::{
    caller::Measured,
    machine::{API, CALLERS, CONTROL, RELAY, WORKER},
    stage::Way,
};

/// What every way measured under one load, round by round.
#[derive(Default)]
pub(crate) struct Rounds(Vec<Round>);

/// What each way measured, all within a few seconds.
#[derive(Default)]
pub(crate) struct Round([Measured; Way::ALL.len()]);

impl Rounds {
    pub(crate) fn push(&mut self, round: Round) {
        self.0.push(round);
    }

    fn each(&self, figure: impl Fn(&Round) -> f64) -> Spread {
        Spread::of(self.0.iter().map(figure).collect())
    }
}

impl Round {
    pub(crate) fn set(&mut self, way: Way, measured: Measured) {
        self.0[way as usize] = measured;
    }

    fn of(&self, way: Way) -> &Measured {
        &self.0[way as usize]
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        row(f, "", ["p50 µs", "p99 µs", "requests/s"])?;
        for way in Way::ALL {
            let [p50, p99, rate] = Measured::FIGURES.map(|figure| self.each(|round| figure(round.of(way))));
            row(f, way.name(), [p50.show(1), p99.show(1), rate.show(0)])?;
        }
        for (way, than) in [(Way::Relay, Way::Direct), (Way::Proxy, Way::Relay), (Way::Proxy, Way::Direct)] {
            let [p50, p99, _] = Measured::FIGURES
                .map(|figure| self.each(|round| figure(round.of(way)) - figure(round.of(than))));
            let name = format!("{} - {}", way.name(), than.name());
            row(f, &name, [p50.show(1), p99.show(1), String::new()])?;
        }
        for (way, than) in [(Way::Proxy, Way::Relay), (Way::Proxy, Way::Direct)] {
            let ratios = Measured::FIGURES
                .map(|figure| self.each(|round| figure(round.of(way)) / figure(round.of(than))));
            let name = format!("{} / {}", way.name(), than.name());
            row(f, &name, ratios.map(|ratio| ratio.show(2)))?;
        }
        self.cpu(f)
    }
}

impl Rounds {
    fn cpu(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for way in Way::ALL {
            let total = self.each(|round| round.of(way).ran(&[CALLERS, API, RELAY, WORKER, CONTROL]));
            if total.median <= 0.0 {
                // No account of threads here.
                return Ok(());
            }
            let name = format!("CPU µs, {}", way.name());
            write!(f, "  {name:<16}  all {}", total.show(1))?;
            for (label, threads) in SHARES {
                let share = self.each(|round| round.of(way).ran(threads));
                if share.median >= 0.05 {
                    write!(f, "   {label} {}", share.show(1))?;
                }
            }
            writeln!(f)?;
        }
        let ratio = self.each(|round| round.of(Way::Proxy).ran(PROXY) / round.of(Way::Relay).ran(&[RELAY]));
        writeln!(f, "  CPU, proxy's own / relay's own: {}", ratio.show(2))
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, [p50, p99, rate]: [impl fmt::Display; 3]) -> fmt::Result {
    writeln!(f, "  {name:<16}{p50:>24}{p99:>28}{rate:>26}")
}

/// Whose time is shown, and whose threads those are.
const SHARES: [(&str, &[&str]); 4] =
    [("callers", &[CALLERS]), ("api", &[API]), ("relay", &[RELAY]), ("proxy", PROXY)];

const PROXY: &[&str] = &[WORKER, CONTROL];

/// The median of some rounds' figures, the lowest and the highest.
struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    /// Of at least one.
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_unstable_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], lowest: figures[0], highest: figures[figures.len() - 1] }
    }

    fn show(&self, places: usize) -> String {
        let Self { median, lowest, highest } = self;
        format!("{median:.places$} [{lowest:.places$}..{highest:.places$}]")
    }
}
