//! A running program and its children: what they take of the machine, and how they end.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A program that is ended, with its children, when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts it with what it prints written to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let out = fs::File::create(log)?;
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("{command:?} does not start"))?;
        Ok(Self { child })
    }

    /// Waits until `ready`, or until it has ended or taken too long.
    pub(crate) fn wait(&mut self, ready: impl Fn() -> bool, log: &Path) -> anyhow::Result<()> {
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            if ready() {
                return Ok(());
            }
            let said = || fs::read_to_string(log).unwrap_or_default();
            ensure!(self.child.try_wait()?.is_none(), "it ended at once, and said:\n{}", said());
            thread::sleep(STEP);
        }
        anyhow::bail!(
            "it was not ready after a minute, and said:\n{}",
            fs::read_to_string(log).unwrap_or_default()
        )
    }

    /// It and its children, as they are now.
    pub(crate) fn tree(&self) -> io::Result<Tree> {
        Tree::below(self.child.id())
    }
}

impl Drop for Process {
    /// Asks the parent, which ends its children; one killed outright would leave them, and they the port.
    fn drop(&mut self) {
        let pids: Vec<_> = self.tree().map(|tree| tree.pids().collect()).unwrap_or_default();
        // Each fails where there is nobody left.
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        for _ in 0..PATIENCE.as_millis() / STEP.as_millis() {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if ended && pids.iter().all(|pid| !runs(*pid)) {
                return;
            }
            thread::sleep(STEP);
        }
        for pid in pids.into_iter().filter_map(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

fn runs(process: u32) -> bool {
    pid(process).is_some_and(|pid| test_kill_process(pid).is_ok())
}

fn pid(process: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(process).ok()?)
}

/// A process and all below it, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// How long each thread has run, by process and thread.
    ran: BTreeMap<(u32, u32), Duration>,
}

impl Tree {
    /// This process and all that it started.
    pub(crate) fn own() -> io::Result<Self> {
        Self::below(process::id())
    }

    fn below(root: u32) -> io::Result<Self> {
        let mut parents = BTreeMap::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            let Some(pid) = number(&entry.path()) else { continue };
            // proc(5): the parent is the fourth field; the second, a name, may hold spaces.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
            if let Some(parent) = fields.split(' ').nth(1).and_then(|parent| parent.parse::<u32>().ok()) {
                parents.insert(pid, parent);
            }
        }
        let belongs = |pid: u32| {
            let mut above = Some(pid);
            while let Some(pid) = above {
                if pid == root {
                    return true;
                }
                above = parents.get(&pid).copied();
            }
            false
        };
        let mut ran = BTreeMap::new();
        for pid in parents.keys().copied().filter(|pid| belongs(*pid)) {
            for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
                let Some(thread) = number(&task.path()) else { continue };
                // schedstat: nanoseconds on a core, nanoseconds waiting for one, times put on one.
                let stat = fs::read_to_string(task.path().join("schedstat"))?;
                let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
                let nanos = nanos.ok_or_else(|| io::Error::other("the kernel keeps no schedstat"))?;
                ran.insert((pid, thread), Duration::from_nanos(nanos));
            }
        }
        Ok(Self { ran })
    }

    /// The processes, lowest first.
    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        let mut pids: Vec<_> = self.ran.keys().map(|(pid, _)| *pid).collect();
        pids.dedup();
        pids.into_iter()
    }

    /// How long all of it ran since `earlier`.
    ///
    /// # Errors
    /// When a process came or went, or a thread went and took its account with it.
    pub(crate) fn ran_since(&self, earlier: &Self) -> anyhow::Result<Duration> {
        ensure!(self.pids().eq(earlier.pids()), "its processes changed");
        ensure!(earlier.ran.keys().all(|thread| self.ran.contains_key(thread)), "one of its threads ended");
        let each = self
            .ran
            .iter()
            .map(|(thread, ran)| ran.saturating_sub(earlier.ran.get(thread).copied().unwrap_or_default()));
        Ok(each.sum())
    }

    /// How long all of it ran, ever.
    pub(crate) fn ran(&self) -> Duration {
        self.ran.values().sum()
    }

    /// Resident memory in MiB; pages that processes share are counted in each.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        let mut kib = 0;
        for pid in self.pids() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
            kib += line.trim().trim_end_matches(" kB").parse::<u32>()?;
        }
        Ok(f64::from(kib) / 1024.0)
    }

    /// That nobody but these processes listens at `port`: a worker that another run left behind would serve, and
    /// its time would be missed.
    pub(crate) fn ensure_listens_alone(&self, port: u16) -> anyhow::Result<()> {
        let mut own = Vec::new();
        for pid in self.pids() {
            for file in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
                own.push(fs::read_link(file.path()).unwrap_or_default());
            }
        }
        let listening: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .flat_map(|table| listeners(&fs::read_to_string(table).unwrap_or_default(), port))
            .collect();
        ensure!(!listening.is_empty(), "nobody listens at port {port}");
        for socket in listening {
            ensure!(own.contains(&socket), "another process listens at port {port} too");
        }
        Ok(())
    }
}

/// The sockets that listen at `port`, as the links in `/proc/PID/fd` name them.
fn listeners(table: &str, port: u16) -> Vec<PathBuf> {
    let ending = format!(":{port:04X}");
    let of_line = |line: &str| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        let listens = fields.get(1)?.ends_with(&ending) && *fields.get(3)? == LISTEN;
        listens.then(|| Some(PathBuf::from(format!("socket:[{}]", fields.get(9)?)))).flatten()
    };
    table.lines().filter_map(of_line).collect()
}

fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.parse().ok()
}

/// The state of a listening socket (the kernel's `TCP_LISTEN`).
const LISTEN: &str = "0A";

const PATIENCE: Duration = Duration::from_secs(60);
const STEP: Duration = Duration::from_millis(10);
