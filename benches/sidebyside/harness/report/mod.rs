//! From rounds to what is read: tables, goals, lines for other programs, and a picture.

mod figure;
mod goals;
mod picture;
mod spread;
mod table;

use std::{fs, io::Write as _, path::Path};

use serde_json::json;

use self::spread::Spread;
pub(crate) use self::{
    goals::{Goals, Verdict},
    picture::picture,
};
use crate::harness::{
    counts::Count,
    footprint::Memory,
    peer::{Program, Way},
    rounds::{Load, Round},
};

/// All that was measured.
#[derive(Default)]
pub(crate) struct Measured {
    /// What the machine is, and who took part in which version.
    pub(crate) circumstances: Vec<String>,
    pub(crate) memory: Vec<Memory>,
    /// How many connections were held for it.
    pub(crate) held: usize,
    /// Of our program, in MiB.
    pub(crate) binary: f64,
    pub(crate) loads: Vec<(Load, Vec<Round>)>,
    pub(crate) counts: Vec<Count>,
    /// Rows that do not count, each with the reason.
    pub(crate) refused: Vec<String>,
}

impl Measured {
    /// All as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let loads = self.loads.iter().map(|(load, rounds)| table::load(*load, rounds));
        let refused = self.refused.iter().map(|refused| format!("refused: {refused}\n"));
        loads.chain([table::memory(self)]).chain(refused).collect::<Vec<_>>().join("\n")
    }

    /// How much of the core was not theirs. At a fixed rate there is time left over, which is nobody's loss.
    pub(crate) fn others(&self) -> String {
        let rows = self
            .loads
            .iter()
            .filter(|(load, _)| load.rate.is_none())
            .flat_map(|(_, rounds)| rounds)
            .flat_map(Round::values);
        let spread = Spread::of(rows.map(|row| row.others));
        spread.map_or_else(String::new, |spread| {
            let Spread { median, highest, .. } = spread;
            format!(
                "others had {:.0} % of the core, at most {:.0} %; above some hundredths figures are rough",
                median * 100.0,
                highest * 100.0
            )
        })
    }

    /// A line of JSON for each row, and for whatever else is a figure.
    pub(crate) fn write_lines(&self, file: &Path) -> anyhow::Result<()> {
        let mut lines = vec![json!({ "circumstances": self.circumstances, "binary_mib": self.binary })];
        lines.extend(self.memory.iter().map(|memory| json!({ "memory": memory, "held": self.held })));
        for (load, rounds) in &self.loads {
            for (number, round) in rounds.iter().enumerate() {
                lines.extend(round.iter().map(
                    |(way, row)| json!({ "load": load, "round": number, "way": way.name(), "row": row }),
                ));
            }
        }
        let mut out = fs::File::create(file)?;
        for line in lines {
            writeln!(out, "{line}")?;
        }
        Ok(())
    }

    fn rounds(&self, load: Load) -> &[Round] {
        self.loads.iter().find(|(measured, _)| *measured == load).map_or(&[], |(_, rounds)| rounds)
    }

    fn memory_of(&self, program: Program) -> Option<Memory> {
        self.memory.iter().copied().find(|memory| memory.program == program)
    }
}

/// The ways that are compared with each other.
const PROXIES: [Way; 4] = [Way::Ours, Way::OursBySocket, Way::Nginx, Way::Haproxy];
