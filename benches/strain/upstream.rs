//! An upstream that answers everything alike, after a while of its own.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime,
    time::sleep,
};

/// Starts one on a thread of its own, for as long as the process runs.
pub(crate) fn start(delay: Duration) -> anyhow::Result<SocketAddr> {
    let (tell, told) = mpsc::channel();
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("upstream".to_owned()).spawn(move || {
        runtime.block_on(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            tell.send(listener.local_addr()?)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(serve(stream, delay));
            }
            #[expect(unreachable_code, reason = "it names the error's type")]
            anyhow::Ok(())
        })
    })?;
    told.recv().context("the upstream did not start")
}

/// Requests without a body, one after the other.
async fn serve(mut stream: TcpStream, delay: Duration) -> std::io::Result<()> {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {LENGTH}\r\n\r\n{:<LENGTH$}",
        "[]"
    );
    let mut inbox = Vec::with_capacity(4096);
    while stream.read_buf(&mut inbox).await? > 0 {
        if inbox.ends_with(b"\r\n\r\n") {
            inbox.clear();
            if !delay.is_zero() {
                sleep(delay).await;
            }
            stream.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

const LENGTH: usize = 512;
