//! What a request takes that can be counted, and so is the same in every run: instructions and allocations.
//!
//! Both come from valgrind, as the difference between a run with few requests and one with more, over their number: what
//! starting and ending take cancels out. All on one connection, one after another, over a plain upstream.

use std::{fs, net::TcpStream, path::Path};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::harness::{
    asked::Asked,
    machine,
    peer::{Contender, Way},
    stage::{Stage, Transport},
    wire::{
        probe,
        stream::{Stream, Target},
    },
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Counted {
    /// In user space.
    Instructions,
    /// Blocks taken from the heap.
    Allocations,
}

impl Counted {
    pub(crate) const ALL: [Self; 2] = [Self::Instructions, Self::Allocations];

    /// The command that counts, but for the program; what it finds is in `found`, or in the program's log.
    fn tool(self, found: &Path) -> Vec<String> {
        match self {
            Self::Instructions => {
                vec!["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", found.display())]
            }
            Self::Allocations => vec!["--tool=memcheck".to_owned(), "--leak-check=no".to_owned()],
        }
    }

    /// The total of one run.
    fn total(self, found: &Path, log: &Path) -> anyhow::Result<u64> {
        let (file, before) = match self {
            Self::Instructions => (found, "summary: "),
            Self::Allocations => (log, "total heap usage: "),
        };
        let text = fs::read_to_string(file)?;
        let line = text.lines().find_map(|line| Some(line.split_once(before)?.1));
        let number: String = line
            .with_context(|| format!("valgrind does not say its total in {}", file.display()))?
            .chars()
            .take_while(|char| char.is_ascii_digit() || *char == ',')
            .filter(char::is_ascii_digit)
            .collect();
        Ok(number.parse()?)
    }
}

/// One figure, for each request.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) of: Counted,
    pub(crate) asked: Asked,
    pub(crate) each: f64,
}

/// Counts for both kinds of small request; nothing where valgrind is not installed.
pub(crate) fn all(stage: &Stage, ours: &Contender) -> anyhow::Result<Vec<Count>> {
    ensure!(machine::program("valgrind").is_some(), "valgrind is not installed, and nothing else counts");
    let mut counts = Vec::new();
    for asked in [Asked::Small, Asked::Post] {
        for of in Counted::ALL {
            let [few, more] = [FEW, MORE].map(|requests| count(stage, ours, of, asked, requests));
            let difference = u32::try_from(more?.saturating_sub(few?))?;
            counts.push(Count { of, asked, each: f64::from(difference) / f64::from(MORE - FEW) });
        }
    }
    Ok(counts)
}

/// The total of a run with so many requests.
fn count(stage: &Stage, ours: &Contender, of: Counted, asked: Asked, requests: u32) -> anyhow::Result<u64> {
    let found = stage.file(&format!("{of:?}-{asked:?}-{requests}"));
    let peer = ours.start_under(stage, Transport::Plain, &of.tool(&found))?;
    let Target::Port(address) = peer.target(Way::Ours) else { anyhow::bail!("it listens at no port") };
    let mut stream = Stream::Tcp(TcpStream::connect(address)?);
    let request = asked.request(asked.method(), None);
    for _ in 0..requests {
        let answer = probe::ask_on(&mut stream, &request)?;
        ensure!(
            answer.status == 200 && answer.body == asked.body(),
            "it was answered with a {}",
            answer.status
        );
    }
    let log = peer.log.clone();
    // Its end is when the tool says what it has found.
    drop(peer);
    of.total(&found, &log)
}

/// Enough that what grows at first has grown.
const FEW: u32 = 500;
const MORE: u32 = 1_500;
