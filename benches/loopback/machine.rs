//! What the machine says of itself: how busy it is, and how long each of our threads has run.
//!
//! Read from Linux's `/proc`; elsewhere there is nothing to read, and the report says so by leaving it out.

use std::{collections::BTreeMap, fs, time::Duration};

/// How long each thread has run since it started, user and kernel together, by its name; threads of one name are
/// added up.
pub(crate) fn running() -> BTreeMap<String, Duration> {
    let mut running = BTreeMap::new();
    for task in fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        // schedstat: nanoseconds on a core, nanoseconds waiting for one, times put on one.
        let ran = read("schedstat").split(' ').next().and_then(|ran| ran.parse().ok());
        if let Some(ran) = ran {
            *running.entry(read("comm").trim_end().to_owned()).or_default() += Duration::from_nanos(ran);
        }
    }
    running
}

/// The thread that the callers share.
pub(crate) const CALLERS: &str = "callers";
/// The simulated API's.
pub(crate) const API: &str = "api";
/// The relay's.
pub(crate) const RELAY: &str = "relay";
/// The one that accepts for the proxy, renews and answers probes: the whole proxy but its requests.
pub(crate) const CONTROL: &str = "control";
/// The proxy's only worker, as `server::workers` names it.
pub(crate) const WORKER: &str = "worker-0";

/// The load averages.
pub(crate) fn load() -> String {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = averages.split(' ').take(3).collect();
    format!("load average {}", averages.join(" "))
}

/// The cores that this process may use.
pub(crate) fn cpus() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.map_or("unknown", str::trim).to_owned()
}
