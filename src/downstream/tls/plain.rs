//! Words for a peer that has no TLS connection with us.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// Tells a peer that speaks plain HTTP what to do instead. Nothing it has sent is read for a meaning: it may hold a key.
pub(super) async fn answer_in_plain(mut tcp: TcpStream) {
    if tcp.write_all(ANSWER.as_bytes()).await.is_ok() {
        linger(tcp).await;
    }
}

/// Ends a connection on which the peer may still be sending: closing with unread bytes would make the kernel send a
/// reset, and that can overtake what was written (RFC 9112 §9.6).
pub(super) async fn linger(mut tcp: TcpStream) {
    let linger = async {
        tcp.shutdown().await?;
        let mut forgotten = [0; 512];
        while tcp.read(&mut forgotten).await? > 0 {}
        std::io::Result::Ok(())
    };
    // However it ends, the connection does.
    let _ = timeout(FAREWELL, linger).await;
}

const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    X-Proxy-Outcome: not-sent\r\n\
    Connection: close\r\n\
    Content-Length: 59\r\n\r\n\
    this port speaks TLS: use https:// (nothing has been sent)\n";

const FAREWELL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{}", body.len());
    }
}
