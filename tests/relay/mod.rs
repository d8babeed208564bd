//! A long way to upstream, on a thread of its own: what it passes on arrives later, and what stays silent for too long
//! is closed.
//!
//! The kernel answers a TCP handshake on its own, within microseconds. What that would take over a long way is put on
//! the first bytes, so that a new connection costs what it costs in earnest: one round trip, and those of TLS.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, mpsc as blocking},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

/// What the way is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    /// How long a byte takes, each way.
    pub(crate) delay: Duration,
    /// After how much silence upstream's end closes a connection, if it does.
    pub(crate) idle_limit: Option<Duration>,
}

/// Passes on until it is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    seen: watch::Receiver<Seen>,
    _stop: oneshot::Sender<()>,
}

/// What has passed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Connections accepted.
    pub(crate) opened: u64,
    /// Those of them that were silent for too long.
    pub(crate) timed_out: u64,
}

impl Relay {
    /// To `upstream`.
    pub(crate) fn start(upstream: SocketAddr, way: Way) -> io::Result<Self> {
        let (ready, address) = blocking::channel();
        let (stop, stopped) = oneshot::channel();
        let (seen, watched) = watch::channel(Seen::default());
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("relay".to_owned()).spawn(move || {
            runtime.block_on(async {
                let bound = TcpListener::bind("127.0.0.1:0").await;
                let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
                let listener = match bound {
                    Ok((address, listener)) => {
                        // Whoever starts this waits for it.
                        let _ = ready.send(Ok(address));
                        listener
                    }
                    Err(error) => return drop(ready.send(Err(error))),
                };
                let seen = Arc::new(seen);
                tokio::select! {
                    () = accept(&listener, upstream, way, &seen) => {}
                    // The sender says nothing: that it is gone is the message.
                    _ = stopped => {}
                }
            });
        })?;
        let address = address.recv().map_err(io::Error::other)??;
        Ok(Self { address, seen: watched, _stop: stop })
    }

    /// What has passed by until now.
    pub(crate) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until enough has.
    #[allow(dead_code, reason = "the bench waits for other things")]
    pub(crate) async fn has_seen(&self, enough: impl FnMut(&Seen) -> bool) {
        // It outlives whoever waits here.
        let _ = self.seen.clone().wait_for(enough).await;
    }
}

async fn accept(listener: &TcpListener, upstream: SocketAddr, way: Way, seen: &Arc<watch::Sender<Seen>>) {
    while let Ok((near, _)) = listener.accept().await {
        seen.send_modify(|seen| seen.opened += 1);
        let seen = Arc::clone(seen);
        tokio::spawn(async move {
            // Either end may break it off, and that is all there is to say.
            let _ = pass_on(near, upstream, way, &seen).await;
        });
    }
}

async fn pass_on(
    near: TcpStream,
    upstream: SocketAddr,
    way: Way,
    seen: &watch::Sender<Seen>,
) -> io::Result<()> {
    let far = TcpStream::connect(upstream).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    let (heard, silence) = watch::channel(Instant::now());
    let handshake = Instant::now() + 2 * way.delay;
    tokio::select! {
        there = async {
            tokio::try_join!(
                flow(from_near, to_far, way.delay, handshake, &heard),
                flow(from_far, to_near, way.delay, handshake, &heard),
            )
        } => there.map(drop),
        () = silent_for(way.idle_limit, silence) => {
            // The close is on its way for as long as a byte would be.
            tokio::time::sleep(way.delay).await;
            seen.send_modify(|seen| seen.timed_out += 1);
            Ok(())
        }
    }
}

/// Passes bytes on in one direction, each `delay` after it came and none before the handshake is over; and then the
/// end.
async fn flow(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    delay: Duration,
    handshake: Instant,
    heard: &watch::Sender<Instant>,
) -> io::Result<()> {
    let (on_the_way, mut arriving) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        loop {
            let mut bytes = Vec::with_capacity(16 * 1024);
            let count = from.read_buf(&mut bytes).await?;
            let now = Instant::now();
            heard.send_replace(now);
            // Its receiver lives as long as this does.
            let _ = on_the_way.send((now.max(handshake) + delay, bytes));
            if count == 0 {
                return io::Result::Ok(());
            }
        }
    };
    let write = async move {
        while let Some((at, bytes)) = arriving.recv().await {
            sleep_until(at).await;
            if bytes.is_empty() {
                break;
            }
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}

/// Waits until nothing has passed in either direction for that long.
async fn silent_for(limit: Option<Duration>, mut last: watch::Receiver<Instant>) {
    let Some(limit) = limit else { return std::future::pending().await };
    loop {
        let at = *last.borrow_and_update() + limit;
        tokio::select! {
            () = sleep_until(at) => return,
            _ = last.changed() => {}
        }
    }
}
