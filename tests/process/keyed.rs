//! Orders with an `Idempotency-Key`, over restarts and deaths.

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::{
    api::Api,
    http::{self, Connection},
    patience::until,
    proxy::{Proxy, serve},
};

fn start(api: &Api, state: &TempDir) -> Proxy {
    Proxy::start_ready(serve(state.path(), &api.origin()))
}

/// Places the order under this key; returns the status, the problem's code if it is one, and whether it is a replay.
fn order(proxy: &Proxy, key: &str) -> (u16, Option<String>, bool) {
    let fields = format!("Content-Type: application/json\r\nIdempotency-Key: {key}\r\n");
    let answer = http::call(proxy.listen, "POST", PATH, &fields, ORDER).unwrap();
    let code = answer.json()["code"].as_str().map(str::to_owned);
    (answer.status, code, answer.head.to_ascii_lowercase().contains("idempotency-replayed: true"))
}

fn arrived(api: &Api) -> usize {
    api.requests("order/placeorder").len()
}

#[test]
fn an_order_that_was_in_flight_when_the_process_was_killed_is_not_sent_again() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = start(&api, &state);
    // One that is answered, and one that the broker carries out without a word.
    assert_eq!(order(&proxy, "answered"), (200, None, false));
    api.fault(&json!({"path": "order/placeorder", "handled": true, "action": "hang"}));
    let mut caller = Connection::open(proxy.listen).unwrap();
    let fields = "Content-Type: application/json\r\nIdempotency-Key: in-flight\r\n";
    caller.send("POST", PATH, fields, ORDER).unwrap();
    until("the orders at the broker", || (arrived(&api) == 2).then_some(()));
    proxy.process.kill();

    for _ in 0..2 {
        let proxy = start(&api, &state);
        assert_eq!(order(&proxy, "answered"), (200, None, true));
        let unknown = (409, Some("outcome-unknown".to_owned()), false);
        assert_eq!(order(&proxy, "in-flight"), unknown);
        assert_eq!(arrived(&api), 2);
        proxy.process.kill();
    }
    let proxy = start(&api, &state);
    assert_eq!(http::post(proxy.admin, "/idempotency/forget?key=in-flight", "").status, 200);
    assert_eq!(order(&proxy, "in-flight"), (200, None, false));
    assert_eq!(arrived(&api), 3);
}

#[test]
fn a_restart_in_order_leaves_no_answered_order_unknown() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = start(&api, &state);
    api.fault(&json!({"path": "order/placeorder", "delay_ms": 300, "action": "pass"}));
    let mut caller = Connection::open(proxy.listen).unwrap();
    let fields = "Content-Type: application/json\r\nIdempotency-Key: a\r\n";
    caller.send("POST", PATH, fields, ORDER).unwrap();
    until("the order at the broker", || (arrived(&api) == 1).then_some(()));
    proxy.process.signal(Signal::TERM);
    assert_eq!(caller.answer().unwrap().status, 200);
    assert_eq!(proxy.process.end().code, Some(0));

    let proxy = start(&api, &state);
    assert_eq!(order(&proxy, "a"), (200, None, true));
    assert_eq!(arrived(&api), 1);
}

#[test]
fn a_damaged_journal_is_a_warning_and_no_reason_not_to_start() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let journal = state.path().join("idempotency.journal");
    let proxy = start(&api, &state);
    assert_eq!(order(&proxy, "a"), (200, None, false));
    proxy.stop();
    let mut text = std::fs::read(&journal).unwrap();
    text.extend(b"half a li");
    std::fs::write(&journal, &text).unwrap();

    let proxy = start(&api, &state);
    proxy.process.line("is not whole");
    assert_eq!(order(&proxy, "a"), (200, None, true));
    assert_eq!(order(&proxy, "b"), (200, None, false));
    assert_eq!(arrived(&api), 2);
}

const PATH: &str = "/v1/order/placeorder";
const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
