//! The health check: one question to a running proxy, for images that have no shell and no curl.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    cli::{Exit, complain},
    config::{self, Environment, Flags},
};

/// Asks the admin listener's `/readyz`, for at most two seconds, and complains unless the answer is 200.
pub fn healthcheck(flags: &Flags, environment: &Environment) -> Exit {
    let address = match config::admin_listen(flags, environment) {
        Ok(address) => address,
        Err(errors) => {
            complain(&errors);
            return Exit::Config;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Unhealthy::from).and_then(|runtime| runtime.block_on(ask(address, PATIENCE))) {
        Ok(()) => Exit::Success,
        Err(unhealthy) => {
            complain(&format_args!("http://{address}/readyz: {unhealthy}"));
            Exit::Failure
        }
    }
}

/// Why the proxy does not count as healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("no answer: {0}")]
    NoAnswer(#[from] io::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Slow,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("{status}: {reason}")]
    NotReady { status: u16, reason: String },
}

async fn ask(address: SocketAddr, patience: Duration) -> Result<(), Unhealthy> {
    let answer = tokio::time::timeout(patience, exchange(reachable(address)));
    let answer = answer.await.map_err(|_| Unhealthy::Slow)??;
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(body)) = head.parse(&answer) else { return Err(Unhealthy::NotHttp) };
    match head.code {
        Some(200) => Ok(()),
        None => Err(Unhealthy::NotHttp),
        Some(status) => {
            let body = String::from_utf8_lossy(&answer[body..]);
            let reason = body.lines().next().unwrap_or_default();
            Err(Unhealthy::NotReady { status, reason: reason.replace(char::is_control, " ") })
        }
    }
}

async fn exchange(address: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    // HTTP/1.0, so that the answer ends with the connection and is not chunked (RFC 9112 §6.3).
    let request = format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
    Ok(answer)
}

/// A listener on every address is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Shorter than the health timeout of any container engine, so that it is us who give the reason.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer from `/readyz` is a few hundred bytes; whatever else listens there may send more.
const MOST_BYTES: u64 = 8 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn asked(answer: &'static [u8]) -> Result<(), Unhealthy> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request[..read].to_vec()).unwrap()
        });
        let verdict = ask(address, Duration::from_secs(30)).await;
        assert_eq!(server.await.unwrap(), format!("GET /readyz HTTP/1.0\r\nHost: {address}\r\n\r\n"));
        verdict
    }

    #[tokio::test]
    async fn only_200_is_healthy() {
        asked(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n").await.unwrap();
        let error =
            asked(b"HTTP/1.1 503 Service Unavailable\r\n\r\nno token yet\x1b[2J\n").await.unwrap_err();
        assert_eq!(error.to_string(), "503: no token yet [2J");
        for nonsense in [b"SSH-2.0-x\r\n".as_slice(), b"", b"HTTP/1.1 200"] {
            assert!(matches!(asked(nonsense).await, Err(Unhealthy::NotHttp)));
        }
    }

    #[tokio::test]
    async fn nobody_there_and_no_answer_are_unhealthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Accepted by the kernel, answered by nobody.
        assert!(matches!(ask(address, Duration::from_millis(20)).await, Err(Unhealthy::Slow)));
        drop(listener);
        assert!(matches!(ask(address, PATIENCE).await, Err(Unhealthy::NoAnswer(_))));
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listens, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
