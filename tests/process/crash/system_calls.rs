//! Killed on the way into the n-th system call of those that write `session.json`: open, write, sync, rename, open the
//! directory, sync that; before the attempt, and again with its answer.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use tempfile::TempDir;

use super::{Left, command, left_behind, outlives, recovers};
use crate::support::{
    broker::Broker,
    process::run,
    proxy::Proxy,
    state::{age, stored},
    tool::{has_strace, straced},
};

/// At least two records are written, each with two opens, one write, two syncs and one rename.
const CALLS: [(&str, u32); 4] = [("openat", 4), ("write", 2), ("fsync", 4), ("rename", 2)];

#[test]
fn a_login_survives_a_kill_before_each_call() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let broker = Broker::start();
    let mut seen = BTreeSet::new();
    for (call, least) in CALLS {
        for nth in 1.. {
            let state = narrow();
            let survives = survives(state.path(), &broker, call, nth, 0);
            let left = left_behind(state.path());
            let has_session = matches!(left, Left::Session(_));
            seen.insert(match left {
                Left::Session(_) => "session",
                Left::Attempt => "attempt",
                Left::Nothing => "nothing",
            });
            assert_eq!(recovers(state.path(), &broker), usize::from(!has_session), "{call} {nth}");
            assert_eq!(recovers(state.path(), &broker), 0, "{call} {nth}");
            if survives {
                assert!(nth > least, "{call} was made {} times", nth - 1);
                break;
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["attempt", "nothing", "session"]);
}

#[test]
fn a_renewal_survives_a_kill_before_each_call() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    broker.control().change_rules(|rules| rules.renewals_per_hour = None);
    assert_eq!(recovers(state.path(), &broker), 1);
    let (mut renewed, mut kept) = (0, 0);
    let mut aged = String::new();
    for (call, least) in CALLS {
        for nth in 1.. {
            let record = stored(state.path());
            let token = record["session"]["token"].as_str().unwrap().to_owned();
            if token != aged {
                age(state.path());
                aged.clone_from(&token);
            }
            let generation = record["generation"].as_u64().unwrap();
            let survives = survives(state.path(), &broker, call, nth, generation);
            match left_behind(state.path()) {
                Left::Session(next) if next == token => kept += 1,
                Left::Session(_) => renewed += 1,
                left @ (Left::Nothing | Left::Attempt) => panic!("{call} {nth}: {left:?}"),
            }
            assert_eq!(broker.logins(), 1, "{call} {nth}");
            if survives {
                assert!(nth > least, "{call} was made {} times", nth - 1);
                break;
            }
        }
    }
    // The new token is there exactly if its rename was made: ten of the calls come before that.
    assert!(kept >= 10 && renewed >= CALLS.len(), "{kept} times the old token, {renewed} times the new one");
    assert_eq!(recovers(state.path(), &broker), 0);
}

#[test]
fn a_device_id_survives_a_kill_before_each_call() {
    if !has_strace() {
        eprintln!("skipped: there is no strace, or it may not trace");
        return;
    }
    let broker = Broker::start();
    for (call, count) in [("openat", 2), ("write", 1), ("fsync", 1), ("rename", 1)] {
        for nth in 1..=count {
            let state = narrow();
            let (file, beside) = (state.path().join("device-id"), state.path().join("device-id.new"));
            let command = || {
                let mut command = command(state.path(), &broker);
                command.env_remove("TRADOVATE_DEVICE_ID");
                command
            };
            let paths = [file.to_str().unwrap(), beside.to_str().unwrap()];
            assert_eq!(
                run(killed_in(&command(), paths, call, nth)).code,
                None,
                "{call} {nth} was never made"
            );
            assert!(!file.exists(), "{call} {nth}");

            let ids = [(); 2].map(|()| {
                Proxy::start_ready(command()).process.kill();
                fs::read_to_string(&file).unwrap()
            });
            assert!(ids[0] == ids[1] && ids[0].len() == 37, "{call} {nth}: {ids:?}");
        }
    }
    assert_eq!(broker.logins(), 5);
}

/// Runs a proxy that is killed on its way into the `nth` of these system calls on `session.json.new` or the directory.
/// Says whether it got a newer token than `generation` before that; it has ended in any case.
fn survives(state: &Path, broker: &Broker, call: &str, nth: u32, generation: u64) -> bool {
    let directory = state.to_str().unwrap();
    let file = format!("{directory}/session.json.new");
    let command = killed_in(&command(state, broker), [directory, &file], call, nth);
    let mut proxy = Proxy::start(command);
    let survives = outlives(&mut proxy, generation);
    if survives {
        proxy.process.kill();
    } else {
        assert_eq!(proxy.process.end().code, None);
    }
    survives
}

/// The same command, killed on its way into the `nth` of these system calls on one of these paths, on one thread.
fn killed_in(command: &Command, paths: [&str; 2], call: &str, nth: u32) -> Command {
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    straced(command, &["-P", paths[0], "-P", paths[1], "-e", &format!("trace={call}"), "-e", &inject])
}

/// A directory that is ours alone already: one that is not would be looked into, which is a call too.
fn narrow() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o700)).tempdir().unwrap()
}
