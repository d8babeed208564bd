//! What the command line asks for.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};

use crate::harness::rounds::Load;

/// How much is measured, and of what.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// How often each way is measured under each load.
    pub(crate) rounds: usize,
    /// For how long each time.
    pub(crate) spell: Duration,
    /// How many connections are held for memory.
    pub(crate) held: usize,
    pub(crate) mode: Mode,
    /// Loads that have these words in their names; all without any.
    only: Vec<String>,
    /// The program to measure instead of one that is built.
    pub(crate) proxy: Option<PathBuf>,
    /// Whether other processes have to wait.
    pub(crate) first: bool,
}

/// What it is run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// To see that it works, as `cargo test --benches` does: nothing is built, kept, or judged.
    Trial,
    /// To see where one stands.
    Quick,
    /// For figures that are published.
    Full,
    /// Only what can be counted, and so can be gated by.
    Counts,
}

impl Options {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut arguments = arguments.into_iter();
        let (mut mode, mut only, mut proxy, mut first) = (Mode::Trial, Vec::new(), None, false);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
            match &*argument {
                // What cargo says to every bench; the mode may stand on either side of it.
                "--bench" if matches!(mode, Mode::Full | Mode::Counts) => {}
                "--bench" | "--quick" => mode = Mode::Quick,
                "--full" => mode = Mode::Full,
                "--counts" => mode = Mode::Counts,
                "--first" => first = true,
                "--only" => only.push(value()?),
                "--proxy" => proxy = Some(value()?.into()),
                _ => bail!("{argument} is not known; {USAGE}"),
            }
        }
        let (rounds, spell, held) = match mode {
            Mode::Trial => (1, Duration::from_millis(20), 16),
            Mode::Quick => (3, Duration::from_millis(500), 5_000),
            Mode::Full => (9, Duration::from_secs(1), 5_000),
            Mode::Counts => (0, Duration::ZERO, 0),
        };
        Ok(Self { rounds, spell, held, mode, only, proxy, first })
    }

    pub(crate) fn loads(&self) -> Vec<Load> {
        let wanted = |load: &Load| self.only.iter().all(|words| load.to_string().contains(words));
        Load::all().into_iter().filter(wanted).collect()
    }
}

const USAGE: &str = "use: cargo bench --bench sidebyside -- [--quick | --full | --counts] [--only WORDS]... [--first] [--proxy PROGRAM]";
