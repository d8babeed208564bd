//! Connections in masses: idle, dropped as soon as they are opened, and above the limit.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;

use super::{MIB, Stage};
use crate::support::{
    footprint::Footprint,
    http,
    patience::{PATIENCE, until},
    proxy::Proxy,
};

/// As many idle connections as are wanted here; fewer where the system lets no process have the descriptors for them.
const IDLE: usize = 10_000;
/// How many connections are opened and dropped; `DROPPED_CONNECTIONS` sets another number.
const DROPPED: usize = 20_000;
const BEGUN: [&str; 4] = [
    "",
    "GET /v1/account/list HTTP/1.1\r\nHost:",
    "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
];

fn connections(proxy: &Proxy) -> u64 {
    gauge(proxy, "tradovate_proxy_downstream_connections")
}

fn gauge(proxy: &Proxy, name: &str) -> u64 {
    let scrape = http::get(proxy.admin, "/metrics").text();
    let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// What the process takes, without connections to upstream: these wait to be used again, and differ.
fn without_upstream(stage: &Stage) -> Footprint {
    let upstream =
        |state| gauge(&stage.proxy, &format!("tradovate_proxy_upstream_connections{{state=\"{state}\"}}"));
    // One look between two that agree, since some may be closed at any moment.
    until("a moment of rest", || {
        let before = upstream("idle") + upstream("active");
        let mut footprint = Footprint::of(stage.pid());
        footprint.descriptors -= usize::try_from(before).unwrap();
        (before == upstream("idle") + upstream("active")).then_some(footprint)
    })
}

#[test]
fn ten_thousand_idle_connections_cost_bounded_memory_and_nobody_else_anything() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let limit = usize::try_from(limit.maximum.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    // Each is one descriptor here, and two that are kept ready there. The rest is for other tests, and what is reserved.
    let idle = IDLE.min((limit - 1000) / 2);
    let mut stage = Stage::new(|mut command| {
        command.env("TRADOVATE_PROXY_LIMIT_CONNECTIONS", (idle + 10).to_string());
        command
    });
    let before = Footprint::of(stage.pid());
    let mut callers = Vec::new();
    for number in 0..idle {
        callers.push(stage.connect());
        if number % 500 == 0 {
            stage.serves();
        }
    }
    until("all connections", || (connections(&stage.proxy) >= idle as u64).then_some(()));
    stage.serves();
    let grown = Footprint::of(stage.pid()).memory.saturating_sub(before.memory);
    assert!(grown / idle as u64 <= 12 * 1024, "{} bytes a connection", grown / idle as u64);

    drop(callers);
    until("all connections to end", || (connections(&stage.proxy) == 1).then_some(()));
    stage.serves();
    let after = Footprint::of(stage.pid());
    assert!(after.descriptors <= before.descriptors, "{before:?} {after:?}");
}

#[test]
fn connections_that_are_opened_and_dropped_leave_nothing_behind() {
    let mut stage = Stage::new(|command| command);
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
    let count = std::env::var("DROPPED_CONNECTIONS").map_or(DROPPED, |count| count.parse().unwrap());
    let drop_them = |stage: &mut Stage, count: usize| {
        for number in 0..count {
            let stream = stage.connect();
            // As much of a request as its caller gets out before it is killed; and then a reset, as the kernel has it.
            (&stream).write_all(BEGUN[number % BEGUN.len()].as_bytes()).unwrap();
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            if number % 1000 == 0 {
                stage.serves();
            }
        }
        until("all connections to end", || (connections(&stage.proxy) == 1).then_some(()));
        until("all requests to end", || {
            (gauge(&stage.proxy, "tradovate_proxy_requests_in_flight") == 0).then_some(())
        });
    };
    drop_them(&mut stage, count / 4);
    let before = without_upstream(&stage);
    drop_them(&mut stage, count - count / 4);
    let after = without_upstream(&stage);
    eprintln!("{before:?} before, {after:?} after {count}");
    assert!(after.memory <= before.memory + 2 * MIB, "{before:?} {after:?}");
    assert!(after.descriptors <= before.descriptors + 2, "{before:?} {after:?}");
    assert_eq!(after.threads, before.threads);
    stage.serves();
}

#[test]
fn a_flood_above_the_limit_is_told_or_closed_and_who_is_in_is_served() {
    let mut stage = Stage::new(|mut command| {
        command.env("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "50");
        command
    });
    let mut inside: Vec<_> = (1..50).map(|_| stage.connect()).collect();
    until("a full house", || (connections(&stage.proxy) == 50).then_some(()));
    let before = Footprint::of(stage.pid());
    let (mut told, mut closed) = (0, 0);
    for _ in 0..20 {
        let mut flood: Vec<_> = (0..100).map(|_| stage.connect()).collect();
        stage.serves();
        let now = Footprint::of(stage.pid());
        // Those that are told, and one that is about to be closed.
        assert!(now.descriptors <= before.descriptors + 32 + 1, "{before:?} {now:?}");
        for stream in &mut flood {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = String::new();
            // One that is closed without a word may be reset.
            let _ = stream.read_to_string(&mut answer);
            if answer.is_empty() {
                closed += 1;
            } else {
                assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
                assert!(answer.contains("too-many-connections") && answer.contains("Retry-After: 1"));
                told += 1;
            }
            // Whoever was told is expected to go.
            let _ = stream.shutdown(Shutdown::Both);
        }
        assert_eq!(connections(&stage.proxy), 50);
    }
    assert!(told >= 32 && closed > 0, "{told} told, {closed} closed");
    let counted = r#"tradovate_proxy_requests_total{caller="none",effect="none",operation="other",outcome="overloaded",status="503"} 2000"#;
    until("all of them to be counted", || {
        let scrape = http::get(stage.proxy.admin, "/metrics").text();
        scrape.contains(counted).then_some(())
    });
    // As soon as one leaves there is room again.
    drop(inside.pop());
    until("room", || (connections(&stage.proxy) == 49).then_some(()));
    stage.proxy.serves();
}
