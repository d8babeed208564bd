//! What the figures should be.

use std::{fmt, fs, path::Path};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::harness::{
    asked::Asked,
    counts::Counted,
    peer::{Program, Way},
    report::{Measured, figure::Figure, spread::Spread},
    rounds::Load,
};

/// The goals, from `goals.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Goals {
    ratio: Vec<Ratio>,
    size: Vec<Size>,
    count: Vec<Each>,
}

/// A figure of ours over that of another.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ratio {
    figure: Figure,
    load: Load,
    against: Against,
    must: f64,
    aim: f64,
    /// With fewer rounds it says nothing.
    #[serde(default)]
    rounds: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Against {
    Nginx,
    Haproxy,
    /// Whoever does better.
    Better,
}

/// A size of ours in MiB, which is the same on every machine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    of: Taken,
    must: f64,
    aim: f64,
}

/// What a request takes, counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Each {
    of: Counted,
    asked: Asked,
    must: f64,
    aim: f64,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Taken {
    Idle,
    Held,
    Binary,
}

/// How a goal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What was aimed for is reached.
    Aimed,
    Met,
    /// The median is above the goal, but so few rounds are that chance may have done it.
    Noise,
    Missed,
    /// Not measured, or not often enough.
    Open,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Aimed => "aim reached",
            Self::Met => "met",
            Self::Noise => "above, within noise",
            Self::Missed => "MISSED",
            Self::Open => "not measured",
        })
    }
}

impl Verdict {
    /// Noise: if the true median were the goal itself, each round would be above it as a coin falls. A goal is missed
    /// only where so many rounds are above it that this has a chance of 1 in 8 (all of three rounds) or less (six of
    /// seven: 1 in 16).
    fn of(spread: Spread, must: f64, aim: f64) -> Self {
        if spread.median <= aim {
            Self::Aimed
        } else if spread.median <= must {
            Self::Met
        } else if spread.low <= must {
            Self::Noise
        } else {
            Self::Missed
        }
    }
}

impl Goals {
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let goals: Self =
            toml::from_str(&text).with_context(|| format!("{} is not understood", file.display()))?;
        let all = Load::all();
        if let Some(stray) = goals.ratio.iter().find(|goal| !all.contains(&goal.load)) {
            bail!("{} has a goal for a load that is not measured: {stray}", file.display());
        }
        Ok(goals)
    }

    /// How each stands, as a Markdown table, and the verdicts.
    pub(crate) fn judge(&self, measured: &Measured) -> (String, Vec<Verdict>) {
        let ratios = self.ratio.iter().map(|goal| {
            let spread = goal.measured(measured).filter(|spread| spread.rounds >= goal.rounds);
            (goal.to_string(), spread, goal.must, goal.aim)
        });
        let sizes = self.size.iter().map(|goal| {
            let spread = goal.measured(measured).and_then(|size| Spread::of([size].into_iter()));
            (goal.to_string(), spread, goal.must, goal.aim)
        });
        let counts = self.count.iter().map(|goal| {
            let spread = goal.measured(measured).and_then(|each| Spread::of([each].into_iter()));
            (goal.to_string(), spread, goal.must, goal.aim)
        });
        let head = "**Goals**\n\n| what | measured | must | aim | verdict |\n|---|---|---|---|---|\n";
        let mut lines = vec![head.to_owned()];
        let mut verdicts = Vec::new();
        for (what, spread, must, aim) in ratios.chain(sizes).chain(counts) {
            let verdict = spread.map_or(Verdict::Open, |spread| Verdict::of(spread, must, aim));
            let shown = spread.map_or_else(String::new, |spread| format!("{spread:#}"));
            lines.push(format!("| {what} | {shown} | {must} | {aim} | {verdict} |\n"));
            verdicts.push(verdict);
        }
        lines.push(
            "\nA ratio is missed only where its lower quartile of rounds is above the goal too.\n".to_owned(),
        );
        (lines.concat(), verdicts)
    }
}

impl Ratio {
    fn measured(&self, measured: &Measured) -> Option<Spread> {
        let rounds = measured.rounds(self.load);
        let to = |way| self.figure.ratio(rounds, Way::Ours, way);
        match self.against {
            Against::Nginx => to(Way::Nginx),
            Against::Haproxy => to(Way::Haproxy),
            // The better one is who makes our ratio the higher.
            Against::Better => {
                let either = [to(Way::Nginx), to(Way::Haproxy)].into_iter().flatten();
                either.max_by(|one, other| one.median.total_cmp(&other.median))
            }
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figure = match self.figure {
            Figure::Cpu => "CPU per request",
            Figure::AddedP50 => "added p50",
            Figure::P99 => "p99",
        };
        let against = match self.against {
            Against::Nginx => Way::Nginx.name(),
            Against::Haproxy => Way::Haproxy.name(),
            Against::Better => "the better of both",
        };
        write!(f, "{figure} × {against}: {}", self.load)
    }
}

impl Size {
    fn measured(&self, measured: &Measured) -> Option<f64> {
        let memory = measured.memory_of(Program::Ours);
        match self.of {
            Taken::Idle => memory.map(|memory| memory.idle),
            Taken::Held => memory.map(|memory| memory.held),
            Taken::Binary => Some(measured.binary),
        }
    }
}

impl Each {
    fn measured(&self, measured: &Measured) -> Option<f64> {
        let count = measured.counts.iter().find(|count| count.of == self.of && count.asked == self.asked);
        count.map(|count| count.each)
    }
}

impl fmt::Display for Each {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, asked, .. } = self;
        let of = match of {
            Counted::Instructions => "instructions in user space",
            Counted::Allocations => "allocations",
        };
        write!(f, "{of} per request: {asked}, plain upstream, 1 connection")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.of {
            Taken::Idle => "resident memory after the start, MiB",
            Taken::Held => "resident memory with 5,000 idle connections, MiB",
            Taken::Binary => "program, stripped, MiB",
        })
    }
}
