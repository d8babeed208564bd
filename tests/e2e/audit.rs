//! The order audit log, seen from both ends of a request.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;
use tradovate_proxy::{
    audit::verify::verify,
    sandbox::{Action, Fault},
};

use crate::support::{
    Proxy, RawUpstream,
    client::write,
    stage::{ORDER, Stage, Way},
    upstream::raw_with,
};

const ORDERS: &str = "POST /v1/order/placeorder";

async fn raw() -> (RawUpstream, Proxy, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, proxy) = raw_with(|setup| setup.audited_in(directory.path())).await;
    (upstream, proxy, directory)
}

/// The lines of a kind, in order.
fn lines(directory: &Path, kind: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("orders-000001.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["kind"] == kind).collect()
}

/// Ends the proxy, after which everything is written and the log is whole, and reads the lines of a kind.
async fn ended(proxy: Proxy, directory: &Path, kind: &str) -> Vec<Value> {
    proxy.stop().await;
    let verdict = verify(directory, None).unwrap();
    assert!(verdict.findings.is_empty() && verdict.open.is_empty(), "{verdict:?}");
    lines(directory, kind)
}

#[tokio::test]
async fn an_order_is_on_the_disk_before_upstream_sees_it_and_its_caller_is_told_its_name() {
    let (mut upstream, proxy, directory) = raw().await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    let request = upstream.request().await;
    let [begun] = &lines(directory.path(), "begun")[..] else { panic!("not one line") };
    assert_eq!((&begun["operation"], &begun["fields"]["symbol"]), (&json!("place-order"), &json!("ESZ6")));
    assert!(!String::from_utf8_lossy(&request.raw).to_lowercase().contains("x-proxy-request-id"));
    request.ok(r#"{"orderId":77,"accessToken":"canary"}"#).await;
    let answer = client.answer().await;
    assert_eq!(answer.header("x-proxy-request-id"), begun["id"].as_str());
    assert_eq!(answer.text(), r#"{"orderId":77,"accessToken":"canary"}"#);

    client.send(write("GET /v1/account/list", "")).await;
    upstream.request().await.ok("[]").await;
    assert_eq!(client.answer().await.header("x-proxy-request-id"), None, "a read has none");
    drop(client);

    let ended = ended(proxy, directory.path(), "ended").await;
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0]["id"], begun["id"]);
    assert_eq!((&ended[0]["outcome"], &ended[0]["status"]), (&json!("answered"), &json!(200)));
    assert_eq!(ended[0]["upstream"], json!({"orderId": 77}));
}

#[tokio::test]
async fn each_way_to_end_has_its_line() {
    let (mut upstream, proxy, directory) = raw().await;
    let answers = [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 33\r\n\r\n{\"failureReason\":\"UnknownReason\"} ",
            "answered",
            "answered",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{\"orde\r\n9\r\nrId\":  5}\r\n0\r\n\r\n",
            "answered",
            "answered",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x08",
            "answered",
            "answered",
        ),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "answered", "answered"),
        ("HTTP/1.1 400 No\r\nContent-Length: 9\r\n\r\n{", "answered", "truncated"),
        ("garbage\r\n\r\n", "unknown", "unknown-broken"),
        ("", "unknown", "unknown-broken"),
    ];
    for (answer, ..) in answers {
        let mut client = proxy.client().await;
        client.send(write(ORDERS, ORDER)).await;
        let mut request = upstream.request().await;
        request.write(answer).await;
        request.close().await;
        // Whole, or broken off: what is written down is the question.
        let _ = client.try_answer_to(ORDERS).await;
    }
    let ended = ended(proxy, directory.path(), "ended").await;
    let found: Vec<_> = ended.iter().map(|line| (line["outcome"].as_str(), line["how"].as_str())).collect();
    let expected: Vec<_> = answers.iter().map(|(_, outcome, how)| (Some(*outcome), Some(*how))).collect();
    assert_eq!(found, expected);
    assert_eq!(ended[0]["upstream"], json!({"failureReason": "UnknownReason"}));
    assert_eq!(ended[1]["upstream"], json!({"orderId": 5}));
    assert_eq!(ended[2]["unread"], "it is compressed");
    assert_eq!((&ended[3]["status"], ended[3].get("upstream")), (&json!(401), None));
    assert_eq!(ended[5]["status"], 502);
}

#[tokio::test]
async fn what_is_never_sent_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let Stage { sandbox, proxy, .. } =
        Stage::with(Way::Plain, |setup| setup.audited_in(directory.path())).await;
    sandbox.shutdown().await;
    let answer = proxy.ask(ORDERS, ORDER).await;
    assert_eq!(answer.outcome(), Some("not-sent"));
    let id = answer.header("x-proxy-request-id").unwrap().to_owned();
    let ended = ended(proxy, directory.path(), "ended").await;
    assert_eq!((&ended[0]["id"], &ended[0]["outcome"]), (&json!(id), &json!("not-sent")));
    assert_eq!((&ended[0]["how"], &ended[0]["status"]), (&json!("connect-failed"), &json!(502)));
}

#[tokio::test]
async fn an_answer_that_is_given_again_is_no_order() {
    let (directory, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut upstream, proxy) =
        raw_with(|setup| setup.audited_in(directory.path()).stored_in(state.path())).await;
    let mut client = proxy.client().await;
    let keyed = format!("{ORDERS}\r\nIdempotency-Key: a\r\n");
    client.send(write(&keyed, ORDER)).await;
    upstream.request().await.ok(r#"{"orderId":77}"#).await;
    let first = client.answer().await;
    let again = client.ask(&keyed, ORDER).await;
    assert_eq!((again.header("idempotency-replayed"), again.text()), (Some("true"), first.text()));
    let other = client.ask(&keyed, "{}").await;
    assert_eq!(other.status(), 422);
    drop(client);

    let ended = ended(proxy, directory.path(), "ended").await;
    let id = first.header("x-proxy-request-id").unwrap();
    assert_eq!((ended.len(), &ended[0]["id"]), (1, &json!(id)));
    assert_eq!(ended[0]["upstream"], json!({"orderId": 77}));
    let begun = lines(directory.path(), "begun");
    assert_eq!((begun.len(), &begun[0]["caller"]), (1, &json!("local")));
    assert_eq!(lines(directory.path(), "refused").len(), 1);
}

#[tokio::test]
async fn what_is_refused_has_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let (upstream, proxy) = {
        let upstream = RawUpstream::start().await;
        upstream.answers_session_calls(false);
        let setup = crate::support::Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
        let setup = setup.audited_in(directory.path()).with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "0s");
        (upstream, setup.start().await)
    };
    let answer = proxy.ask(ORDERS, ORDER).await;
    assert_eq!(answer.problem(), "no-token");
    assert!(answer.header("x-proxy-request-id").is_some());
    let refused = ended(proxy, directory.path(), "refused").await;
    assert_eq!((&refused[0]["how"], &refused[0]["status"]), (&json!("no-token"), &json!(503)));
    assert_eq!(refused[0]["request"]["fields"]["symbol"], "ESZ6");
    assert!(lines(directory.path(), "begun").is_empty());
    drop(upstream);
}

#[tokio::test]
async fn a_caller_that_leaves_and_a_proxy_that_breaks_off_are_both_written_down() {
    let directory = tempfile::tempdir().unwrap();
    let (mut upstream, proxy) =
        raw_with(|setup| setup.audited_in(directory.path()).with("TRADOVATE_PROXY_DRAIN_TIMEOUT", "0s"))
            .await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    let request = upstream.request().await;
    drop(client);
    request.ok(r#"{"orderId":1}"#).await;
    proxy.counts(&[("operation", "place-order"), ("status", "200")], 1.0).await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    let request = upstream.request().await;
    let ended = ended(proxy, directory.path(), "ended").await;
    assert_eq!((&ended[0]["outcome"], &ended[0]["upstream"]), (&json!("answered"), &json!({"orderId": 1})));
    assert_eq!((&ended[1]["outcome"], &ended[1]["how"]), (&json!("unknown"), &json!("aborted")));
    assert_eq!(ended[1].get("status"), None);
    drop(request);
}

#[tokio::test]
async fn upstreams_ids_are_read_over_every_way() {
    for way in Way::ALL {
        let directory = tempfile::tempdir().unwrap();
        let stage = Stage::with(way, |setup| setup.audited_in(directory.path())).await;
        let order = stage.ask(ORDERS, ORDER).await.json()["orderId"].clone();
        stage.control().inject(Fault::next("order/placeorder", Action::Reset).handled());
        assert_eq!(stage.ask(ORDERS, ORDER).await.outcome(), Some("unknown"));
        let ended = ended(stage.proxy, directory.path(), "ended").await;
        assert_eq!((&ended[0]["upstream"]["orderId"], order.is_number()), (&order, true), "{way:?}");
        assert_eq!(ended[1]["outcome"], "unknown", "{way:?}");
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_refuses_orders_and_passes_cancels() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("audit");
    // A file where the directory should be is a disk that fails, for root too.
    std::fs::write(&directory, "").unwrap();
    let stage = Stage::with(Way::Plain, |setup| setup.audited_in(&directory)).await;
    let placed = |count: usize| assert_eq!(stage.control().requests_to("order/placeorder").len(), count);
    let answer = stage.ask(ORDERS, ORDER).await;
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "not-recorded"));
    assert_eq!((answer.outcome(), answer.header("retry-after")), (Some("not-sent"), Some("1")));
    placed(0);
    let cancel = stage.ask("POST /v1/order/cancelorder", r#"{"orderId":1}"#).await;
    assert_eq!(cancel.status(), 404, "no such order: it was sent, and the broker has answered");
    assert_eq!(stage.control().requests_to("order/cancelorder").len(), 1);

    let ready = stage.proxy.admin("/readyz").await;
    let detail = "ready, but orders are refused (cancels and liquidations pass), since the audit log cannot be written: ";
    assert!(ready.status() == 200 && ready.text().starts_with(detail), "{}", ready.text());
    let status = stage.proxy.admin("/status").await.json();
    assert!(status["audit"]["trouble"].is_string() && status["audit"]["on_failure"] == "refuse", "{status}");
    stage.proxy.shows("tradovate_proxy_audit_failing", &[], 1.0).await;

    std::fs::remove_file(&directory).unwrap();
    stage.proxy.shows("tradovate_proxy_audit_failing", &[], 0.0).await;
    assert_eq!(stage.ask(ORDERS, ORDER).await.status(), 200);
    placed(1);
    assert_eq!(stage.proxy.admin("/readyz").await.text(), "ready\n");
    let status = stage.proxy.admin("/status").await.json();
    assert_eq!(status["audit"]["head"].as_str().map(str::len), Some(64));
    let gaps = ended(stage.proxy, &directory, "gap").await;
    assert_eq!((gaps.len(), &gaps[0]["lost"]), (1, &json!(0)));
    let begun = lines(&directory, "begun");
    assert_eq!((begun.len(), &begun[0]["operation"]), (2, &json!("cancel-order")));
    assert_eq!(lines(&directory, "refused").len(), 1);
}
