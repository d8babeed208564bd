//! When there are no more file descriptors.

use std::{process::Command, time::Duration};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::time::Instant;

use super::Stage;
use crate::support::{
    footprint::{Footprint, processor_time},
    http,
    patience::{linger, until},
};

const FEW: u64 = 200;
const MANY: u64 = 1024;

/// The same command, started with no more than [`FEW`] descriptors for good.
fn with_few(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.args(["-c", &format!("ulimit -n {FEW} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn callers_never_take_the_descriptors_that_upstream_and_the_login_need() {
    let mut stage = Stage::new(|command| with_few(&command));
    let said = stage.proxy.process.line("too few file descriptors");
    assert!(said.contains("ulimit -n") && said.contains("limits.connections"), "{said}");
    // As many as come in, each with a connection to upstream of its own, and a crowd at the door.
    let mut crowd: Vec<_> = (0..4 * FEW).map(|_| stage.connect()).collect();
    stage.serves();
    // The session is renewed, which takes a connection of its own, and whoever looks after it is answered.
    let renewed = http::post(stage.proxy.admin, "/session/renew", "");
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let open = Footprint::of(stage.pid()).descriptors;
    assert!((open as u64) < FEW - 20, "{open} are open");

    let begun = processor_time(stage.pid());
    linger(Duration::from_secs(3));
    let used = processor_time(stage.pid()).saturating_sub(begun);
    assert!(used < Duration::from_secs(1), "{used:?} of processor time in 3 s");
    crowd.clear();
    let gone = Instant::now();
    until("room for a new caller", || {
        http::try_get(stage.proxy.listen, "/v1/account/list")
            .is_ok_and(|answer| answer.status == 200)
            .then_some(())
    });
    assert!(gone.elapsed() < Duration::from_secs(5), "{:?}", gone.elapsed());
    assert!(!stage.proxy.process.so_far().contains("cannot accept"), "{}", stage.proxy.process.so_far());
}

#[test]
fn an_accept_that_fails_does_not_spin_and_recovers() {
    let mut stage = Stage::new(|command| command);
    let pid = Pid::from_raw(stage.pid().cast_signed());
    // Fewer than are open, taken away while it runs: what a system out of descriptors looks like from inside.
    let limit = prlimit(pid, Resource::Nofile, Rlimit { current: Some(4), maximum: Some(MANY) }).unwrap();
    assert!(limit.current.is_none_or(|limit| limit >= MANY), "{limit:?}");
    let waiting: Vec<_> = (0..100).map(|_| stage.connect()).collect();
    stage.proxy.process.line("cannot accept connections");
    let begun = processor_time(stage.pid());
    linger(Duration::from_secs(3));
    let used = processor_time(stage.pid()).saturating_sub(begun);
    assert!(used < Duration::from_secs(1), "{used:?} of processor time in 3 s");
    // The trader has a connection, and its worker one to upstream.
    stage.serves();

    prlimit(pid, Resource::Nofile, Rlimit { current: Some(MANY), maximum: Some(MANY) }).unwrap();
    let back = Instant::now();
    stage.proxy.serves();
    assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
    stage.serves();
    drop(waiting);
}
