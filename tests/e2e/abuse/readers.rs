//! Callers that take nothing of their answers, and upstreams that never end theirs.

use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    Client,
    client::{End, write},
    process::Process,
    stage::{Stage, Way},
    upstream::raw_with,
};

const READ: &str = "GET /v1/account/list";
const ENDLESS: u64 = 1 << 40;
const CALLERS: u32 = 48;

#[tokio::test]
async fn callers_that_read_nothing_of_an_answer_without_end_hold_a_bounded_part_of_it() {
    let process = Process::sandbox(&[("TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE", "1s")]).await;
    let mut others = Client::connect(process.proxy).await;
    for _ in 0..50 {
        assert_eq!(others.ask(READ, "").await.status(), 200);
    }
    let before = process.most_memory();
    for chunked in [false, true] {
        let fault = format!(
            r#"{{"path": "account/list", "times": {CALLERS}, "action": {{"huge": {{"bytes": {ENDLESS}, "chunked": {chunked}}}}}}}"#
        );
        process.control("POST /sandbox/faults", &fault).await;
        let mut stuck = Vec::new();
        for _ in 0..CALLERS {
            let mut client = Client::connect(process.proxy).await;
            client.send(write(READ, "")).await;
            client.head().await;
            stuck.push(client);
            assert_eq!(others.ask("GET /v1/order/list", "").await.status(), 200);
        }
        // The bound on a caller's pauses frees what they hold; none can take it for the end of the answer.
        process.shows("tradovate_proxy_requests_in_flight", 0.0).await;
        for mut client in stuck {
            assert_eq!(client.breaks_off().await, End::Reset);
        }
        assert_eq!(others.ask("GET /v1/order/list", "").await.status(), 200);
    }
    let grown = process.most_memory() - before;
    // Broker and proxy together: what is kept of an endless answer would be without end too.
    assert!(grown < 48 << 20, "it grew by {} KiB", grown / 1024);
}

#[tokio::test]
async fn a_caller_that_reads_nothing_holds_up_nobody_else_on_the_same_http2_connection() {
    let stage = Stage::by(Way::Http2).await;
    let endless = Fault::next("account/list", Action::Huge { bytes: ENDLESS, chunked: false });
    stage.control().inject(endless.times(4));
    let mut stuck = Vec::new();
    for _ in 0..4 {
        let mut client = stage.client().await;
        client.send(write(READ, "")).await;
        client.head().await;
        stuck.push(client);
    }
    // Behind what they do not read, a window of the usual size for all would let nothing through.
    let long = Fault::next("order/list", Action::Huge { bytes: 1 << 20, chunked: false });
    stage.control().inject(long);
    let mut others = stage.client().await;
    assert_eq!(others.ask("GET /v1/order/list", "").await.body.len(), 1 << 20);
    let active = [("state", "active")];
    assert_eq!(stage.proxy.metrics().await.only("tradovate_proxy_upstream_connections", &active), Some(1.0));
}

#[tokio::test]
async fn an_endless_answer_to_a_caller_that_has_left_is_broken_off() {
    let (mut upstream, proxy) = raw_with(|setup| setup).await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    request.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n")).await;
    client.head().await;
    drop(client);
    request.floods_until_left().await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 0.0).await;
}
