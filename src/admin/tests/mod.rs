//! Over real sockets, as a probe, a scraper, an operator and a hostile page would.

mod admission;
mod crowds;
mod orders;
mod states;

use std::net::SocketAddr;

use jiff::SignedDuration;
use prometheus::IntCounter;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

use super::*;
use crate::{
    auth::{
        Generation, OnKick, Orders, Publisher, Session, State, Status, User,
        ledger::Errand,
        machine::Step,
        state::{Attempt, Call},
    },
    bearer::Bearer,
    budget::Policy,
    callers::{self, Listener, Reach, Rules},
    downstream::SocketAccess,
    idempotency::{Bounds, Journal},
};

struct Running {
    address: SocketAddr,
    publisher: Publisher,
    orders: Orders,
    admin: Admin,
    clock: Clock,
    stop: oneshot::Sender<()>,
    served: JoinHandle<()>,
}

fn budget(clock: &Clock) -> Arc<Budget> {
    Arc::new(Budget::new(Policy::default(), clock.clone()))
}

fn running() -> Running {
    let hosts = vec!["proxy.internal".parse().unwrap()];
    running_with(Rules { hosts, ..Rules::default() })
}

fn callers(listener: Listener, rules: Rules) -> Callers {
    Callers::new(listener, rules, &callers::Metrics::register(&Registry::new()).unwrap())
}

fn running_with(rules: Rules) -> Running {
    running_at("127.0.0.1:0", rules)
}

fn running_at(addresses: &str, rules: Rules) -> Running {
    let clock = Clock::simulated_from_now();
    let (publisher, reader) = auth::channel(clock.clone(), status(&clock, State::Starting));
    let listeners = Listeners::bind(&addresses.parse().unwrap(), None, &SocketAccess::default()).unwrap();
    let address = listeners.addresses().unwrap().tcp().unwrap();
    let registry = Registry::new();
    registry.register(Box::new(IntCounter::new("tradovate_proxy_test_total", "A test.").unwrap())).unwrap();
    let facts = Facts {
        environment: "demo",
        origin: "https://demo.tradovateapi.com/v1".parse().unwrap(),
        listen: "127.0.0.1:8080".parse().unwrap(),
        tls: false,
        admin_listen: address.to_string().parse().unwrap(),
        reach: Reach::Machine,
        admin_tls: false,
        admin_reach: Reach::Machine,
        callers: callers(Listener::Proxy, Rules::default()),
        operators: callers(Listener::Admin, rules),
        clock: clock.clone(),
        audit: AuditLog::off(clock.clone()),
    };
    let (console, orders) = auth::console();
    let guards = Guards::open(&registry, &clock);
    let admin =
        Admin::new(reader, console, budget(&clock), guards, registry, register(&clock), facts).unwrap();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(serve(listeners, admin.clone(), async {
        let _ = stopped.await;
    }));
    Running { address, publisher, orders, admin, clock, stop, served }
}

fn register(clock: &Clock) -> Register {
    Register::start(Journal::Memory, Bounds::default(), clock.clone()).unwrap()
}

fn status(clock: &Clock, state: State) -> Status {
    Status {
        state,
        since: clock.now(),
        reason: None,
        advice: None,
        next: None,
        last: None,
        last_error: None,
        last_success: None,
        clock_skew_seconds: None,
        on_kick: OnKick::Reclaim,
        store_trouble: None,
    }
}

fn session(clock: &Clock, life: SignedDuration) -> Session {
    Session {
        bearer: Bearer::new(&"canary-token".into()).unwrap(),
        expires_at: clock.now() + life,
        issued_at: clock.now(),
        generation: Generation(7),
        origin: Arc::new("https://demo-api-7.tradovateapi.com".parse().unwrap()),
        user: User::default(),
    }
}

impl Running {
    async fn send(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn get(&self, path: &str) -> String {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address))
            .await
    }
}

#[tokio::test]
async fn readiness_follows_the_token_and_liveness_does_not() {
    let mut running = running();
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 30\r\n"), "{answer}");
    assert!(answer.contains("\r\n\r\nnot ready: starting: "), "{answer}");
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200 "));

    let live = status(&running.clock, State::Live);
    running.publisher.publish(session(&running.clock, SignedDuration::from_mins(80)), live);
    let answer = running.get("/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nready\n"), "{answer}");

    running.publisher.report(Status {
        store_trouble: Some("no space\nleft".to_owned()),
        ..status(&running.clock, State::Live)
    });
    let answer = running.get("/readyz").await;
    let detail = "\r\n\r\nready, but the session would not survive a restart: no space left\n";
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(detail), "{answer}");

    running.clock.advance(Duration::from_mins(81)).unwrap();
    running.publisher.report(Status {
        reason: Some("too many\nlogins".to_owned()),
        advice: Some("wait".to_owned()),
        next: Some((Step::Attempt(Errand::Acquire), running.clock.now() + SignedDuration::from_secs(600))),
        ..status(&running.clock, State::Held)
    });
    let answer = running.get("/readyz").await;
    assert!(answer.ends_with("\r\n\r\nnot ready: held: too many logins: wait\n"), "{answer}");
    let wait: u64 = answer.split_once("retry-after: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    assert!((590..=601).contains(&wait), "{wait}");
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn status_tells_everything_but_the_token() {
    let mut running = running();
    let before: serde_json::Value = json(&running.get("/status").await);
    assert_eq!(before["origin"], "https://demo.tradovateapi.com");
    assert_eq!((&before["ready"], &before["session"]["expires_at"]), (&false.into(), &().into()));

    let now = running.clock.now();
    let live = Status {
        next: Some((Step::Attempt(Errand::Renew), now + SignedDuration::from_mins(64))),
        last: Some(Attempt { call: Call::Acquire, at: now, result: "ok" }),
        last_success: Some((now, Generation(7))),
        clock_skew_seconds: Some(-2),
        store_trouble: Some("read-only file system".to_owned()),
        ..status(&running.clock, State::Live)
    };
    running.publisher.publish(session(&running.clock, SignedDuration::from_mins(80)), live);
    let answer = running.get("/status").await;
    assert!(answer.contains("content-type: application/json\r\n"), "{answer}");
    assert!(!answer.contains("canary"), "{answer}");
    let report = json(&answer);
    for (pointer, expected) in [
        ("/environment", "demo"),
        ("/origin", "https://demo-api-7.tradovateapi.com"),
        ("/listen", "127.0.0.1:8080"),
        ("/version", env!("CARGO_PKG_VERSION")),
        ("/store_trouble", "read-only file system"),
        ("/session/state", "live"),
        ("/session/next/call", "renew"),
        ("/session/last_attempt/result", "ok"),
        ("/session/on_kick", "reclaim"),
        ("/session/last_success/at", &now.to_string()),
    ] {
        assert_eq!(report.pointer(pointer).and_then(|value| value.as_str()), Some(expected), "{pointer}");
    }
    assert_eq!(report["ready"], true);
    assert_eq!(report["clock_skew_seconds"], -2);
    assert_eq!(report["session"]["generation"], 7);
    let left = report["session"]["seconds_left"].as_i64().unwrap();
    assert!((4790..=4800).contains(&left), "{left}");
}

fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn metrics_hold_the_build_the_process_and_what_others_registered() {
    let running = running();
    let answer = running.get("/metrics").await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    let build = format!("\ntradovate_proxy_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    for expected in [build.as_str(), "\ntradovate_proxy_test_total 0\n"] {
        assert!(answer.contains(expected), "no {expected:?} in:\n{answer}");
    }
    #[cfg(target_os = "linux")]
    assert!(answer.contains("\nprocess_resident_memory_bytes "), "{answer}");
}

#[tokio::test]
async fn only_reading_and_only_these_routes() {
    let running = running();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = format!("{method} /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = running.send(&request).await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET, HEAD\r\n"), "{answer}");
    }
    for path in ["/v1/account/list", "/livez/", "/LIVEZ", "/session", "/session/renew/", "/session/Renew"] {
        let answer = running.get(path).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ")
                && answer.contains("/livez, /readyz, /status")
                && answer.contains("/session/pause"),
            "{answer}"
        );
    }
    let head = "HEAD /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = running.send(head).await;
    assert!(answer.contains("content-length: 6\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let answer = running.get("/livez?verbose").await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("cache-control: no-store\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn shutdown_closes_idle_connections_and_returns() {
    let running = running();
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 12]).await.unwrap();
    running.stop.send(()).unwrap();
    running.served.await.unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn what_is_registered_twice_is_an_error() {
    let clock = Clock::system();
    let (_publisher, reader) = auth::channel(clock.clone(), status(&clock, State::Starting));
    let address: Addresses = "127.0.0.1:1".parse().unwrap();
    let facts = Facts {
        environment: "demo",
        origin: "https://example.com".parse().unwrap(),
        listen: address.clone(),
        tls: false,
        admin_listen: address,
        reach: Reach::Machine,
        admin_tls: false,
        admin_reach: Reach::Machine,
        callers: callers(Listener::Proxy, Rules::default()),
        operators: callers(Listener::Admin, Rules::default()),
        audit: AuditLog::off(clock.clone()),
        clock: clock.clone(),
    };
    let (console, _orders) = auth::console();
    let registry = Registry::new();
    let guards = Guards::open(&Registry::new(), &clock);
    let new = || {
        Admin::new(
            reader.clone(),
            console.clone(),
            budget(&clock),
            guards.clone(),
            registry.clone(),
            register(&clock),
            facts.clone(),
        )
    };
    assert!(new().is_ok());
    assert!(new().is_err());
}
