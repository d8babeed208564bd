//! The commands that end by themselves.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    thread,
};

use tradovate_proxy::sandbox::CREDENTIALS;

use crate::support::{
    api::Api,
    patience::until,
    process::{Ended, program, run},
    proxy::{Proxy, serve},
};

#[test]
fn the_version_is_that_of_the_package() {
    let ended = run(program(&["--version"]));
    assert_eq!(
        (ended.code, ended.stdout),
        (Some(0), format!("tradovate-proxy {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn what_is_no_command_is_a_mistake_of_usage() {
    for arguments in [&["--lisen", "x"][..], &["servee"], &["sandbox", "--env", "live"], &["--listen"]] {
        let ended = run(program(arguments));
        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert!(ended.stdout.is_empty() && ended.stderr.contains("--help"), "{ended:?}");
    }
}

/// `check` where `serve` would run.
fn check() -> Command {
    let mut command = program(&["check"]);
    command
        .env("HOME", "/home/somebody")
        .env("TRADOVATE_NAME", CREDENTIALS.name)
        .env("TRADOVATE_PASSWORD", "secret-of-the-user")
        .env("TRADOVATE_APP_ID", CREDENTIALS.app_id)
        .env("TRADOVATE_CID", "1")
        .env("TRADOVATE_SEC", "secret-of-the-key");
    command
}

#[test]
fn check_shows_what_would_be_used_and_no_secret() {
    let ended = run(check());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!format!("{ended:?}").contains("secret-of-the"), "{ended:?}");
    for part in [
        "credentials.name ",
        CREDENTIALS.name,
        "set (hidden)",
        "127.0.0.1:8080  (default)",
        "/home/somebody/.local/state/tradovate-proxy",
    ] {
        assert!(ended.stdout.contains(part), "no {part:?} in {}", ended.stdout);
    }
}

#[test]
fn check_names_every_problem_at_once() {
    let mut command = check();
    command
        .env_remove("TRADOVATE_CID")
        .env("TRADOVATE_PASWORD", "secret-of-the-user")
        .env("TRADOVATE_PROXY_ENV", "live")
        .env("TRADOVATE_PROXY_TIMEOUT_CONNECT", "soon")
        .env("TRADOVATE_PROXY_LISTEN", "0.0.0.0:8080")
        .env("TRADOVATE_SEC_FILE", "/nowhere");
    let ended = run(command);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    for name in [
        "TRADOVATE_CID",
        "did you mean TRADOVATE_PASSWORD?",
        "TRADOVATE_PROXY_LIVE=yes",
        "TRADOVATE_PROXY_TIMEOUT_CONNECT",
        "TRADOVATE_PROXY_UNSAFE_OPEN=yes",
        "TRADOVATE_SEC_FILE",
    ] {
        assert!(ended.stderr.contains(name), "no {name:?} in {}", ended.stderr);
    }
    assert!(!format!("{ended:?}").contains("secret-of-the"), "{ended:?}");
}

#[test]
fn serve_refuses_what_check_refuses_and_binds_nothing() {
    let state = tempfile::tempdir().unwrap();
    // Not confirmed; with a port that is taken, to show that the refusal comes first.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = serve(state.path(), "http://127.0.0.1:1");
    command.env("TRADOVATE_PROXY_ENV", "live");
    command.env("TRADOVATE_PROXY_LISTEN", taken.local_addr().unwrap().to_string());
    let ended = run(command);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("TRADOVATE_PROXY_LIVE=yes"), "{ended:?}");
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0, "it has begun to keep state");
}

#[test]
fn healthcheck_is_0_exactly_while_the_proxy_is_ready() {
    let api = Api::start();
    let gate = Gate::before(api.address);
    let state = tempfile::tempdir().unwrap();
    let proxy = Proxy::start(serve(state.path(), &format!("http://{}", gate.address)));

    let before = healthcheck(proxy.admin);
    assert_eq!(before.code, Some(1), "{before:?}");
    assert!(before.stderr.contains("503: not ready: starting"), "{before:?}");
    gate.open();
    until("a token", || (proxy.readiness().status == 200).then_some(()));
    let ready = healthcheck(proxy.admin);
    assert_eq!((ready.code, ready.stdout.as_str(), ready.stderr.as_str()), (Some(0), "", ""));
    let admin = proxy.admin;
    assert_eq!(proxy.stop().code, Some(0));
    let after = healthcheck(admin);
    assert_eq!(after.code, Some(1), "{after:?}");
    assert!(after.stderr.contains("no proxy answers there"), "{after:?}");
}

fn healthcheck(admin: SocketAddr) -> Ended {
    run(program(&["healthcheck", "--admin-listen", &admin.to_string()]))
}

/// A way to another address that takes connections at once and passes nothing on before it is opened.
#[derive(Debug)]
struct Gate {
    address: SocketAddr,
    opened: mpsc::Sender<()>,
}

impl Gate {
    fn before(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = listener.local_addr().unwrap();
        let (opened, open) = mpsc::channel();
        thread::spawn(move || {
            if open.recv().is_ok() {
                for arrived in listener.incoming() {
                    join(&arrived?, &TcpStream::connect(address)?)?;
                }
            }
            io::Result::Ok(())
        });
        Self { address: gate, opened }
    }

    fn open(&self) {
        self.opened.send(()).unwrap();
    }
}

fn join(one: &TcpStream, other: &TcpStream) -> io::Result<()> {
    for (from, to) in [(one, other), (other, one)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        thread::spawn(move || copy(from, to));
    }
    Ok(())
}

fn copy(mut from: TcpStream, mut to: TcpStream) -> io::Result<()> {
    let mut bytes = [0; 4096];
    loop {
        let read = from.read(&mut bytes)?;
        if read == 0 {
            return to.shutdown(std::net::Shutdown::Write);
        }
        to.write_all(&bytes[..read])?;
    }
}
