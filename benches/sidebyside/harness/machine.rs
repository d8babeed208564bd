//! The machine: what it is, and what of it is used.

use std::{env, fs, path::PathBuf, process::Command, time::Duration};

use anyhow::Context as _;
use rustix::{
    process::{Resource, Rlimit, getrlimit, setpriority_process, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

/// What a reader needs to judge the figures, a line each.
pub(crate) fn described() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown CPU", |(_, model)| model);
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let governor = if governor.is_empty() { "not shown".to_owned() } else { governor };
    vec![
        format!("{model}, {} cores; governor {governor}", cpuinfo.matches("processor\t").count()),
        format!(
            "Linux {}; congestion control {}",
            read("/proc/sys/kernel/osrelease"),
            read("/proc/sys/net/ipv4/tcp_congestion_control")
        ),
    ]
}

/// The load averages.
pub(crate) fn load() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = averages.split(' ').take(3).collect();
    format!("load average {}", averages.join(" "))
}

/// Keeps this process, and whatever it starts from now on, on one core: the last that it may use. The first is where
/// most machines serve their interrupts.
pub(crate) fn use_one_core() -> anyhow::Result<usize> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core)).context("no core is allowed")?;
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).context("this process may not choose its core")?;
    Ok(last)
}

/// As long as it is there, this process and whatever it starts from now on go before all others on their core.
#[derive(Debug)]
pub(crate) struct First {
    /// The session's own priority before that, where sessions have one.
    session: Option<String>,
}

impl First {
    pub(crate) fn claim() -> anyhow::Result<Self> {
        // setpriority(2): the highest there is; below zero only root may go.
        setpriority_process(None, -20).context("--first needs root")?;
        // sched(7): with autogroups that holds only within a session, and sessions have a priority among each other.
        let told = fs::read_to_string(AUTOGROUP).unwrap_or_default();
        let session = told.trim().rsplit_once("nice ").map(|(_, nice)| nice.to_owned());
        if session.is_some() {
            fs::write(AUTOGROUP, "-20").context("--first needs root")?;
        }
        Ok(Self { session })
    }
}

impl Drop for First {
    /// The session may go on after this process, a shell's for one.
    fn drop(&mut self) {
        if let Some(nice) = &self.session {
            // Where it fails there is nobody left to tell.
            let _ = fs::write(AUTOGROUP, nice);
        }
    }
}

const AUTOGROUP: &str = "/proc/self/autogroup";

/// Raises the limit of open files, for this process and whatever it starts, as far as that goes.
pub(crate) fn open_many_files() -> anyhow::Result<u64> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum.unwrap_or(u64::MAX))
}

/// How long a core has been busy since the machine was started, with whatever it was.
pub(crate) fn busy(core: usize) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let name = format!("cpu{core} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).context("no such core")?;
    // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; then guests, which are in user already.
    let ticks = line.split(' ').take(8).map(str::parse::<u64>).collect::<Result<Vec<_>, _>>()?;
    let busy: u64 =
        ticks.iter().enumerate().filter(|(at, _)| ![3, 4].contains(at)).map(|(_, ticks)| ticks).sum();
    // A tick is a hundredth of a second on every machine that Linux runs on today (USER_HZ).
    Ok(Duration::from_millis(busy * 10))
}

/// A program on the path, or in the folders of system programs, which are on root's path only.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The first line that it prints when asked for its version with `-v`.
pub(crate) fn version(program: &PathBuf) -> anyhow::Result<String> {
    let output = Command::new(program).arg("-v").output()?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
