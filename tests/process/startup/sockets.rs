//! Unix sockets: their files, from before the start to after the end, and who gets in.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::Path,
    process::Command,
};

use crate::support::{
    api::Api,
    patience::until,
    process::{Ended, Process, program, run},
    proxy::serve,
};

/// `serve` on `proxy.sock` and `admin.sock` in `dir`, and on no port.
fn on_sockets(dir: &Path, upstream: &str) -> Command {
    let mut command = serve(&dir.join("state"), upstream);
    command
        .env("TRADOVATE_PROXY_LISTEN", at(dir, "proxy.sock"))
        .env("TRADOVATE_PROXY_ADMIN_LISTEN", at(dir, "admin.sock"));
    command
}

fn at(dir: &Path, name: &str) -> String {
    format!("unix:{}", dir.join(name).display())
}

fn started(command: Command) -> Process {
    let process = Process::start(command);
    process.line("listening");
    process
}

/// A command of an operator.
fn operator(dir: &Path, arguments: &[&str]) -> Ended {
    let address = at(dir, "admin.sock");
    run(program(&[arguments, &["--admin-listen", &address]].concat()))
}

#[test]
fn a_proxy_without_a_port_is_served_asked_and_ordered_by_sockets_alone() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let mut command = on_sockets(dir.path(), &api.origin());
    command.env("TRADOVATE_PROXY_SOCKET_MODE", "660");
    let process = started(command);
    for name in ["proxy.sock", "admin.sock"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().mode() & 0o7777, 0o660, "{name}");
    }
    until("a token", || (operator(dir.path(), &["healthcheck"]).code == Some(0)).then_some(()));
    let status = operator(dir.path(), &["status"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(status.stdout.contains(&at(dir.path(), "proxy.sock")), "{status:?}");
    let paused = operator(dir.path(), &["session", "pause"]);
    assert_eq!(paused.code, Some(0), "{paused:?}");
    let unready = operator(dir.path(), &["healthcheck"]);
    assert!(unready.code == Some(1) && unready.stderr.contains("/readyz at unix:"), "{unready:?}");

    assert_eq!(process.stop().code, Some(0));
    for name in ["proxy.sock", "admin.sock"] {
        assert!(!dir.path().join(name).exists(), "{name} is left");
    }
    let gone = operator(dir.path(), &["healthcheck"]);
    assert!(gone.code == Some(1) && gone.stderr.contains("no proxy answers there"), "{gone:?}");
}

#[test]
fn what_a_crash_leaves_does_not_keep_the_next_one_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    started(on_sockets(dir.path(), "http://127.0.0.1:1")).kill();
    assert!(dir.path().join("proxy.sock").exists());
    let next = started(on_sockets(dir.path(), "http://127.0.0.1:1"));
    assert_eq!(next.stop().code, Some(0));
}

#[test]
fn a_socket_in_use_is_a_port_in_use_and_stays_with_its_owner() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let first = started(on_sockets(dir.path(), &api.origin()));
    for (variable, name, flag) in [
        ("TRADOVATE_PROXY_LISTEN", "proxy.sock", "--listen"),
        ("TRADOVATE_PROXY_ADMIN_LISTEN", "admin.sock", "--admin-listen"),
    ] {
        let state = tempfile::tempdir().unwrap();
        let mut command = serve(state.path(), "http://127.0.0.1:1");
        command.env(variable, at(dir.path(), name));
        refused(&run(command), &at(dir.path(), name), "a running program listens there already", flag);
    }
    until("a token", || (operator(dir.path(), &["healthcheck"]).code == Some(0)).then_some(()));
    assert_eq!(first.stop().code, Some(0));
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("proxy.sock"), "precious").unwrap();
    let ended = run(on_sockets(dir.path(), "http://127.0.0.1:1"));
    refused(&ended, &at(dir.path(), "proxy.sock"), "no socket", "--listen");
    assert_eq!(fs::read_to_string(dir.path().join("proxy.sock")).unwrap(), "precious");
}

/// 69 (`EX_UNAVAILABLE`), and one sentence that names the place, what is wrong, and the flag to change.
fn refused(ended: &Ended, address: &str, why: &str, flag: &str) {
    assert_eq!(ended.code, Some(69), "{ended:?}");
    let complaint = ended.stderr.lines().last().unwrap_or_default();
    assert!(complaint.starts_with(&format!("tradovate-proxy: {address} ")), "{complaint}");
    assert!(complaint.contains(why) && complaint.contains(flag), "{complaint}");
}

#[test]
fn a_path_that_no_socket_can_have_is_a_mistake_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = on_sockets(dir.path(), "http://127.0.0.1:1");
    command.env("TRADOVATE_PROXY_LISTEN", format!("unix:/{}", "x".repeat(200)));
    let ended = run(command);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("choose a shorter one"), "{ended:?}");
}

#[test]
fn whom_the_file_would_let_in_is_still_asked_for_the_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = on_sockets(dir.path(), &api.origin());
    command.env("TRADOVATE_PROXY_SOCKET_MODE", "666").env("TRADOVATE_PROXY_SOCKET_USERS", FRIEND.to_string());
    let process = started(command);
    until("a token", || (operator(dir.path(), &["healthcheck"]).code == Some(0)).then_some(()));

    // The proxy's own port, asked as an admin listener is: its refusal comes before the question.
    let asked = |uid| {
        let mut command = program(&["status", "--admin-listen", &at(dir.path(), "proxy.sock")]);
        command.uid(uid);
        run(command).stderr
    };
    let stranger = asked(STRANGER);
    assert!(stranger.contains("403") && stranger.contains(&format!("uid {STRANGER}")), "{stranger}");
    assert!(asked(FRIEND).contains("404"), "{}", asked(FRIEND));

    let healthy = |uid| {
        let mut command = program(&["healthcheck", "--admin-listen", &at(dir.path(), "admin.sock")]);
        command.uid(uid);
        run(command).code
    };
    assert_eq!((healthy(STRANGER), healthy(FRIEND)), (Some(1), Some(0)));
    process.line(&format!("peer=uid {STRANGER}"));
    assert_eq!(process.stop().code, Some(0));
}

const STRANGER: u32 = 65534;
const FRIEND: u32 = 65533;
