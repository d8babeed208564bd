//! Accepting, by whichever door, in a way that cannot fail.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use crate::downstream::{Accepted, Address, Addresses, SocketAccess, Tls, socket_file::SocketFile};

/// Listeners that are bound. Dropped, they are closed, and the files of their sockets removed.
#[derive(Debug)]
pub struct Listeners(Vec<Listener>);

#[derive(Debug)]
enum Listener {
    Tcp {
        socket: TcpListener,
        tls: Option<Arc<Tls>>,
    },
    /// The file goes first: while its socket is open, no other file can have its inode.
    Unix {
        file: SocketFile,
        socket: UnixListener,
        access: SocketAccess,
    },
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct Unbound {
    /// The address.
    pub address: Address,
    /// Why not.
    pub error: io::Error,
}

impl Listeners {
    /// Binds all of them, or none. TCP speaks `tls` if there is one; Unix sockets let in whom `access` says. Must be
    /// called in a runtime.
    ///
    /// # Errors
    /// With the first address that cannot be listened on.
    pub fn bind(
        addresses: &Addresses,
        tls: Option<&Arc<Tls>>,
        access: &SocketAccess,
    ) -> Result<Self, Unbound> {
        let mut listeners = Vec::new();
        for address in addresses.iter() {
            let unbound = |error| Unbound { address: address.clone(), error };
            listeners.push(match address {
                Address::Tcp(address) => {
                    Listener::Tcp { socket: bind_tcp(*address).map_err(unbound)?, tls: tls.cloned() }
                }
                Address::Unix(path) => {
                    let (socket, file) = SocketFile::bind(path, access.openness).map_err(unbound)?;
                    let socket = UnixListener::from_std(socket).map_err(unbound)?;
                    Listener::Unix { socket, file, access: access.clone() }
                }
            });
        }
        Ok(Self(listeners))
    }

    /// Where they listen, with the ports that were chosen.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn addresses(&self) -> io::Result<Addresses> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp { socket, .. } => socket.local_addr().map(Address::Tcp),
            Listener::Unix { file, .. } => Ok(Address::Unix(file.path().to_owned())),
        };
        self.0.iter().map(address).collect::<io::Result<_>>().map(Addresses::of)
    }

    /// Accepts the next connection, waiting out whatever prevents it, and for nothing that a peer does. Cancel safe.
    pub async fn accept(&self) -> Accepted {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(accepted) => return accepted,
                // The caller's own doing: the next one may be waiting already.
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: the connection stays in the queue, so trying again at once
                    // would only spin.
                    tracing::error!(%error, "cannot accept connections; raise the limit on open files (ulimit -n) or lower limits.connections");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Begins anywhere, so that no flood of one listener keeps the others waiting.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let start = if self.0.len() > 1 { fastrand::usize(..self.0.len()) } else { 0 };
        let (first, rest) = self.0.split_at(start);
        for listener in rest.iter().chain(first) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

impl Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp { socket, tls } => socket.poll_accept(cx).map(|accepted| {
                let (stream, address) = accepted?;
                // A reply is one write; waiting to fill a segment could only delay it. It fails where the peer has
                // left already.
                let moved = stream.set_nodelay(true).and_then(|()| stream.into_std());
                moved.map(|stream| Accepted::tcp(stream, address, tls.as_ref())).map_err(about_one_connection)
            }),
            Self::Unix { socket, access, .. } => socket.poll_accept(cx).map(|accepted| {
                let (stream, _) = accepted?;
                let peer = stream.peer_cred().and_then(|peer| Ok((peer.uid(), stream.into_std()?)));
                let (uid, stream) = peer.map_err(about_one_connection)?;
                Ok(Accepted::unix(stream, uid, access.admits(uid)))
            }),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // As tokio's own `bind` does: an address is free again as soon as the process before has left it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    if address.ip().is_loopback() {
        // Connections inherit it. Loopback has neither losses nor a rate to find, and BBR, which some systems use by
        // default, paces its segments by timers there. Where it cannot be had, nothing is lost but that.
        let _ = SockRef::from(&socket).set_tcp_congestion(b"reno");
    }
    socket.listen(BACKLOG)
}

fn about_one_connection(error: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, error)
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

/// Connections that may wait to be accepted; the system may allow fewer (`net.core.somaxconn`). To one more the kernel
/// says nothing, and its caller tries again after a second.
pub(super) const BACKLOG: u32 = 4096;
const PAUSE: Duration = Duration::from_millis(200);
