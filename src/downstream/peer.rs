//! Who is at the other end.

use std::{fmt, net::SocketAddr, sync::Arc};

/// Who is at the other end of a connection, as far as the connection itself proves it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at this address, which anyone who reaches the port may have.
    Tcp(SocketAddr),
    /// A process of this user, by the word of the kernel.
    Unix {
        /// The user's id, in our user namespace.
        uid: u32,
    },
    /// Whoever has the key of a certificate that our client authority signed.
    Certificate {
        /// The first DNS name of the certificate, else its first URI, else `sha256:` and its digest.
        name: Arc<str>,
        /// Where the connection comes from.
        address: SocketAddr,
    },
}

impl Peer {
    /// Whether it runs on this machine, or in this network namespace.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) | Self::Certificate { address, .. } => {
                address.ip().to_canonical().is_loopback()
            }
            Self::Unix { .. } => true,
        }
    }

    /// The name in its certificate, if it had to show one.
    pub fn certified(&self) -> Option<&str> {
        match self {
            Self::Certificate { name, .. } => Some(name),
            Self::Tcp(_) | Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { uid } => write!(f, "uid {uid}"),
            Self::Certificate { name, address } => write!(f, "{name} at {address}"),
        }
    }
}
