//! A connection between the thread that accepted it and the one that will serve it.

use std::{net, os::unix, sync::Arc, time::Duration};

use tokio::net::{TcpStream, UnixStream};

use crate::downstream::{Peer, Stream, Tls};

/// A connection that nobody has read from. It belongs to no runtime, so that it can go to another thread.
#[derive(Debug)]
pub struct Accepted {
    socket: Socket,
    peer: Peer,
    is_admitted: bool,
}

#[derive(Debug)]
enum Socket {
    Tcp(net::TcpStream),
    Tls(net::TcpStream, Arc<Tls>),
    Unix(unix::net::UnixStream),
}

impl Accepted {
    pub(super) fn tcp(stream: net::TcpStream, address: net::SocketAddr, tls: Option<&Arc<Tls>>) -> Self {
        let socket = match tls {
            None => Socket::Tcp(stream),
            Some(tls) => Socket::Tls(stream, Arc::clone(tls)),
        };
        Self { socket, peer: Peer::Tcp(address), is_admitted: true }
    }

    pub(super) fn unix(stream: unix::net::UnixStream, uid: u32, is_admitted: bool) -> Self {
        Self { socket: Socket::Unix(stream), peer: Peer::Unix { uid }, is_admitted }
    }

    /// Who is there, as far as is known before a handshake.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether it is somebody who may come in by this door at all.
    pub fn is_admitted(&self) -> bool {
        self.is_admitted
    }

    /// Makes it a connection of this thread's runtime, after the TLS handshake if there must be one, which may take
    /// `patience`. `None` if nothing came of it, which has been counted. Dropped, it closes the connection.
    pub async fn open(self, patience: Duration) -> Option<(Stream, Peer)> {
        let Self { socket, peer, .. } = self;
        match (socket, peer) {
            (Socket::Tls(stream, tls), Peer::Tcp(address)) => {
                let tcp = TcpStream::from_std(stream).ok()?;
                // Boxed: it is over soon, and every connection would else keep room for it as long as it lives.
                Box::pin(tls.handshake(tcp, address, patience)).await
            }
            (socket, peer) => Some((plain(socket)?, peer)),
        }
    }

    /// The same without a handshake, to say a last word; `None` where that word would have to be encrypted: it is not
    /// worth what a handshake costs.
    pub fn open_for_farewell(self) -> Option<Stream> {
        plain(self.socket)
    }
}

fn plain(socket: Socket) -> Option<Stream> {
    match socket {
        Socket::Tcp(stream) => TcpStream::from_std(stream).ok().map(Stream::Tcp),
        Socket::Unix(stream) => UnixStream::from_std(stream).ok().map(Stream::Unix),
        Socket::Tls(..) => None,
    }
}
