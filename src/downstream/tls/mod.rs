//! TLS towards callers: the handshake, its bounds, and who they turn out to be.
//!
//! A peer that has not proved anything costs as little as can be: until its first byte no buffer is made for it; then it
//! is one of a bounded number, within a bounded time. What is in force is one immutable [`Identity`]; a new one takes its
//! place for handshakes from then on, and connections that are there go on.

mod identity;
mod name;
mod plain;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

pub use self::identity::{Identity, Unusable};
use crate::downstream::{
    Metrics, Peer, Stream,
    metrics::Handshake,
    tls::{name::name_in, plain::answer_in_plain},
};

/// What the TLS listeners of a process share.
#[derive(Debug)]
pub struct Tls {
    identity: ArcSwap<Identity>,
    /// Handshakes under way, on all threads.
    under_way: AtomicUsize,
    metrics: Metrics,
}

impl Tls {
    /// Handshakes with this identity, until there is another one.
    pub fn new(identity: Identity, metrics: Metrics) -> Arc<Self> {
        Arc::new(Self { identity: ArcSwap::from_pointee(identity), under_way: AtomicUsize::new(0), metrics })
    }

    /// Takes another identity for handshakes from now on.
    pub fn replace(&self, identity: Identity) {
        self.identity.store(Arc::new(identity));
    }

    /// Performs a handshake within `patience`; `None` if nothing came of it.
    pub(super) async fn handshake(
        &self,
        tcp: TcpStream,
        address: SocketAddr,
        patience: Duration,
    ) -> Option<(Stream, Peer)> {
        let ended = timeout(patience, self.attempt(tcp)).await.unwrap_or(Err(Handshake::Slow));
        self.metrics.ended(*ended.as_ref().err().unwrap_or(&Handshake::Done));
        match ended {
            Ok(stream) => {
                let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                let peer = certificate.map_or(Peer::Tcp(address), |certificate| Peer::Certificate {
                    name: name_in(certificate),
                    address,
                });
                Some((Stream::Tls(stream), peer))
            }
            Err(ending) => {
                tracing::debug!(%address, ?ending, "no TLS connection");
                None
            }
        }
    }

    async fn attempt(&self, tcp: TcpStream) -> Result<Box<TlsStream<TcpStream>>, Handshake> {
        let mut first = [0];
        if !matches!(tcp.peek(&mut first).await, Ok(1)) {
            return Err(Handshake::Left);
        }
        // A handshake begins with 22 (RFC 8446 §5.1), HTTP with a letter (RFC 9110 §9.1).
        if first[0].is_ascii_alphabetic() {
            answer_in_plain(tcp).await;
            return Err(Handshake::Plain);
        }
        let place = self.place().ok_or(Handshake::Crowded)?;
        let acceptor = TlsAcceptor::from(Arc::clone(&self.identity.load().config));
        match acceptor.accept(tcp).into_fallible().await {
            Ok(stream) => Ok(Box::new(stream)),
            Err((error, tcp)) => {
                drop(place);
                tracing::debug!(%error, "a TLS handshake failed");
                // An alert says why. In TLS 1.3 a client may have sent its request already, and with that unread the
                // connection would end in a reset, which can overtake the alert.
                plain::linger(tcp).await;
                Err(Handshake::Failed)
            }
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        let place = Place(&self.under_way);
        (place.0.fetch_add(1, Ordering::Relaxed) < MOST).then_some(place)
    }
}

/// One of the handshakes under way.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Far more than callers ever open at once; and what that many peers who prove nothing can hold is some megabytes.
const MOST: usize = 256;

#[cfg(test)]
mod tests;
