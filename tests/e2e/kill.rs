//! What a kill cancels: how each cancel goes out, what is written down of it, when it stops, and what the end of the
//! process leaves.

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tradovate_proxy::audit::verify::verify;

use crate::support::{
    Answer, Client, Proxy, RawUpstream,
    client::End,
    stage::{ORDER, Stage},
    upstream::{raw, raw_with},
    within,
};

const PLACE: &str = "POST /v1/order/placeorder";
const TAKEN: &str = r#"{"commandId":8}"#;

/// Kills, and has working orders cancelled.
fn killing(proxy: &Proxy) -> JoinHandle<Answer> {
    let admin = proxy.admin;
    tokio::spawn(
        async move { Client::connect(admin).await.ask("POST /guards/kill?cancel=working", "").await },
    )
}

/// Answers the first look with so many working orders, from 1 on.
async fn works(upstream: &mut RawUpstream, orders: i64) {
    let list: Vec<_> = (1..=orders).map(|id| json!({"id": id, "ordStatus": "Working"})).collect();
    let request = upstream.request().await;
    assert_eq!(request.head.start, "GET /v1/order/list HTTP/1.1");
    request.ok(&Value::from(list).to_string()).await;
}

async fn swept(killing: JoinHandle<Answer>) -> Value {
    let answer = within("the kill to be answered", killing).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()["swept"].clone()
}

fn ids(uncancelled: &Value) -> Vec<i64> {
    uncancelled.as_array().unwrap().iter().map(|one| one["order"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn a_kill_cancels_each_working_order_once_and_says_what_became_of_it() {
    let stage = Stage::new().await;
    let resting = ORDER.replace("\"Market\"", "\"Limit\",\"price\":6000");
    let mut placed = Vec::new();
    for _ in 0..3 {
        placed.push(stage.ask(PLACE, &resting).await.json()["orderId"].as_i64().unwrap());
    }
    assert_eq!(stage.ask(PLACE, ORDER).await.status(), 200, "and one that is filled");
    let answer = killing(&stage.proxy).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let swept = &answer.json()["swept"];
    assert_eq!(swept["cancelled"], json!(placed));
    for none in ["refused", "unknown", "not_sent", "still_working"] {
        assert_eq!(swept[none], json!([]), "{none} of {swept}");
    }
    let cancels = stage.seen().iter().filter(|record| record.path().ends_with("/order/cancelorder")).count();
    assert_eq!(cancels, 3);
    let labels = [("operation", "cancel-order"), ("outcome", "answered"), ("caller", "kill-switch")];
    stage.proxy.counts(&labels, 3.0).await;
    assert_eq!(stage.ask(PLACE, ORDER).await.problem(), "guard-kill");
}

#[tokio::test]
async fn a_cancel_without_an_answer_is_unknown_and_not_sent_again() {
    let (mut upstream, proxy) = raw().await;
    let killing = killing(&proxy);
    let list = r#"[{"id":1,"ordStatus":"Working"},{"id":2,"ordStatus":"Filled"},{"id":3,"ordStatus":"Suspended"},
        {"id":4,"ordStatus":"Rejected"},{"id":5,"ordStatus":"SomethingNew"},{"id":6}]"#;
    let request = upstream.request().await;
    assert_eq!(request.head.start, "GET /v1/order/list HTTP/1.1");
    request.ok(list).await;
    for (order, answer) in [
        (1, None),
        (3, Some(r#"{"commandId":8}"#)),
        (5, Some(r#"{"failureReason":"TooLate","failureText":"filled"}"#)),
        (6, Some("{}")),
    ] {
        let request = upstream.request().await;
        assert_eq!(request.head.start, "POST /v1/order/cancelorder HTTP/1.1");
        assert_eq!(request.all("authorization").len(), 1);
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body, json!({"orderId": order, "isAutomated": true}));
        match answer {
            Some(answer) => request.ok(answer).await,
            None => request.end(End::Reset).await,
        }
    }
    upstream.request().await.ok(r#"[{"id":1,"ordStatus":"Working"},{"id":3,"ordStatus":"Canceled"}]"#).await;
    let answer = within("the kill to be answered", killing).await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let expected = json!({
        "cancelled": [3],
        "refused": [{"order": 5, "why": "200 TooLate: filled"}],
        "unknown": [1, 6],
        "not_sent": [],
        "still_working": [1],
        "trouble": null,
    });
    assert_eq!(answer.json()["swept"], expected);
    upstream.is_untouched();
}

#[tokio::test]
async fn each_cancel_is_in_the_audit_log_as_the_kill_switchs() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) = raw_with(|setup| setup.audited_in(directory.path())).await;
    let killing = killing(&proxy);
    works(&mut upstream, 2).await;
    upstream.request().await.ok(TAKEN).await;
    upstream.request().await.end(End::Reset).await;
    upstream.request().await.ok("[]").await;
    assert_eq!(swept(killing).await["unknown"], json!([2]));
    proxy.stop().await;
    let verdict = verify(directory.path(), None).unwrap();
    assert!(verdict.findings.is_empty() && verdict.open.is_empty(), "{verdict:?}");
    let text = std::fs::read_to_string(directory.path().join("orders-000001.jsonl")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).collect::<Vec<_>>();
    let (begun, ended) = (of("begun"), of("ended"));
    assert_eq!((begun.len(), ended.len()), (2, 2), "{text}");
    for (order, line) in (1..).zip(&begun) {
        assert_eq!(line["caller"], "kill-switch");
        assert_eq!((&line["operation"], &line["fields"]["orderId"]), (&json!("cancel-order"), &json!(order)));
    }
    assert_eq!((&ended[0]["outcome"], &ended[0]["upstream"]), (&json!("answered"), &json!({"commandId": 8})));
    assert_eq!(ended[1]["outcome"], "unknown");
}

#[tokio::test]
async fn once_tradovate_has_had_enough_nothing_more_is_sent_and_the_rest_is_named() {
    for (status, fields, body, unknown, refused) in [
        ("429 Too Many", "", "", vec![2], vec![]),
        ("429 Too Many", "Retry-After: 3600\r\n", "", vec![2], vec![]),
        ("423 Locked", "Retry-After: 0\r\n", "", vec![], vec![2]),
        ("200 OK", "", r#"{"p-ticket":"a","p-captcha":true}"#, vec![], vec![2]),
        ("200 OK", "", r#"{"p-ticket":"a","p-time":3600}"#, vec![], vec![2]),
    ] {
        let (mut upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_BUDGET_HOLD", "1h")).await;
        let killing = killing(&proxy);
        works(&mut upstream, 4).await;
        upstream.request().await.ok(TAKEN).await;
        let head = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len());
        upstream.request().await.answer(head).await;
        let swept = swept(killing).await;
        upstream.is_untouched();
        assert_eq!(
            (&swept["cancelled"], &swept["unknown"]),
            (&json!([1]), &json!(unknown)),
            "{status}: {swept}"
        );
        assert_eq!(ids(&swept["refused"]), refused, "{status}: {swept}");
        assert_eq!(
            (ids(&swept["not_sent"]), &swept["still_working"]),
            (vec![3, 4], &json!(null)),
            "{status}"
        );
        let trouble = swept["trouble"].as_str().unwrap();
        assert!(trouble.contains("ended early") && trouble.contains("cancel the rest"), "{trouble}");
        // What upstream has said, everybody heeds.
        let cause = proxy.admin("/status").await.json()["budget"]["held_after"].clone();
        let expected = status.starts_with('4').then(|| status[..3].parse::<u16>().unwrap());
        assert_eq!(cause, json!(expected), "{status}");
    }
}

#[tokio::test]
async fn a_wait_that_upstream_asks_for_is_kept_and_then_it_goes_on() {
    let (mut upstream, proxy) = raw().await;
    let killing = killing(&proxy);
    works(&mut upstream, 2).await;
    let limited = "HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    upstream.request().await.answer(limited).await;
    upstream.request().await.ok(TAKEN).await;
    works(&mut upstream, 1).await;
    let swept = swept(killing).await;
    assert_eq!((&swept["cancelled"], &swept["unknown"]), (&json!([2]), &json!([1])));
    assert_eq!((&swept["still_working"], &swept["trouble"]), (&json!([1]), &json!(null)));
}

#[tokio::test]
async fn a_list_that_does_not_come_is_asked_for_again() {
    let (mut upstream, proxy) = raw().await;
    let killing = killing(&proxy);
    for hiccup in [
        "HTTP/1.1 429 Too Many\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    ] {
        upstream.request().await.answer(hiccup).await;
    }
    works(&mut upstream, 1).await;
    upstream.request().await.ok(TAKEN).await;
    upstream.request().await.ok("[]").await;
    let swept = swept(killing).await;
    assert_eq!((&swept["cancelled"], &swept["trouble"]), (&json!([1]), &json!(null)));
}

#[tokio::test]
async fn a_sweep_that_the_end_of_the_process_breaks_off_says_how_far_it_came() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_DRAIN_TIMEOUT", "1ms").audited_in(directory.path()))
            .await;
    let killing = killing(&proxy);
    works(&mut upstream, 4).await;
    upstream.request().await.ok(TAKEN).await;
    let second = upstream.request().await;
    // The kill has no answer before this breaks it off.
    let stopping = tokio::spawn(proxy.stop());
    let swept = swept(killing).await;
    assert_eq!((&swept["cancelled"], &swept["unknown"]), (&json!([1]), &json!([2])), "{swept}");
    assert_eq!(ids(&swept["not_sent"]), [3, 4]);
    let trouble = swept["trouble"].as_str().unwrap();
    assert!(trouble.contains("broken off") && trouble.contains("kill --cancel-working"), "{trouble}");
    within("the proxy to stop", stopping).await.unwrap();
    drop(second);
    upstream.is_untouched();
    // Also what was under way has its end there.
    let verdict = verify(directory.path(), None).unwrap();
    assert!(verdict.findings.is_empty() && verdict.open.is_empty(), "{verdict:?}");
}
