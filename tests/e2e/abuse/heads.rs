//! Heads without end, from both sides.

use crate::support::{
    Client,
    client::write,
    process::Process,
    upstream::{raw, raw_with},
};

const READ: &str = "GET /v1/account/list";

#[tokio::test]
async fn a_bomb_of_a_head_is_refused_after_a_bounded_part_of_it() {
    let process = Process::sandbox(&[]).await;
    let mut others = Client::connect(process.proxy).await;
    for _ in 0..50 {
        assert_eq!(others.ask(READ, "").await.status(), 200);
    }
    let before = process.most_memory();
    let line = "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n";
    for (begun, more, status, code) in [
        (line, "a: b\r\n".repeat(64 * 1024), 431, "head-too-large"),
        (line, format!("a: {}", "b".repeat(1 << 20)), 431, "head-too-large"),
        (line, format!("{}: b\r\n", "a".repeat(1 << 20)), 431, "head-too-large"),
        ("GET /v1/", "a".repeat(1 << 20), 414, "target-too-long"),
    ] {
        let mut bombs = Vec::new();
        for _ in 0..50 {
            let mut bomb = Client::connect(process.proxy).await;
            bomb.send(begun).await;
            // It may be cut off before it has sent all of it.
            let _ = bomb.try_send(&more).await;
            bombs.push(bomb);
            assert_eq!(others.ask(READ, "").await.status(), 200);
        }
        for bomb in &mut bombs {
            // The answer, unless the kernel has thrown it away for what came behind it.
            if let Some(answer) = bomb.answer_at_hand().await {
                assert_eq!((answer.status(), answer.problem().as_str()), (status, code));
                assert_eq!(answer.outcome(), Some("not-sent"));
            }
        }
    }
    let grown = process.most_memory() - before;
    assert!(grown < 16 << 20, "it grew by {} KiB", grown / 1024);
}

#[tokio::test]
async fn a_bomb_of_an_answer_is_a_clean_502_and_costs_its_connection() {
    let (mut upstream, proxy) = raw().await;
    for bomb in [
        format!("HTTP/1.1 200 {}\r\n", "a".repeat(1 << 20)),
        format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(64 * 1024)),
        format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(1 << 20)),
        format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101)),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(64 * 1024),
        "HTTP/1.1 100 Continue\r\n\r\n".repeat(64 * 1024),
    ] {
        let mut client = proxy.client().await;
        client.send(write(READ, "")).await;
        let mut request = upstream.request().await;
        // It is left before it has written all of it.
        let _ = request.try_write(&bomb).await;
        let answer = client.answer_to(READ).await;
        assert_eq!((answer.status(), answer.problem().as_str()), (502, "bad-answer"), "{bomb:.60}");
        assert_eq!(answer.outcome(), Some("unknown"));
        request.left().await;
        client.send(write(READ, "")).await;
        upstream.request().await.ok("[]").await;
        assert_eq!(client.answer().await.status(), 200, "the next request is served as ever");
    }
}

#[tokio::test]
async fn chunks_that_are_all_framing_end_early_on_both_sides() {
    let (mut upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_WORKERS", "2")).await;
    // CVE-2024-22019 (Node.js), CVE-2023-39326 (Go): extensions without end, of which each byte is let through.
    let extension = format!("1;{}", "a".repeat(1 << 20));
    let trailer = format!("0\r\na: {}", "b".repeat(1 << 20));
    for framing in [&extension, &trailer] {
        let mut client = proxy.client().await;
        let head = "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.send(head).await;
        let _ = client.try_send(framing).await;
        if let Some(answer) = client.answer_at_hand().await {
            assert_eq!((answer.status(), answer.outcome()), (400, Some("not-sent")), "{}", answer.text());
        }
        upstream.is_untouched();

        let mut client = proxy.client().await;
        client.send(write(READ, "")).await;
        let mut request = upstream.request().await;
        request.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n.\r\n").await;
        client.head().await;
        let _ = request.try_write(framing).await;
        client.breaks_off().await;
        request.left().await;
    }
}
