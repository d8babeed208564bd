//! The state directory: one process's alone.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use rustix::process::Signal;

use crate::support::{
    api::Api,
    process::{Process, run},
    proxy::{Proxy, serve},
    state::stored,
};

#[test]
fn a_second_process_is_refused_and_told_who_is_there() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let first = Proxy::start_ready(serve(state.path(), &api.origin()));
    let second = run(serve(state.path(), &api.origin()));
    assert_eq!(second.code, Some(78), "{second:?}");
    assert!(second.stderr.contains(&format!("in use by process {}", first.process.pid())), "{second:?}");
    assert!(second.stderr.contains(state.path().to_str().unwrap()), "{second:?}");
    first.serves();
    assert_eq!(api.logins(), 1);
}

#[test]
fn a_second_process_that_waits_takes_over_without_a_login() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let waiting = || {
        let mut command = serve(state.path(), &api.origin());
        command.env("TRADOVATE_PROXY_SESSION_LOCK_WAIT", "1h");
        Process::start(command)
    };
    let first = Proxy::start_ready(serve(state.path(), &api.origin()));
    let second = waiting();
    let line = second.line("waiting for another process");
    assert!(line.contains(&format!("pid=\"{}\"", first.process.pid())), "{line}");

    // One that is asked to stop does not wait on.
    for signal in [Signal::TERM, Signal::INT] {
        let third = waiting();
        third.line("waiting for another process");
        third.signal(signal);
        assert_eq!(third.end().code, Some(0));
    }
    first.serves();
    assert_eq!(first.stop().code, Some(0));
    Proxy::listening(second).serves();
    assert_eq!(api.logins(), 1);
}

#[test]
fn a_wait_in_vain_ends_as_if_there_had_been_none() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let first = Proxy::start_ready(serve(state.path(), &api.origin()));
    let mut command = serve(state.path(), &api.origin());
    command.env("TRADOVATE_PROXY_SESSION_LOCK_WAIT", "200ms");
    let second = run(command);
    assert_eq!(second.code, Some(78), "{second:?}");
    for part in ["waiting for another process", &format!("in use by process {}", first.process.pid())] {
        assert!(second.stderr.contains(part), "no {part:?} in {second:?}");
    }
}

#[test]
fn a_link_is_refused_and_followed_by_nobody() {
    let (elsewhere, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let theirs = elsewhere.path().join("theirs");
    fs::write(&theirs, "{}").unwrap();
    let api = Api::start();
    assert_eq!(Proxy::start(serve(state.path(), &api.origin())).stop().code, Some(0));
    let session = state.path().join("session.json");
    let _ = fs::remove_file(&session);
    std::os::unix::fs::symlink(&theirs, &session).unwrap();
    let refused = run(serve(state.path(), &api.origin()));
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.stderr.contains(&format!("run mv {0} {0}.away", session.display())), "{refused:?}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "{}");
}

#[test]
fn nobody_else_may_read_it_whatever_the_umask() {
    let (api, parent) = (Api::start(), tempfile::tempdir().unwrap());
    let state = parent.path().join("below/state");
    let proxy = Proxy::start_ready(without_umask(&serve(&state, &api.origin())));
    stored(&state);
    assert_eq!(mode(&state), 0o700);
    let mut files: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["audit", "device-id", "lock", "session.json"]);
    for file in files {
        let expected = if file == "audit" { 0o700 } else { 0o600 };
        assert_eq!(mode(&state.join(&file)), expected, "{}", file.display());
    }
    assert_eq!(proxy.stop().code, Some(0));
}

#[test]
fn what_others_could_read_is_closed_to_them_with_a_warning() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    stored(state.path());
    assert_eq!(proxy.stop().code, Some(0));
    let session = state.path().join("session.json");
    for (path, lax) in [(state.path(), 0o755), (&session, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(lax)).unwrap();
    }
    let proxy = Proxy::start(serve(state.path(), &api.origin()));
    proxy.serves();
    assert_eq!((mode(state.path()), mode(&session)), (0o700, 0o600));
    let ended = proxy.stop();
    for part in ["mode=\"755\"", "mode=\"644\""] {
        assert!(ended.stderr.contains(part), "{ended:?}");
    }
    assert_eq!(api.logins(), 1);
}

#[test]
fn a_directory_that_cannot_be_had_is_said_with_the_reason() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let ended = run(serve(&file.join("state"), "http://127.0.0.1:1"));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    for part in [file.to_str().unwrap(), "Not a directory"] {
        assert!(ended.stderr.contains(part), "no {part:?} in {ended:?}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The same command, in a shell that lets it create files for everybody.
fn without_umask(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}
