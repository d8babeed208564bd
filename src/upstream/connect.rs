//! Opening a connection: TCP, then TLS, each with its own bound.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

#[cfg(any(test, fuzzing))]
use crate::upstream::scripted::Script;
#[cfg(test)]
use crate::upstream::staged::{Pipe, Stage};
use crate::{
    origin::{Origin, loopback_addresses},
    upstream::{Timeouts, UpstreamError, metered::Metered, tls},
};

/// Opens connections. Follows no proxy setting of the environment.
#[derive(Clone, Debug)]
pub struct Connector {
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
    #[cfg(test)]
    pub(super) stage: Option<Stage>,
}

/// What was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Connector {
    /// A connector with this TLS configuration.
    pub fn new(tls: Arc<ClientConfig>, timeouts: Timeouts) -> Self {
        Self {
            tls,
            timeouts,
            #[cfg(test)]
            stage: None,
        }
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    pub(super) async fn connect(&self, origin: &Origin) -> Result<(Stream, Protocol), UpstreamError> {
        #[cfg(test)]
        if let Some(stage) = &self.stage {
            return stage.connect(origin).await;
        }
        let tcp = timeout(self.timeouts.connect, self.connect_tcp(origin))
            .await
            .map_err(|_| UpstreamError::ConnectTimeout)?
            .map_err(UpstreamError::Connect)?;
        tune(&tcp).map_err(UpstreamError::Connect)?;
        if !origin.is_tls() {
            return Ok((Stream::Plain(Metered::plain(tcp)), Protocol::Http1));
        }
        let name = ServerName::try_from(origin.host().to_owned())
            .map_err(|error| UpstreamError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let stream = timeout(
            self.timeouts.tls,
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, Metered::below_tls(tcp)),
        )
        .await
        .map_err(|_| UpstreamError::TlsTimeout)?
        .map_err(UpstreamError::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        Ok((Stream::Tls(Box::new(stream)), protocol))
    }
}

impl Connector {
    /// Tries the addresses of the name in their order, each for its share of the time, so that one that swallows
    /// packets (a broken IPv6, say) does not use up all of it.
    async fn connect_tcp(&self, origin: &Origin) -> io::Result<TcpStream> {
        let addresses = resolve(origin).await?;
        let share = self.timeouts.connect / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failure)
    }
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    // A request is one write; waiting to fill a segment could only delay it.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&PROBES)?;
    if tcp.peer_addr()?.ip().is_loopback() {
        // As on our own listeners: loopback has neither losses nor a rate to find.
        let _ = socket.set_tcp_congestion(b"reno");
    }
    Ok(())
}

async fn resolve(origin: &Origin) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = (origin.host(), origin.port());
    match loopback_addresses(host) {
        Some(addresses) => Ok(addresses.map(|address| (address, port).into()).to_vec()),
        None => Ok(lookup_host((host, port)).await?.collect()),
    }
}

/// A connection to upstream that knows how many bytes it has handed to the kernel.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Metered),
    Tls(Box<TlsStream<Metered>>),
    /// No connection at all.
    #[cfg(any(test, fuzzing))]
    Scripted(Script),
    #[cfg(test)]
    Staged(Pipe),
}

impl Stream {
    /// Bytes handed to the kernel so far, TLS records and handshake included.
    pub(super) fn written(&self) -> u64 {
        match self {
            Self::Plain(metered) => metered.written(),
            Self::Tls(tls) => tls.get_ref().0.written(),
            #[cfg(any(test, fuzzing))]
            Self::Scripted(_) => 0,
            #[cfg(test)]
            Self::Staged(_) => 0,
        }
    }

    /// Whether nothing of the peer's is here or on its way through the kernel.
    pub(super) fn is_silent(&self) -> bool {
        match self {
            Self::Plain(metered) => metered.is_silent(),
            Self::Tls(tls) => {
                let (metered, session) = tls.get_ref();
                // What was decrypted with the last record is in no socket any more.
                session.wants_read() && metered.is_silent()
            }
            #[cfg(any(test, fuzzing))]
            Self::Scripted(_) => false,
            #[cfg(test)]
            Self::Staged(_) => true,
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(metered) => Pin::new(metered).poll_read(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
            #[cfg(any(test, fuzzing))]
            Self::Scripted(script) => Pin::new(script).poll_read(cx, buf),
            #[cfg(test)]
            Self::Staged(pipe) => Pin::new(pipe).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(metered) => Pin::new(metered).poll_write(cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
            #[cfg(any(test, fuzzing))]
            Self::Scripted(script) => Pin::new(script).poll_write(cx, buf),
            #[cfg(test)]
            Self::Staged(pipe) => Pin::new(pipe).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(metered) => Pin::new(metered).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
            #[cfg(any(test, fuzzing))]
            Self::Scripted(script) => Pin::new(script).poll_flush(cx),
            #[cfg(test)]
            Self::Staged(pipe) => Pin::new(pipe).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(metered) => Pin::new(metered).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
            #[cfg(any(test, fuzzing))]
            Self::Scripted(script) => Pin::new(script).poll_shutdown(cx),
            #[cfg(test)]
            Self::Staged(pipe) => Pin::new(pipe).poll_shutdown(cx),
        }
    }
}

/// What the kernel does while nothing comes, so that one whose way has died without a word (a link that went
/// away, an address translation that was forgotten) is closed, and replaced, before an order is sent on it: within
/// eleven seconds. It also keeps such a translation in mind.
///
/// The kernel knows nothing of requests: one that was acknowledged and waits for its answer on a way that dies is cut
/// off after the same eleven seconds, which may be before [`Timeouts::response_head`], and what came of it is unknown.
/// To probe only what waits would cost two system calls a request.
///
/// `TCP_USER_TIMEOUT` is not set: it would take the place of the count of probes, and also bound how long bytes that
/// were written may go without acknowledgement, on a way that may yet recover.
const PROBES: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(5))
    .with_interval(Duration::from_secs(2))
    .with_retries(3);
