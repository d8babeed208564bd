//! The bytes of one connection, seen and spoilt.
//!
//! Between the socket and the HTTP stack sits a [`Tap`]. It keeps a copy of what was read since the last
//! request, from which the journal takes header fields in the order and case in which they were sent; and it can
//! put bytes before the answer, send others in its place, or break the connection. Faults use it for what an
//! HTTP library will not do.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// A connection of either kind.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Whether that was chosen in the handshake (RFC 7301); in the clear there is none to choose it in.
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        matches!(self, Self::Tls(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

/// A connection with a hand on it.
pub(super) struct Tap {
    socket: Socket,
    wire: Wire,
}

/// The hand. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Wire(Arc<Mutex<Script>>);

/// Not `Debug`: it holds what was read, bearer and all.
#[derive(Default)]
struct Script {
    read: Vec<u8>,
    before: Bytes,
    output: Output,
    broken: Option<Break>,
}

#[derive(Default)]
enum Output {
    /// What the HTTP stack writes.
    #[default]
    Answer,
    /// These bytes, and then the end, whatever the HTTP stack writes.
    Instead(Bytes),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// FIN.
    Close,
    /// RST.
    Reset,
}

impl Wire {
    /// What was read since this was asked last, up to [`KEPT`] bytes.
    pub(super) fn take_read(&self) -> Vec<u8> {
        self.with(|script| std::mem::take(&mut script.read))
    }

    /// Puts bytes before whatever is written next.
    pub(super) fn put_before(&self, bytes: Bytes) {
        self.with(|script| script.before = bytes);
    }

    /// Sends bytes in place of whatever is written next, and ends the connection.
    pub(super) fn put_instead(&self, bytes: Bytes) {
        self.with(|script| script.output = Output::Instead(bytes));
    }

    /// Ends the connection here.
    pub(super) fn sever(&self, how: Break) {
        self.with(|script| script.broken = Some(how));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tap {
    pub(super) fn new(socket: Socket) -> (Self, Wire) {
        let wire = Wire::default();
        (Self { socket, wire: wire.clone() }, wire)
    }

    /// Writes what goes before, or instead of, the answer. Ready once nothing of it is left.
    fn poll_script(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Turn>> {
        let Self { socket, wire } = self;
        let mut script = wire.0.lock().unwrap_or_else(PoisonError::into_inner);
        if script.broken.is_some() {
            return Poll::Ready(Err(severed()));
        }
        while !script.before.is_empty() {
            let written = ready!(poll_write(socket, cx, &script.before))?;
            script.before.advance(written);
        }
        let Output::Instead(bytes) = &mut script.output else { return Poll::Ready(Ok(Turn::Answer)) };
        while !bytes.is_empty() {
            let written = ready!(poll_write(socket, cx, bytes))?;
            bytes.advance(written);
        }
        ready!(poll_flush(socket, cx))?;
        script.broken = Some(Break::Close);
        Poll::Ready(Ok(Turn::Swallow))
    }
}

/// What becomes of what the HTTP stack writes now.
enum Turn {
    Answer,
    Swallow,
}

impl AsyncRead for Tap {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.wire.with(|script| script.broken.is_some()) {
            return Poll::Ready(Err(severed()));
        }
        let before = into.filled().len();
        ready!(match &mut this.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Socket::Tls(tls) => Pin::new(tls).poll_read(cx, into),
        })?;
        let read = &into.filled()[before..];
        this.wire.with(|script| {
            let room = KEPT.saturating_sub(script.read.len());
            script.read.extend_from_slice(&read[..read.len().min(room)]);
        });
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match ready!(this.poll_script(cx))? {
            Turn::Answer => poll_write(&mut this.socket, cx, bytes),
            Turn::Swallow => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll_flush(&mut self.get_mut().socket, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Socket::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        if self.wire.with(|script| script.broken) == Some(Break::Reset) {
            // Closing with no time to linger discards what is unsent and sends RST; that it fails when the peer
            // has gone first is as good.
            let _ = self.socket.tcp().set_zero_linger();
        }
    }
}

fn poll_write(socket: &mut Socket, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    match socket {
        Socket::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
        Socket::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
    }
}

fn poll_flush(socket: &mut Socket, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    match socket {
        Socket::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
        Socket::Tls(tls) => Pin::new(tls).poll_flush(cx),
    }
}

fn severed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection is severed on purpose")
}

/// How much of what is read between two requests is kept, in bytes: enough for any head.
const KEPT: usize = 64 * 1024;
