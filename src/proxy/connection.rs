//! One downstream connection, from request to request until it ends.

use std::{rc::Rc, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    http1::Version,
    proxy::{
        ProxyError, Worker,
        exchange::{After, exchange},
        inbound::{Head, Inbound},
        outbound::Outbound,
    },
};

/// A caller's connection, and the buffers its requests use one after another.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) head: Head,
    pub(super) inbound: Inbound,
    /// What is being written to the caller.
    pub(super) buffer: Vec<u8>,
    /// What is being written to upstream.
    pub(super) wire: Vec<u8>,
}

/// Serves requests until the caller leaves, breaks a rule, idles too long, or the process drains.
pub(super) async fn serve(worker: Rc<Worker>, stream: TcpStream) {
    let mut connection = Connection {
        stream,
        head: Head::default(),
        inbound: Inbound::default(),
        buffer: Vec::new(),
        wire: Vec::new(),
    };
    loop {
        if !connection.is_called(&worker).await {
            return;
        }
        match exchange(&worker, &mut connection).await {
            After::KeepAlive => connection.shrink(),
            After::Close => return connection.close().await,
            After::Abort => return connection.abort(),
        }
    }
}

/// Answers a connection above the limit before it has said a word, and ends it.
pub(super) async fn turn_away(worker: &Worker, mut stream: TcpStream) {
    let connections = worker.proxy.limits.connections;
    let error = ProxyError::TooManyConnections { connections };
    let problem = error.problem();
    worker.metrics.observe().complete(problem.status, error.label());
    let mut buffer = Vec::new();
    let mut outbound = Outbound {
        stream: &mut stream,
        buffer: &mut buffer,
        version: Version::Http11,
        to_head: false,
        keep_alive: false,
        patience: LINGER,
        now: worker.now(),
    };
    if outbound.problem(&problem).await.is_ok() {
        let head = Head::default();
        Connection { stream, head, inbound: Inbound::default(), buffer, wire: Vec::new() }.close().await;
    }
}

impl Connection {
    /// Waits for the first byte of a request; `false` if there will be none.
    async fn is_called(&mut self, worker: &Worker) -> bool {
        let mut draining = worker.draining.clone();
        tokio::select! {
            // A request that has arrived is served even if the process begins to drain at the same moment.
            biased;
            began = timeout(worker.proxy.timeouts.keep_alive, self.inbound.begin(&mut self.stream)) => began == Ok(true),
            _ = draining.wait_for(|&draining| draining) => false,
        }
    }

    fn shrink(&mut self) {
        self.inbound.shrink();
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.wire.clear();
        self.wire.shrink_to(KEPT);
    }

    /// Ends a connection on which the caller may still be sending: closing with unread bytes would make the
    /// kernel send a reset, and that can overtake the answer (RFC 9112 §9.6).
    async fn close(mut self) {
        let linger = async {
            self.stream.shutdown().await?;
            self.buffer.resize(KEPT, 0);
            while self.stream.read(&mut self.buffer).await? > 0 {}
            std::io::Result::Ok(())
        };
        // However it ends, the connection does.
        let _ = timeout(LINGER, linger).await;
    }

    /// Ends it with a reset, which no caller takes for the end of an answer (RFC 9112 §8).
    fn abort(self) {
        if let Err(error) = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }
}

/// How long a caller may go on sending after it has been answered.
const LINGER: Duration = Duration::from_secs(5);
/// A buffer that grew beyond this is not kept.
const KEPT: usize = 16 * 1024;
