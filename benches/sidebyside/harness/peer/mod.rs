//! Who is compared, each with the settings that its own expert would give it for this work.
//!
//! All set `Host` and `Authorization`, keep connections to the upstream alive, verify its certificate under TLS, run
//! one worker, and write no line for a request. The proxy runs as it is shipped: metrics, log, limits, timeouts,
//! guards and the audit log are on, and its request budget counts, with a limit that the load does not reach.

mod haproxy;
mod nginx;
mod ours;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;
use serde::Serialize;

use crate::harness::{
    asked::Asked,
    machine,
    process::{Process, Tree},
    stage::{Stage, Transport, free_port},
    wire::{probe, stream::Target},
};

/// The ways to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// The caller carries the token itself.
    Direct,
    /// Through tradovate-proxy.
    Ours,
    /// The same, by its Unix socket.
    OursBySocket,
    Nginx,
    Haproxy,
}

impl Way {
    pub(crate) const ALL: [Self; 5] =
        [Self::Direct, Self::Ours, Self::OursBySocket, Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Ours => "tradovate-proxy",
            Self::OursBySocket => "tradovate-proxy, Unix socket",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
        }
    }

    /// Who serves it.
    pub(crate) fn program(self) -> Option<Program> {
        match self {
            Self::Direct => None,
            Self::Ours | Self::OursBySocket => Some(Program::Ours),
            Self::Nginx => Some(Program::Nginx),
            Self::Haproxy => Some(Program::Haproxy),
        }
    }
}

/// The programs that stand in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Program {
    Ours,
    Nginx,
    Haproxy,
}

impl Program {
    pub(crate) const ALL: [Self; 3] = [Self::Ours, Self::Nginx, Self::Haproxy];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => Way::Ours.name(),
            Self::Nginx => Way::Nginx.name(),
            Self::Haproxy => Way::Haproxy.name(),
        }
    }

    /// Where it is; none if it is not installed.
    fn find(self, ours: &Path) -> Option<PathBuf> {
        match self {
            Self::Ours => Some(ours.to_owned()),
            Self::Nginx => machine::program("nginx"),
            Self::Haproxy => machine::program("haproxy"),
        }
    }
}

/// A program that is there.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    pub(crate) program: Program,
    path: PathBuf,
}

/// Who takes part; those that are not installed are named instead.
pub(crate) fn contenders(ours: &Path) -> (Vec<Contender>, Vec<Program>) {
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for program in Program::ALL {
        match program.find(ours) {
            Some(path) => present.push(Contender { program, path }),
            None => absent.push(program),
        }
    }
    (present, absent)
}

impl Contender {
    /// Ours alone.
    pub(crate) fn ours(path: &Path) -> Self {
        Self { program: Program::Ours, path: path.to_owned() }
    }

    /// The version that it says it has.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        match self.program {
            Program::Ours => Ok(format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))),
            Program::Nginx | Program::Haproxy => machine::version(&self.path),
        }
    }

    /// Starts it, and waits until it answers, and not that it cannot yet (503, while it has no token).
    pub(crate) fn start(&self, stage: &Stage, transport: Transport) -> anyhow::Result<Peer> {
        self.start_under(stage, transport, &[])
    }

    /// The same under valgrind with these arguments, unless there are none.
    pub(crate) fn start_under(
        &self,
        stage: &Stage,
        transport: Transport,
        valgrind: &[String],
    ) -> anyhow::Result<Peer> {
        let port = free_port()?;
        let folder = stage.file(&format!("{}-{}-{port}", self.program.name(), transport.name()));
        std::fs::create_dir(&folder)?;
        let place = Place { port, folder, upstream: stage.upstream(transport), transport, stage };
        let command = match self.program {
            Program::Ours => ours::command(&self.path, &place)?,
            Program::Nginx => nginx::command(&self.path, &place)?,
            Program::Haproxy => haproxy::command(&self.path, &place)?,
        };
        let command = if valgrind.is_empty() { command } else { under_valgrind(&command, valgrind) };
        let log = place.file("log");
        let mut peer = Peer {
            program: self.program,
            process: Process::start(command, &log)?,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            socket: place.file("socket"),
            log: log.clone(),
        };
        let target = Target::Port(peer.address);
        let request = Asked::Small.request("GET", None);
        let ready = || probe::ask(&target, &request).is_ok_and(|answer| answer.status < 500);
        peer.process.wait(ready, &log).with_context(|| format!("{} does not serve", self.program.name()))?;
        Ok(peer)
    }
}

fn under_valgrind(command: &Command, arguments: &[String]) -> Command {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(arguments).arg(command.get_program()).args(command.get_args());
    valgrind.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    valgrind.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    valgrind
}

/// Where a peer is to be, and what it is to stand before.
struct Place<'a> {
    port: u16,
    folder: PathBuf,
    upstream: SocketAddr,
    transport: Transport,
    stage: &'a Stage,
}

impl Place<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// A program that serves.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) program: Program,
    process: Process,
    pub(crate) address: SocketAddr,
    socket: PathBuf,
    /// What it prints.
    pub(crate) log: PathBuf,
}

impl Peer {
    /// Where it answers to callers who come this way.
    pub(crate) fn target(&self, way: Way) -> Target {
        match way {
            Way::OursBySocket => Target::Socket(self.socket.clone()),
            Way::Direct | Way::Ours | Way::Nginx | Way::Haproxy => Target::Port(self.address),
        }
    }

    pub(crate) fn tree(&self) -> std::io::Result<Tree> {
        self.process.tree()
    }
}

/// How long an idle connection is kept by those that have to be told: longer than a bench.
const IDLE: Duration = Duration::from_secs(3600);
/// How many connections a peer must be ready for.
const CONNECTIONS: usize = 8192;
