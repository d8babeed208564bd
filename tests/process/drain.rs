//! What a signal does: new callers are refused, requests in flight end as they should, and so does the process.
//!
//! A body in flight is one that the test has not read yet: far larger than what fits between the three
//! processes, so that it is in flight for exactly as long as the test likes.

use std::{io, net::SocketAddr};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    api::Api,
    http::{self, Connection},
    patience::until,
    proxy::{Proxy, serve},
};

/// A proxy with a body in flight on one connection, and nothing on another.
struct Busy {
    proxy: Proxy,
    flight: Connection,
    head: String,
    idle: Connection,
    _api: Api,
    _state: TempDir,
}

impl Busy {
    fn start(drain: &str) -> Self {
        let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
        let mut command = serve(state.path(), &api.origin());
        command.env("TRADOVATE_PROXY_DRAIN_TIMEOUT", drain);
        let proxy = Proxy::start_ready(command);

        let mut idle = Connection::open(proxy.listen).unwrap();
        idle.send("GET", "/v1/account/list", "", "").unwrap();
        assert_eq!(idle.answer().unwrap().status, 200);

        api.fault(&json!({"path": "fill/list", "action": {"huge": {"bytes": BODY}}}));
        let mut flight = Connection::open(proxy.listen).unwrap();
        flight.send("GET", "/v1/fill/list", "", "").unwrap();
        let head = flight.head().unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        Self { proxy, flight, head, idle, _api: api, _state: state }
    }

    /// Sends a signal and waits until its effect on the listener shows.
    fn signal(&self, signal: Signal) {
        self.proxy.process.signal(signal);
        self.proxy.process.line("draining");
        until("new connections to be refused", || is_refused(self.proxy.listen).then_some(()));
    }
}

fn is_refused(address: SocketAddr) -> bool {
    Connection::open(address).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

#[test]
fn a_body_in_flight_ends_whole_and_then_the_process_does() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut busy = Busy::start("60s");
        busy.signal(signal);
        assert!(busy.proxy.process.is_running(), "{:?}", busy.proxy);
        let body = busy.flight.body(&busy.head).unwrap();
        assert_eq!(body.len(), BODY);
        assert!(busy.flight.is_closed(), "a drained connection stays open");
        let ended = busy.proxy.process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stderr.contains("broken off"), "{ended:?}");
    }
}

#[test]
fn idle_connections_are_closed_at_once() {
    let mut busy = Busy::start("60s");
    busy.signal(Signal::TERM);
    // With the body still in flight, and no request's head half sent.
    assert!(busy.idle.is_closed());
    assert!(busy.proxy.process.is_running());
}

#[test]
fn probes_are_answered_while_requests_drain() {
    let busy = Busy::start("60s");
    busy.signal(Signal::TERM);
    assert_eq!(http::get(busy.proxy.admin, "/livez").status, 200);
    // A load balancer sends its next request elsewhere, although there is a live token.
    let ready = busy.proxy.readiness();
    assert!(ready.status == 503 && ready.text().starts_with("not ready: draining: "), "{ready:?}");
}

#[test]
fn the_drain_timeout_breaks_off_what_does_not_end() {
    let mut busy = Busy::start("200ms");
    busy.proxy.process.signal(Signal::TERM);
    let ended = busy.proxy.process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("broken off") && ended.stderr.contains("drain-timeout"), "{ended:?}");
    assert!(busy.flight.body(&busy.head).is_err(), "half a body passed for a whole one");
}

#[test]
fn a_second_signal_ends_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let mut busy = Busy::start("10m");
        busy.signal(first);
        assert!(busy.proxy.process.is_running());
        busy.proxy.process.signal(second);
        let ended = busy.proxy.process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(ended.stderr.contains("ending at once"), "{ended:?}");
        assert!(busy.flight.body(&busy.head).is_err(), "half a body passed for a whole one");
    }
}

#[test]
fn an_order_in_flight_gets_its_answer() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    api.fault(&json!({"path": "order/placeorder", "delay_ms": 500, "action": "pass"}));
    let mut caller = Connection::open(proxy.listen).unwrap();
    caller.send("POST", "/v1/order/placeorder", "Content-Type: application/json\r\n", ORDER).unwrap();
    until("the order at the broker", || (!api.requests("order/placeorder").is_empty()).then_some(()));

    proxy.process.signal(Signal::TERM);
    let answer = caller.answer().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.json()["orderId"].is_i64(), "{answer:?}");
    // RFC 9112 §9.6: or the caller would send its next order on a connection that ends.
    assert!(answer.head.to_ascii_lowercase().contains("connection: close"), "{answer:?}");
    let ended = proxy.process.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(api.requests("order/placeorder").len(), 1);
}

#[test]
fn an_order_whose_caller_has_left_is_read_to_its_answer() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    api.fault(&json!({"path": "order/placeorder", "delay_ms": 500, "action": "pass"}));
    let mut caller = Connection::open(proxy.listen).unwrap();
    caller.send("POST", "/v1/order/placeorder", "Content-Type: application/json\r\n", ORDER).unwrap();
    until("the order at the broker", || (!api.requests("order/placeorder").is_empty()).then_some(()));
    drop(caller);

    let ended = proxy.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let logged = ended.stderr.lines().find(|line| line.contains("place-order"));
    assert!(logged.is_some_and(|line| line.contains("status=200")), "{ended:?}");
}

#[test]
fn an_order_that_is_broken_off_is_logged_as_one_whose_outcome_is_unknown() {
    // By a second signal, and by the drain time-out.
    for (drain, signals) in [("10m", 2), ("200ms", 1)] {
        let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
        let mut command = serve(state.path(), &api.origin());
        command.env("TRADOVATE_PROXY_DRAIN_TIMEOUT", drain);
        let proxy = Proxy::start_ready(command);
        api.fault(&json!({"path": "order/placeorder", "times": 2, "action": "hang"}));
        let mut callers: Vec<_> = (1..=2).map(|_| Connection::open(proxy.listen).unwrap()).collect();
        for caller in &mut callers {
            caller.send("POST", "/v1/order/placeorder", "Content-Type: application/json\r\n", ORDER).unwrap();
        }
        until("the orders at the broker", || (api.requests("order/placeorder").len() == 2).then_some(()));

        for _ in 0..signals {
            proxy.process.signal(Signal::TERM);
            proxy.process.line("draining");
        }
        let ended = proxy.process.end();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let is_unknown =
            |line: &&str| line.contains("without a certain outcome") && line.contains("place-order");
        assert_eq!(ended.stderr.lines().filter(is_unknown).count(), 2, "{drain}: {ended:?}");
        for mut caller in callers {
            assert!(caller.answer().is_err(), "{drain}: an answer that nobody gave");
        }
        assert_eq!(api.requests("order/placeorder").len(), 2, "{drain}");
    }
}

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;

/// In bytes: more than the sockets between the sandbox and the test hold.
const BODY: usize = 64 << 20;
