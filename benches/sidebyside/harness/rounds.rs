//! All ways under one load, in turns, round by round.

use std::{
    collections::BTreeMap,
    env, fmt,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::harness::{
    asked::Asked,
    machine,
    peer::{Peer, Way},
    process::Tree,
    stage::{Stage, Transport},
    wire::generator::{Generated, Order},
};

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Load {
    pub(crate) upstream: Transport,
    pub(crate) asked: Asked,
    pub(crate) connections: usize,
    /// Requests a second; without it each connection asks again when it has its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u32>,
}

impl Load {
    /// All that are measured.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for upstream in Transport::ALL {
            for connections in [1, 64] {
                all.extend(Asked::ALL.map(|asked| Self { upstream, asked, connections, rate: None }));
            }
            // What one bot, or a few, really do.
            all.push(Self { upstream, asked: Asked::Small, connections: 16, rate: Some(1600) });
        }
        all
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { upstream, asked, connections, rate } = self;
        let s = if *connections == 1 { "" } else { "s" };
        write!(f, "{asked}, {} upstream, {connections} connection{s}", upstream.name())?;
        rate.map_or(Ok(()), |rate| write!(f, ", {rate} requests/s"))
    }
}

/// What one way measured in one round.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) generated: Generated,
    /// Processor time of the peer's processes per request, in microseconds; none without a peer.
    pub(crate) cpu: Option<f64>,
    /// Share of the core that went to processes which have nothing to do with it.
    pub(crate) others: f64,
}

/// What the ways measured one after the other, all within seconds. A way whose row was refused is missing.
pub(crate) type Round = BTreeMap<Way, Row>;

/// Measures every way once.
pub(crate) fn round(
    stage: &Stage,
    peers: &[Peer],
    load: Load,
    ways: impl Iterator<Item = Way>,
    spell: Duration,
    refused: &mut Vec<String>,
) -> Round {
    let mut round = Round::new();
    for way in ways {
        match row(stage, peers, load, way, spell) {
            Ok(row) => drop(round.insert(way, row)),
            Err(error) => refused.push(format!("{load}, {}: {error:#}", way.name())),
        }
    }
    round
}

fn row(stage: &Stage, peers: &[Peer], load: Load, way: Way, spell: Duration) -> anyhow::Result<Row> {
    let peer = match way.program() {
        None => None,
        Some(program) => {
            let peer = peers.iter().find(|peer| peer.program == program);
            Some(peer.context("it does not run")?)
        }
    };
    let order = Order {
        target: peer.map_or_else(|| stage.direct(load.upstream), |peer| peer.target(way)),
        asked: load.asked,
        connections: load.connections,
        rate: load.rate,
        spell,
        token: peer.is_none().then(|| stage.token.clone()),
    };
    let mut generator = Generator::start("generate", &order)?;
    let core = Core::now(stage.core)?;
    let before = peer.map(Peer::tree).transpose()?;
    let generated: Generated = serde_json::from_str(&generator.go_on()?)?;
    let after = peer.map(Peer::tree).transpose()?;
    let others = Core::now(stage.core)?.others_since(&core).as_secs_f64() / generated.seconds;
    if let Some(rate) = load.rate {
        // Late by more than the last answers took, it was another load.
        let (asked, took) = (spell.as_secs_f64(), generated.seconds);
        ensure!(took < asked * 1.05 + 0.05, "{rate} requests/s for {asked:.1} s took it {took:.1} s");
    }
    let cpu = match (peer, before, after) {
        (Some(peer), Some(before), Some(after)) => {
            after.ensure_listens_alone(peer.address.port())?;
            let ran = after.ran_since(&before)?;
            Some(ran.as_secs_f64() * 1e6 / f64::from(generated.requests))
        }
        _ => None,
    };
    Ok(Row { generated, cpu, others })
}

/// The core's time up to a moment.
struct Core {
    busy: Duration,
    own: Duration,
}

impl Core {
    fn now(number: usize) -> anyhow::Result<Self> {
        Ok(Self { busy: machine::busy(number)?, own: Tree::own()?.ran() })
    }

    /// What it spent since `earlier` on processes that have nothing to do with this.
    fn others_since(&self, earlier: &Self) -> Duration {
        let own = self.own.saturating_sub(earlier.own);
        self.busy.saturating_sub(earlier.busy).saturating_sub(own)
    }
}

/// A generator of load, as a process of its own, so that its time is told apart.
pub(crate) struct Generator {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Generator {
    /// Starts it, and waits until it has said that it is ready.
    pub(crate) fn start(role: &str, order: &Order) -> anyhow::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(role)
            .arg(serde_json::to_string(order)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut generator = Self { input: child.stdin.take(), child, output };
        generator.line()?;
        Ok(generator)
    }

    /// Lets it go on; what it says at its end.
    fn go_on(&mut self) -> anyhow::Result<String> {
        self.input.as_mut().context("it has no input")?.write_all(b"go\n")?;
        self.line()
    }

    fn line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            let mut said = String::new();
            self.child.stderr.take().context("it said nothing")?.read_to_string(&mut said)?;
            bail!("{}", said.trim().trim_start_matches("Error: "));
        }
        Ok(line)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        // The end of its input is the end of it; where it fails it has ended before.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
