//! One downstream connection, from request to request until it ends.

use std::{
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    clock::Alarm,
    downstream::{Accepted, Peer, Stream},
    proxy::{
        ProxyError, Worker,
        exchange::{After, exchange},
        inbound::{Head, Inbound},
    },
};

/// A caller's connection, and the buffers its requests use one after another.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Who is at the other end.
    pub(super) peer: Peer,
    pub(super) head: Head,
    pub(super) inbound: Inbound,
    /// What is being written to the caller.
    pub(super) buffer: Vec<u8>,
    /// What is being written to upstream.
    pub(super) wire: Vec<u8>,
    /// Bounds every wait for the caller.
    pub(super) alarm: Alarm,
    /// Whether a request is being read or answered. Dropped then, the connection is reset.
    is_busy: bool,
}

/// Serves requests until the caller leaves, breaks a rule, idles too long, or the process drains.
pub(super) async fn serve(worker: Rc<Worker>, accepted: Accepted) {
    let opened = tokio::select! {
        biased;
        opened = accepted.open(worker.proxy.timeouts.head) => opened,
        // Who is in the middle of a handshake has asked for nothing yet.
        () = worker.draining.begun() => return,
    };
    let Some((stream, peer)) = opened else { return };
    let mut connection = Connection::new(stream, peer);
    let mut draining = pin!(worker.draining.begun());
    while connection.is_called(&worker, draining.as_mut()).await {
        connection.is_busy = true;
        match exchange(&worker, &mut connection).await {
            After::KeepAlive => connection.rest(),
            After::Close => return connection.close(LINGER).await,
            After::Abort => return,
        }
    }
}

/// Answers a connection that is not to be served before it has said a word, and ends it.
pub(super) async fn turn_away(worker: &Worker, accepted: Accepted, error: ProxyError) {
    let problem = error.problem();
    worker.metrics.observe().complete(problem.status, error.outcome());
    let peer = accepted.peer().clone();
    let Some(stream) = accepted.open_for_farewell() else { return };
    let mut connection = Connection::new(stream, peer);
    let Connection { stream, alarm, buffer, .. } = &mut connection;
    let mut outbound = worker.outbound(stream, alarm, buffer, None, None);
    if outbound.problem(&problem).await.is_ok() {
        connection.close(FAREWELL).await;
    }
}

impl Connection {
    fn new(stream: Stream, peer: Peer) -> Self {
        Self {
            stream,
            peer,
            head: Head::default(),
            inbound: Inbound::default(),
            buffer: Vec::new(),
            wire: Vec::new(),
            alarm: Alarm::default(),
            is_busy: false,
        }
    }

    /// Waits for the first byte of a request; `false` if there will be none.
    async fn is_called(&mut self, worker: &Worker, draining: Pin<&mut impl Future<Output = ()>>) -> bool {
        let Self { inbound, stream, alarm, .. } = self;
        {
            let begun = pin!(inbound.begin(stream));
            tokio::select! {
                biased;
                began = alarm.within(worker.proxy.timeouts.keep_alive, begun) => return began == Ok(true),
                () = draining => {}
            }
        }
        // A request that was there first is still served; of a new connection the runtime does not know what has
        // arrived before it has looked once.
        tokio::task::yield_now().await;
        timeout(Duration::ZERO, inbound.begin(stream)).await == Ok(true)
    }

    /// Between two requests.
    fn rest(&mut self) {
        self.is_busy = false;
        self.inbound.shrink();
        self.head.bytes.clear();
        self.head.bytes.shrink_to(KEPT);
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        self.wire.clear();
        self.wire.shrink_to(KEPT);
    }

    /// Ends a connection on which the caller may still be sending: closing with unread bytes would make the
    /// kernel send a reset, and that can overtake the answer (RFC 9112 §9.6).
    async fn close(mut self, patience: Duration) {
        self.inbound.shrink();
        let linger = async {
            self.stream.shutdown().await?;
            self.buffer.resize(KEPT, 0);
            while self.stream.read(&mut self.buffer).await? > 0 {}
            std::io::Result::Ok(())
        };
        // However it ends, the connection does.
        let _ = timeout(patience, linger).await;
        self.is_busy = false;
    }
}

impl Drop for Connection {
    /// In mid-request, and whyever that is (a caller or upstream that broke off, a drain that ran out of time, a
    /// panic), the connection ends with a reset, which no caller takes for the end of an answer (RFC 9112 §8).
    fn drop(&mut self) {
        if self.is_busy {
            self.stream.reset();
        } else {
            self.stream.take_leave();
        }
    }
}

/// How long a caller may go on sending after it has been answered.
const LINGER: Duration = Duration::from_secs(5);
/// The same for one that was only told to go away.
const FAREWELL: Duration = Duration::from_secs(1);
/// A buffer that grew beyond this is not kept.
const KEPT: usize = 16 * 1024;
