//! A disk that fails while, or before, the proxy runs: it goes on from memory, says so, and stores again as soon as the
//! disk is well.
//!
//! A full disk is a limit on the size of files, which the kernel lets everybody set on their own processes, and lift
//! again while they run. A read-only one is a directory that its owner may not write to; so as not to be root, for whom
//! permissions mean nothing, the proxy then runs as nobody.

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tempfile::TempDir;

use crate::support::{
    api::Api,
    http,
    patience::until,
    process::deaf,
    proxy::{Proxy, serve},
};

#[test]
fn a_full_disk_is_said_survived_and_forgotten() {
    let (api, state) = (short_lived(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(deaf(&frequent(serve(state.path(), &api.origin()))));
    let before = settled(state.path());
    let pid = Pid::from_raw(proxy.process.pid().cast_signed()).unwrap();
    let usual = getrlimit(Resource::Fsize);
    let full = Rlimit { current: Some(0), ..usual };

    prlimit(Some(pid), Resource::Fsize, full).unwrap();
    says_that_it_cannot_store(&proxy, "File too large");
    // The old file is whole, and nothing else was left behind.
    assert!(generation(state.path()).unwrap() >= before);
    let mut names: Vec<_> =
        fs::read_dir(state.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["audit", "device-id", "lock", "session.json"]);

    prlimit(Some(pid), Resource::Fsize, usual).unwrap();
    heals(&proxy, state.path());
}

#[test]
fn a_directory_that_went_away_is_said_and_written_to_when_it_is_back() {
    let (api, parent) = (short_lived(), tempfile::tempdir().unwrap());
    let (state, away) = (parent.path().join("state"), parent.path().join("away"));
    let proxy = Proxy::start_ready(frequent(serve(&state, &api.origin())));
    settled(&state);
    fs::rename(&state, &away).unwrap();
    says_that_it_cannot_store(&proxy, "No such file");
    fs::rename(&away, &state).unwrap();
    heals(&proxy, &state);
}

#[test]
fn a_directory_that_is_read_only_from_the_start_is_read_and_locked_all_the_same() {
    let (api, nobody) = (short_lived(), Nobody::new());
    let command = || nobody.runs(&frequent(serve(&nobody.state, &api.origin())));
    let first = Proxy::start_ready(command());
    let before = settled(&nobody.state);
    assert_eq!(first.stop().code, Some(0));
    for (path, mode) in [(nobody.state.join("lock"), 0o400), (nobody.state.clone(), 0o500)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    let proxy = Proxy::start_ready(command());
    proxy.process.line("the state directory cannot be written");
    says_that_it_cannot_store(&proxy, "Permission denied");
    let second = crate::support::process::run(command());
    assert!(second.code == Some(78) && second.stderr.contains("in use by process"), "{second:?}");
    assert!(generation(&nobody.state).unwrap() >= before);

    fs::set_permissions(&nobody.state, fs::Permissions::from_mode(0o700)).unwrap();
    heals(&proxy, &nobody.state);
}

fn says_that_it_cannot_store(proxy: &Proxy, why: &str) {
    until("trouble with the store", || proxy.status()["store_trouble"].as_str().map(str::to_owned));
    until("a token, all the same", || {
        let ready = proxy.readiness();
        // Between two short-lived tokens it is not ready for a moment.
        (ready.status == 200).then(|| {
            let text = ready.text();
            // The audit log may be in trouble with it.
            let store = text.contains("the session would not survive a restart: ");
            assert!(text.starts_with("ready, but ") && store, "{text}");
            assert!(text.contains("session.json") && text.contains(why), "no {why:?} in {text}");
        })
    });
    until("an answer", || (proxy.get("/v1/account/list").status == 200).then_some(()));
    assert!(metrics(proxy).contains("\ntradovate_proxy_session_stored 0\n"));
    proxy.process.line("cannot be stored");
}

fn heals(proxy: &Proxy, state: &Path) {
    let before = generation(state).unwrap();
    until("the session to be stored again", || (generation(state)? > before).then_some(()));
    until("the end of the trouble", || proxy.status()["store_trouble"].is_null().then_some(()));
    assert!(metrics(proxy).contains("\ntradovate_proxy_session_stored 1\n"));
}

fn metrics(proxy: &Proxy) -> String {
    http::get(proxy.admin, "/metrics").text()
}

/// A broker whose tokens end so soon that something has to be stored every few seconds.
fn short_lived() -> Api {
    Api::start_with(&["--token-life", "2s"])
}

/// What lets the proxy log in as often as that takes.
fn frequent(mut command: Command) -> Command {
    command.env("TRADOVATE_PROXY_SESSION_LOGINS_PER_HOUR", "100");
    command
}

/// The generation in the file, if there is one: as a whole, whenever it is looked at.
fn generation(state: &Path) -> Option<u64> {
    let bytes = fs::read(state.join("session.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    record["generation"].as_u64()
}

/// Waits until a session is stored.
fn settled(state: &Path) -> u64 {
    until("a stored session", || generation(state).filter(|&generation| generation > 0))
}

/// A user for whom permissions mean something: the one who runs the tests, unless that is root.
struct Nobody {
    state: PathBuf,
    program: PathBuf,
    is_needed: bool,
    _home: TempDir,
}

impl Nobody {
    fn new() -> Self {
        let is_needed = rustix::process::geteuid().is_root();
        let home = tempfile::tempdir().unwrap();
        let (state, program) = (home.path().join("state"), home.path().join("program"));
        fs::create_dir(&state).unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
        // The program may lie where nobody can go.
        fs::copy(env!("CARGO_BIN_EXE_tradovate-proxy"), &program).unwrap();
        if is_needed {
            fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
            chown(&state, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Self { state, program, is_needed, _home: home }
    }

    fn runs(&self, command: &Command) -> Command {
        let mut own = Command::new(&self.program);
        own.args(command.get_args());
        own.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if self.is_needed {
            own.uid(NOBODY).gid(NOBODY);
        }
        own
    }
}

const NOBODY: u32 = 65534;
