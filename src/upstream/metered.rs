//! What goes over one TCP connection, below TLS.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Counts what the kernel accepted, which is the last place where "nothing was sent" can be known; and reads ahead for
/// TLS.
#[derive(Debug)]
pub(super) struct Metered {
    tcp: TcpStream,
    written: u64,
    reads_ahead: bool,
    /// What was read and not asked for yet: those bytes from `taken` on.
    ahead: Vec<u8>,
    taken: usize,
}

impl Metered {
    pub(super) fn plain(tcp: TcpStream) -> Self {
        Self { tcp, written: 0, reads_ahead: false, ahead: Vec::new(), taken: 0 }
    }

    /// rustls asks for 4 KiB at a time, which would cut a record of 16 KiB into five reads.
    pub(super) fn below_tls(tcp: TcpStream) -> Self {
        Self { reads_ahead: true, ..Self::plain(tcp) }
    }

    /// Bytes handed to the kernel so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Whether nothing of the peer's is here or in the kernel: no byte, no end, no error.
    ///
    /// Asked of the kernel, since tokio knows only what its last look at all sockets told, and a close may have
    /// come since.
    pub(super) fn is_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        // The socket does not block, so that nothing there is an error of this kind.
        let peeked = SockRef::from(&self.tcp).peek(&mut byte);
        !self.has_ahead() && peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    fn has_ahead(&self) -> bool {
        self.taken < self.ahead.len()
    }

    /// Hands over what was read before.
    fn hand_over(&mut self, buf: &mut ReadBuf<'_>) {
        let rest = &self.ahead[self.taken..];
        let part = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(part);
        self.taken += part.len();
        if !self.has_ahead() {
            // With its memory: this may be all for long.
            self.ahead = Vec::new();
            self.taken = 0;
        }
    }
}

impl AsyncRead for Metered {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let metered = self.get_mut();
        if metered.has_ahead() {
            metered.hand_over(buf);
            return Poll::Ready(Ok(()));
        }
        if !metered.reads_ahead || buf.remaining() >= AHEAD {
            return Pin::new(&mut metered.tcp).poll_read(cx, buf);
        }
        #[expect(
            clippy::large_stack_arrays,
            reason = "of a worker's 2 MiB, and only written as far as bytes come"
        )]
        let mut bytes = [const { MaybeUninit::uninit() }; AHEAD];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut metered.tcp).poll_read(cx, &mut read))?;
        let (wanted, ahead) = read.filled().split_at(read.filled().len().min(buf.remaining()));
        buf.put_slice(wanted);
        metered.ahead.extend_from_slice(ahead);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let metered = self.get_mut();
        let written = Pin::new(&mut metered.tcp).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            metered.written += *bytes as u64;
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}

/// The largest record of TLS (RFC 8446 §5.2: 2^14 + 256 bytes, and five before them), and some more.
const AHEAD: usize = 17 * 1024;
