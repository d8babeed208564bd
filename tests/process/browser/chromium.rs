//! A headless Chromium, where the machine has one.

use std::{
    env,
    io::{self, Write as _},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::process::Process;

/// Whether there is one. Where there is none the test says so, except in continuous integration, which has to have one.
pub(crate) fn is_there() -> bool {
    let version = Command::new(CHROMIUM).arg("--version").stderr(Stdio::null()).output();
    let found = version.is_ok_and(|version| version.status.success());
    assert!(found || env::var_os("CI").is_none(), "{CHROMIUM} is needed where CI is set");
    if !found {
        // Past the harness, which keeps what a test prints to itself.
        io::stderr().write_all(b"no chromium here: web pages were not tried\n").unwrap();
    }
    found
}

/// A browser that shows a page; ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    _process: Process,
    _profile: TempDir,
}

/// Opens `url`, and stays.
pub(crate) fn open(url: &str) -> Browser {
    let profile = tempfile::tempdir().unwrap();
    let mut command = command(&profile);
    // Without it, a headless Chromium that was given no task shows nothing.
    command.args(["--remote-debugging-port=0", url]);
    Browser { _process: Process::start(command), _profile: profile }
}

/// Opens `url`, and returns what it then shows.
pub(crate) fn dump(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut command = command(&profile);
    command.args(["--dump-dom", url]);
    let ended = crate::support::process::run(command);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout
}

fn command(profile: &TempDir) -> Command {
    let mut command = Command::new(CHROMIUM);
    let directory = profile.path().display();
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"])
        // Every name leads here, and no request of the test leaves the machine.
        .arg("--host-resolver-rules=MAP * 127.0.0.1")
        .arg(format!("--user-data-dir={directory}"))
        .env("HOME", profile.path());
    command
}

const CHROMIUM: &str = "chromium";
