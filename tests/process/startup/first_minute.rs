//! `sandbox`, as somebody meets it who has read two lines of the README.

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::Value;
use tokio::time::{Duration, Instant};

use crate::support::{
    api::address_in,
    http::{self, Answer},
    process::{Process, program},
};

fn sandbox() -> Process {
    let any = "127.0.0.1:0";
    Process::start(program(&["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any]))
}

#[test]
fn the_three_commands_that_it_prints_work_as_printed() {
    let sandbox = sandbox();
    sandbox.line("Ctrl-C ends it");
    let banner = sandbox.so_far();
    let commands: Vec<&str> =
        banner.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    let [list, place, look] = commands[..] else { panic!("not three commands in {banner}") };

    let accounts = run(list);
    assert_eq!((accounts.status, accounts.json()[0]["name"].as_str()), (200, Some("DEMO15460")));
    let placed = run(place);
    let order = placed.json()["orderId"].as_i64();
    assert!(placed.status == 200 && order.is_some(), "{placed:?}");
    let orders = run(look).json();
    let seen = orders.as_array().unwrap().iter().any(|listed| listed["id"].as_i64() == order);
    assert!(seen, "{order:?} is not in {orders}");

    sandbox.signal(Signal::INT);
    let ended = sandbox.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn it_says_where_everything_listens_and_listens_there() {
    let sandbox = sandbox();
    let proxy = address_in(&sandbox.line("proxy  "), "http://");
    let admin_line = sandbox.line("admin  ");
    let admin = address_in(&admin_line, "http://");
    let api = address_in(&sandbox.line("simulated API"), "control: http://");
    assert_eq!(http::get(proxy, "/v1/account/list").status, 200);
    assert_eq!(http::get(api, "/sandbox").status, 200);
    let routes: Vec<&str> = admin_line.split([' ', '/']).filter(|word| !word.is_empty()).collect();
    for route in ["status", "metrics", "readyz", "livez"] {
        assert!(routes.contains(&route), "{admin_line}");
        assert_eq!(http::get(admin, &format!("/{route}")).status, 200, "{route}");
    }
    let status = http::get(admin, "/status").json();
    assert_eq!(status["environment"], "sandbox", "{status}");
    assert_eq!(status["listen"].as_str(), Some(proxy.to_string().as_str()), "{status}");
}

#[test]
fn it_is_there_within_a_second() {
    // The best of three, since the machine may be busy with other tests.
    let took = (0..3).map(|_| {
        let start = Instant::now();
        sandbox().line("Ctrl-C ends it");
        start.elapsed()
    });
    let best = took.min().unwrap();
    assert!(best < Duration::from_secs(1), "{best:?}");
}

/// Does what curl would do with this command line.
fn run(command: &str) -> Answer {
    let words = words(command);
    let mut words = words.iter().map(String::as_str);
    let (mut url, mut fields, mut body) = (None, String::new(), None);
    assert_eq!(words.next(), Some("curl"));
    while let Some(word) = words.next() {
        match word {
            "-H" => fields = fields + words.next().unwrap() + "\r\n",
            "-d" => body = words.next(),
            other => assert!(url.replace(other).is_none() && !other.starts_with('-'), "{command}"),
        }
    }
    let url = url.unwrap().strip_prefix("http://").unwrap();
    let (address, path) = url.split_once('/').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    if let Some(body) = body {
        let _: Value = serde_json::from_str(body).unwrap();
    }
    let method = if body.is_some() { "POST" } else { "GET" };
    http::call(address, method, &format!("/{path}"), &fields, body.unwrap_or_default()).unwrap()
}

/// The words of a command line, as a shell splits them where nothing but single quotes is special.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in command.chars() {
        assert!(!"\"\\$`;&|<>*?~#".contains(c) || is_quoted, "{c:?} means something to a shell: {command}");
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    assert!(!is_quoted, "{command}");
    words
}
