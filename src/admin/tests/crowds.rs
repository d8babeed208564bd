//! More connections than there are places for.

use tokio::net::UnixStream;

use super::*;
use crate::admin::places::MOST_TCP;

const LIVE: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PAUSE: &str = "POST /session/pause HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Connections that were accepted in this order and have been silent since their only request was answered.
async fn silent(address: SocketAddr, number: usize) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..number {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(is_alive(&mut stream).await);
        streams.push(stream);
    }
    streams
}

/// Whether a request is answered on it.
async fn is_alive(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> bool {
    let mut answer = Vec::new();
    let _ = stream.write_all(LIVE.as_bytes()).await;
    while !answer.ends_with(b"alive\n") {
        // The end of the stream, or a reset.
        let Ok(1..) = stream.read_buf(&mut answer).await else { return false };
    }
    true
}

#[tokio::test]
async fn a_newcomer_takes_the_place_of_the_one_that_has_been_silent_longest() {
    let running = running();
    let mut held = silent(running.address, MOST_TCP).await;
    // The oldest has spoken last.
    assert!(is_alive(&mut held[0]).await);
    assert!(running.get("/livez").await.starts_with("HTTP/1.1 200 "));
    assert!(matches!(held[1].read(&mut [0]).await, Ok(0) | Err(_)), "the one to leave is there");
    for at in [0, 2, MOST_TCP - 1] {
        assert!(is_alive(&mut held[at]).await, "{at} had to leave");
    }
}

#[tokio::test]
async fn an_order_under_way_keeps_its_place() {
    let mut running = running();
    let mut operator = TcpStream::connect(running.address).await.unwrap();
    operator.write_all(PAUSE.as_bytes()).await.unwrap();
    let order = running.orders.next().await;
    let mut crowd = silent(running.address, 2 * MOST_TCP).await;
    order.answer(Ok(()));
    let mut answer = String::new();
    operator.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(!is_alive(&mut crowd[0]).await && is_alive(&mut crowd[2 * MOST_TCP - 1]).await);
}

#[tokio::test]
async fn an_operator_at_the_unix_socket_needs_nobody_to_leave() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("admin.sock");
    let running = running_at(&format!("127.0.0.1:0,unix:{}", socket.display()), Rules::default());
    let mut held = silent(running.address, MOST_TCP).await;
    let mut operator = UnixStream::connect(&socket).await.unwrap();
    assert!(is_alive(&mut operator).await);
    for stream in &mut held {
        assert!(is_alive(stream).await);
    }
}
