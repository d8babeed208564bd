//! A connection that says what it was told to, piece by piece, and then ends: for fuzzing.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use prometheus::Registry;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    bearer::Bearer,
    origin::Origin,
    upstream::{Answer, Connector, Metrics, Timeouts, Upstream, connect::Stream, http1::Http1, tls},
};

/// What is still to be read, and nothing of what was written.
#[derive(Debug)]
pub(super) struct Script(VecDeque<Vec<u8>>);

impl AsyncRead for Script {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let script = &mut self.get_mut().0;
        if let Some(piece) = script.front_mut() {
            let now = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..now]);
            piece.drain(..now);
            if piece.is_empty() {
                script.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Upstream {
    /// One that connects to nothing. Within a `LocalSet`, as [`new`](Self::new).
    ///
    /// # Panics
    /// Never: nothing in it comes from outside.
    pub(crate) fn scripted() -> Self {
        let tls = tls::client_config(&[], tls::Alpn::Http1).expect("nothing in it is ours");
        let connector = Connector::new(Arc::new(tls), Timeouts::default());
        let metrics = Metrics::register(&Registry::new()).expect("the registry is empty");
        Self::new(connector, 16 * 1024, 0, metrics)
    }

    /// The answer that consists of `pieces`, none of them empty, to a request that was sent.
    ///
    /// # Panics
    /// Never: nothing in it comes from outside.
    pub(crate) fn answering(&self, origin: &Arc<Origin>, pieces: VecDeque<Vec<u8>>, to_head: bool) -> Answer {
        self.turn_to(origin);
        let connection = Box::new(Http1::awaiting(Stream::Scripted(Script(pieces)), to_head));
        // Too short to be looked for in the answer: `hygiene::echo` has tests of its own.
        let bearer = Bearer::new(&"scripted".into()).expect("it is b64token");
        Answer::awaited(self.clone(), Arc::clone(origin), connection, self.count_active(), bearer)
    }
}
