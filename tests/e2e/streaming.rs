//! Bodies of any size: answers stream with back-pressure, requests are bounded, and memory grows with neither.

use crate::support::{Client, client::write, process::Process, upstream::raw};

const READ: &str = "GET /v1/account/list";

#[tokio::test]
async fn a_caller_that_reads_nothing_stops_upstream_and_nobody_else() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    let total: u64 = 256 << 20;
    request.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {total}\r\n\r\n")).await;
    client.head().await;

    // Until the way is full: the proxy's one worker has then served others twenty times without taking a byte.
    let (mut taken, mut idle_rounds) = (0, 0);
    let mut other = proxy.client().await;
    while idle_rounds < 20 {
        let filled = request.fill() as u64;
        taken += filled;
        idle_rounds = if filled == 0 { idle_rounds + 1 } else { 0 };
        assert!(taken < total / 2, "{taken} bytes went towards a caller that reads nothing");
        other.send(write("GET /v1/other", "")).await;
        upstream.request().await.ok("").await;
        assert_eq!(other.answer().await.status(), 200);
    }

    let rest = tokio::spawn(async move {
        let block = vec![b'.'; 1 << 20];
        while taken < total {
            let now = block.len().min(usize::try_from(total - taken).unwrap());
            request.write(&block[..now]).await;
            taken += now as u64;
        }
        request.answer("").await;
    });
    client.skip(total).await;
    rest.await.unwrap();
    // In step, to the byte.
    client.send(write(READ, "")).await;
    upstream.request().await.ok("next").await;
    assert_eq!(client.answer().await.text(), "next");
}

#[tokio::test]
async fn an_answer_of_a_gibibyte_to_a_slow_reader_fits_into_bounded_memory() {
    let process = Process::sandbox(&[]).await;
    let before = warmed_up(&process).await;
    for chunked in [false, true] {
        let fault = format!(
            r#"{{"path": "account/list", "action": {{"huge": {{"bytes": {GIBIBYTE}, "chunked": {chunked}}}}}}}"#
        );
        process.control("POST /sandbox/faults", &fault).await;
        let mut client = Client::connect(process.proxy).await;
        client.send(write(READ, "")).await;
        let head = client.head().await;
        assert_eq!(head.only("transfer-encoding").is_some(), chunked);
        client.bytes(64 * 1024).await;
        // While this caller takes nothing, others are served.
        let mut other = Client::connect(process.proxy).await;
        for _ in 0..200 {
            assert_eq!(other.ask("GET /v1/order/list", "").await.status(), 200);
        }
        if chunked {
            // Half of it, and then the caller leaves.
            client.skip(GIBIBYTE / 2).await;
        } else {
            client.skip(GIBIBYTE - 64 * 1024).await;
            assert_eq!(client.ask("GET /v1/order/list", "").await.status(), 200, "in step, to the byte");
        }
    }
    is_bounded(&process, before).await;
}

#[tokio::test]
async fn an_upload_of_ten_gibibytes_is_refused_in_bounded_memory() {
    let process = Process::sandbox(&[]).await;
    let before = warmed_up(&process).await;
    let head = "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    for chunked in [false, true] {
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", 10 * GIBIBYTE)
        };
        let mut client = Client::connect(process.proxy).await;
        client.send(format!("{head}{framing}\r\n\r\n")).await;
        let mut block = format!("{:x}\r\n", 1 << 20).into_bytes();
        block.resize(block.len() + (1 << 20), b'.');
        block.extend_from_slice(b"\r\n");
        if chunked {
            // Two of these are more than is allowed; a caller that is not stopped by that goes on.
            client.send(&block).await;
            client.send(&block).await;
        }
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.problem().as_str()), (413, "body-too-large"));
        assert_eq!((answer.outcome(), answer.header("connection")), (Some("not-sent"), Some("close")));
        // It has been told; that it goes on sending all the same is read and forgotten for a while, and then cut.
        let mut sent = 0;
        while sent < 10 * GIBIBYTE && client.try_send(&block).await.is_ok() {
            sent += block.len() as u64;
        }
    }
    is_bounded(&process, before).await;
    let seen =
        Client::connect(process.api).await.ask("GET /sandbox/requests?path=order/placeorder", "").await;
    assert_eq!(seen.json(), serde_json::json!([]));
}

/// What it takes to serve at all; waits for the session on the way.
async fn warmed_up(process: &Process) -> u64 {
    let mut client = Client::connect(process.proxy).await;
    for _ in 0..50 {
        assert_eq!(client.ask(READ, "").await.status(), 200);
    }
    process.most_memory()
}

/// By the high-water mark, which forgets nothing.
async fn is_bounded(process: &Process, before: u64) {
    let grown = process.most_memory() - before;
    assert!(grown < BOUND, "it grew by {} KiB", grown / 1024);
    // The program is still well, and says so.
    let ready = Client::connect(process.admin).await.ask("GET /readyz", "").await;
    assert_eq!(ready.status(), 200);
}

const GIBIBYTE: u64 = 1 << 30;
/// Broker and proxy together; a body that was kept would be twenty times as much.
const BOUND: u64 = 48 << 20;
