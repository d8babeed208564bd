//! A bot that knows of no proxy: `tests/clients/stock_client.py`, against the program as it is run.

use std::{
    env,
    io::{self, Write as _},
    net::SocketAddr,
    process::Command,
};

use serde_json::{Value, json};

use crate::support::{
    api::address_in,
    http,
    patience::until,
    process::{Process, program, run},
};

#[test]
fn a_stock_client_logs_in_trades_and_renews_without_a_session_of_its_own() {
    if !has_python() {
        return;
    }
    let any = "127.0.0.1:0";
    let flags = ["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any];
    let sandbox = Process::start(program(&flags));
    let proxy = address_in(&sandbox.line("proxy  "), "http://");
    let admin = address_in(&sandbox.line("admin  "), "http://");
    let api = address_in(&sandbox.line("simulated API"), "control: http://");

    let first = until_of(&play(proxy));
    // The life of a token later it is all as before.
    let hour = json!({ "seconds": 4200 }).to_string();
    assert_eq!(http::post(api, "/sandbox/clock/advance", &hour).status, 200);
    until("the proxy's own renewal", || {
        let metrics = http::get(admin, "/metrics").text();
        metrics.lines().any(|line| line == "tradovate_proxy_token_generation 2").then_some(())
    });
    let second = until_of(&play(proxy));
    assert!(second > first, "{second} is not after {first}");

    // One session, the proxy's: nothing that the client did about its own came here.
    let seen = http::get(api, "/sandbox/requests").json();
    let seen = seen.as_array().unwrap();
    let count = |path: &str| seen.iter().filter(|record| is_to(record, path)).count();
    assert_eq!((count("accesstokenrequest"), count("renewaccesstoken"), count("oauthtoken")), (1, 1, 0));
    assert_eq!((count("placeorder"), count("cancelorder")), (8, 8));
    for record in seen.iter().filter(|record| record["target"] != "/v1/auth/accesstokenrequest") {
        assert_eq!(record["bearer"]["session"], 1, "{record}");
    }
}

fn is_to(record: &Value, operation: &str) -> bool {
    let path = record["target"].as_str().unwrap().split('?').next().unwrap().to_ascii_lowercase();
    path.rsplit('/').next() == Some(operation)
}

/// Whether there is a Python to be a client. Where there is none the test says so, except in continuous integration,
/// which has to have one.
fn has_python() -> bool {
    let found = Command::new(PYTHON).arg("--version").output().is_ok_and(|version| version.status.success());
    let is_optional = env::var_os("CI").is_none();
    assert!(found || is_optional, "{PYTHON} is needed where CI is set");
    if !found {
        // Past the harness, which keeps what a test prints to itself.
        io::stderr().write_all(b"no python3 here: the stock client was not run\n").unwrap();
    }
    found
}

/// Runs the client against `proxy`; returns what it printed.
fn play(proxy: SocketAddr) -> String {
    let mut client = Command::new(PYTHON);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/stock_client.py");
    client.args(["-B", script, &format!("http://{proxy}")]);
    // A proxy of the environment's is not the one that is tested.
    client.env("NO_PROXY", "*").env("no_proxy", "*");
    let ended = run(client);
    assert_eq!((ended.code, ended.stdout.lines().last()), (Some(0), Some("done")), "{ended:?}");
    ended.stdout
}

/// The last expiry that the client printed: ISO 8601, so that later is greater.
fn until_of(printed: &str) -> String {
    let line = printed.lines().rfind(|line| line.starts_with("renewed")).unwrap();
    line.split("until ").last().unwrap().to_owned()
}

const PYTHON: &str = "python3";
