//! Bytes to and from one peer, whatever they travel by.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

/// One connection. Read from and written to as any other.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TLS over TCP. On the heap, so that the plain ones need not be as large.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    /// Waits until a read will not: until there are bytes, an end or an error. Takes no memory meanwhile. Over TLS a
    /// read may still wait then, for the rest of a record. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Takes the one place that a socket has for whoever reads it, which costs less than to queue among those who wait.
    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => tcp.poll_read_ready(cx),
            Self::Unix(unix) => unix.poll_read_ready(cx),
            Self::Tls(tls) => {
                let (tcp, session) = tls.get_ref();
                // What was decrypted with the last record is in no socket any more.
                if session.wants_read() { tcp.poll_read_ready(cx) } else { Poll::Ready(Ok(())) }
            }
        }
    }

    /// The address of ours that the connection came to, if it came to one.
    pub fn arrived_at(&self) -> Option<IpAddr> {
        let tcp = match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Unix(_) => return None,
        };
        tcp.local_addr().ok().map(|ours| ours.ip())
    }

    /// Whether written bytes may rest here until the stream is flushed.
    pub fn must_be_flushed(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Whether the peer has closed its side, in order or not, with nothing unread before that.
    ///
    /// Asked of the kernel, since tokio knows only what its last look at all sockets told.
    pub fn has_left(&mut self) -> bool {
        match self {
            Self::Tcp(tcp) => is_at_end(&SockRef::from(&*tcp)),
            Self::Unix(unix) => is_at_end(&SockRef::from(&*unix)),
            // Here the end is a record (RFC 8446 §6.1), and only who decrypts it knows it from another.
            Self::Tls(tls) => {
                let (tcp, session) = tls.get_mut();
                let socket = SockRef::from(&*tcp);
                while session.wants_read() {
                    match session.read_tls(&mut Direct(&socket)) {
                        Ok(1..) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                        Ok(0) | Err(_) => return true,
                    }
                    match session.process_new_packets() {
                        Ok(state) if state.plaintext_bytes_to_read() > 0 => return false,
                        Ok(state) if state.peer_has_closed() => return true,
                        Ok(_) => {}
                        Err(_) => return true,
                    }
                }
                // Nothing to ask for: there is plaintext to be read, or the end has come before.
                session.process_new_packets().is_ok_and(|state| state.plaintext_bytes_to_read() == 0)
            }
        }
    }

    /// Waits until the peer has reset the connection, and so will read nothing more from it. Cancel safe.
    pub async fn until_reset(&self) {
        // With a reset there is an end to read.
        let _ = self.readable().await;
        loop {
            let ready = match self {
                Self::Tcp(tcp) => tcp.ready(Interest::ERROR).await,
                Self::Unix(unix) => unix.ready(Interest::ERROR).await,
                Self::Tls(tls) => tls.get_ref().0.ready(Interest::ERROR).await,
            };
            if !ready.is_ok_and(|ready| !ready.is_error()) {
                return;
            }
        }
    }

    /// Whether it has done so already: asked of the kernel, since the runtime knows only what it last heard.
    pub fn is_reset(&self) -> bool {
        let socket = match self {
            Self::Tcp(tcp) => SockRef::from(tcp),
            Self::Unix(unix) => SockRef::from(unix),
            Self::Tls(tls) => SockRef::from(tls.get_ref().0),
        };
        !matches!(socket.take_error(), Ok(None))
    }

    /// Has the connection end, once it is dropped, in a way that nobody takes for the end of an answer
    /// (RFC 9112 §8): with a reset, and over TLS without `close_notify`. A Unix socket has no reset: there the framing
    /// of the answer alone tells.
    pub fn reset(&self) {
        let tcp = match self {
            Self::Tcp(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
            Self::Unix(_) => return,
        };
        if let Err(error) = SockRef::from(tcp).set_linger(Some(Duration::ZERO)) {
            tracing::debug!(%error, "a connection could not be reset");
        }
    }

    /// Says that it ends in order, as far as that takes no waiting: to be called before it is dropped between two
    /// answers. Over TLS a peer could else not tell this from an attacker's cut (RFC 8446 §6.1).
    pub fn take_leave(&mut self) {
        if let Self::Tls(tls) = self {
            let (tcp, session) = tls.get_mut();
            session.send_close_notify();
            // Whether it gets there is no matter of ours any more.
            let _ = session.write_tls(&mut Direct(&SockRef::from(&*tcp)));
        }
    }
}

/// Whether the kernel has the peer's end of the connection and nothing before it.
fn is_at_end(socket: &SockRef<'_>) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match socket.peek(&mut byte) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// A socket that does not block, asked past the runtime.
struct Direct<'a>(&'a SockRef<'a>);

impl io::Read for Direct<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&**self.0).read(bytes)
    }
}

impl io::Write for Direct<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&**self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Unix(unix) => Pin::new(unix).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Unix(unix) => Pin::new(unix).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Unix(unix) => Pin::new(unix).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
