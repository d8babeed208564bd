//! What goes wrong at the broker in one round.

use serde_json::{Value, json};

/// A fault of each kind for reads, and of those for orders that tell nothing of what was done.
pub(super) fn of_round(round: u64) -> Vec<Value> {
    let mut faults: Vec<_> = reads().into_iter().map(|action| fault("account/list", &action)).collect();
    // Each in its turn, done and not done: with all in one round, no order would be left to be answered.
    let orders = orders();
    let at = usize::try_from(round).unwrap_or_default();
    let mut spoilt = fault("order/placeorder", &orders[at % orders.len()]);
    spoilt["handled"] = json!((at / orders.len()).is_multiple_of(2));
    faults.push(spoilt);
    if round.is_multiple_of(5) {
        // The token in use serves on meanwhile.
        faults.push(json!({"path": "auth/renewaccesstoken", "delay_ms": 300, "action": "pass"}));
    }
    faults
}

fn fault(path: &str, action: &Value) -> Value {
    json!({"path": path, "action": action})
}

fn reads() -> Vec<Value> {
    vec![
        json!("truncated_json"),
        json!({"cut_body": {"after_bytes": 3}}),
        json!({"drip": {"bytes": 50, "pause_ms": 1}}),
        json!({"trailers": {"fields": {"x-test": "1"}}}),
        json!({"huge": {"bytes": 2_000_000}}),
        json!({"huge": {"bytes": 2_000_000, "chunked": true}}),
        json!({"respond": {"status": 500, "body": "{}"}}),
        json!({"redirect": {"location": "https://evil.example/v1/account/list"}}),
        json!("empty"),
        json!("garbage_json"),
        json!("html"),
        json!({"raw": {"text": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"}}),
        json!("close"),
        json!("reset"),
        json!("reset_unread"),
    ]
}

fn orders() -> Vec<Value> {
    vec![
        json!("hang"),
        json!("close"),
        json!("reset"),
        json!("reset_unread"),
        json!("html"),
        json!({"respond": {"status": 500}}),
    ]
}
