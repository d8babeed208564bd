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
        workspace::Workspace,
    },
};

/// A caller's connection.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// Who is at the other end.
    pub(super) peer: Peer,
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
    let mut begun = None;
    loop {
        if begun.is_none() {
            begun = connection.called(&worker, draining.as_mut()).await;
        }
        let Some(mut workspace) = begun else { return };
        connection.is_busy = true;
        match exchange(&worker, &mut connection, &mut workspace).await {
            After::KeepAlive => connection.is_busy = false,
            After::Close => return connection.close(LINGER).await,
            After::Abort => return,
        }
        begun = worker.workspaces.take_back(workspace);
    }
}

/// Answers a connection that is not to be served before it has said a word, and ends it.
pub(super) async fn turn_away(worker: &Worker, accepted: Accepted, error: ProxyError) {
    let problem = error.problem();
    worker.metrics.observe().complete(problem.status, error.outcome());
    let peer = accepted.peer().clone();
    let Some(stream) = accepted.open_for_farewell() else { return };
    let mut connection = Connection::new(stream, peer);
    let Connection { stream, alarm, .. } = &mut connection;
    let mut buffer = Vec::new();
    let mut outbound = worker.outbound(stream, alarm, &mut buffer, None, None);
    if outbound.problem(&problem).await.is_ok() {
        connection.close(FAREWELL).await;
    }
}

impl Connection {
    fn new(stream: Stream, peer: Peer) -> Self {
        Self { stream, peer, alarm: Alarm::default(), is_busy: false }
    }

    /// Waits for the first byte of a request, and lends it a workspace; `None` if there will be none.
    async fn called(
        &mut self,
        worker: &Worker,
        draining: Pin<&mut impl Future<Output = ()>>,
    ) -> Option<Box<Workspace>> {
        let Self { stream, alarm, .. } = self;
        let mut begun = pin!(async {
            // Until then it takes no memory.
            stream.readable().await.ok()?;
            let mut workspace = worker.workspaces.lend();
            workspace.inbound.begin(stream).await.then_some(workspace)
        });
        tokio::select! {
            biased;
            begun = alarm.within(worker.proxy.timeouts.keep_alive, begun.as_mut()) => {
                return begun.ok().flatten();
            }
            () = draining => {}
        }
        // A request that was there first is still served; of a new connection the runtime does not know what has
        // arrived before it has looked once.
        tokio::task::yield_now().await;
        timeout(Duration::ZERO, begun).await.ok().flatten()
    }

    /// Ends a connection on which the caller may still be sending: closing with unread bytes would make the
    /// kernel send a reset, and that can overtake the answer (RFC 9112 §9.6).
    async fn close(mut self, patience: Duration) {
        let linger = async {
            self.stream.shutdown().await?;
            let mut rest = vec![0; SWALLOWED];
            while self.stream.read(&mut rest).await? > 0 {}
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
/// What is read at once, to be thrown away.
const SWALLOWED: usize = 16 * 1024;
