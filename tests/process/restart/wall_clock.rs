//! The wall clock is set while the proxy runs, and between two runs. That no decision goes by it is tested where the
//! clock is made; here is the real one, seen through a library that shows this process another.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::support::{
    broker::Broker,
    patience::until,
    proxy::{Proxy, serve},
    state::stored,
    tool::faketime,
};

#[test]
fn a_clock_that_is_set_costs_neither_a_login_nor_a_renewal() {
    let Some(library) = faketime() else {
        eprintln!("skipped: there is no libfaketime");
        return;
    };
    let (broker, state, set) = (Broker::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let offset = set.path().join("offset");
    let shows = |offset_now: &str| {
        let new = set.path().join("new");
        fs::write(&new, offset_now).unwrap();
        fs::rename(new, &offset).unwrap();
    };
    shows("+0h");
    let command = || faked(&serve(state.path(), &broker.origin()), library, &offset);
    let proxy = Proxy::start_ready(command());
    let left = seconds_left(&proxy.status());
    let start = hour(&proxy.status());
    // Beyond the life of the token, back to before it was granted, and as no clock should be.
    for (offset, hours) in [("+3h", 3), ("-5h", -5), ("+9000h", 9000)] {
        shows(offset);
        until("the clock to be set", || (hour(&proxy.status()) - start == hours).then_some(()));
        proxy.serves();
        let now = seconds_left(&proxy.status());
        assert!((left - 120..=left).contains(&now), "{now} s of {left} are left at {offset}");
    }
    stored(state.path());
    proxy.process.kill();

    // To the next process the token would seem to have expired, then to live for longer than tokens do.
    for offset in ["+9004h", "-5h"] {
        shows(offset);
        let next = Proxy::start(command());
        next.serves();
        let now = seconds_left(&next.status());
        assert!(
            (left - 120..=left).contains(&now),
            "{now} s of {left} are left to the next process at {offset}"
        );
        next.process.kill();
    }
    assert_eq!((broker.logins(), broker.renewals()), (1, 0));
}

/// The same command, with the wall clock set by what is in `offset` and every other clock as it is.
fn faked(command: &Command, library: &Path, offset: &Path) -> Command {
    let mut faked = Command::new(command.get_program());
    faked.args(command.get_args());
    faked.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    faked
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    faked
}

fn seconds_left(status: &Value) -> i64 {
    status["session"]["seconds_left"].as_i64().unwrap_or_else(|| panic!("{status}"))
}

/// The hour that the process shows, from any beginning.
fn hour(status: &Value) -> i64 {
    let shown: jiff::Timestamp = status["session"]["as_of"].as_str().unwrap().parse().unwrap();
    (shown.as_second() + 60) / 3600
}
