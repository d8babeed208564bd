//! Connections from callers and operators: where they come in, and who is at the other end.
//!
//! ```text
//! control thread                     worker thread
//! Listeners ── accept ──▶ Accepted ──── open ──▶ Stream + Peer
//!  TCP                     a socket      │         reads and writes alike, whatever it came by
//!  Unix socket             and its peer  └ TLS handshake, client certificate
//! ```
//!
//! Accepting must never wait for a peer, so a handshake runs where its connection will live, within a bound of time and
//! of number. A plain TCP connection, the usual one, is one branch that always goes the same way: no box, no dynamic
//! call.
//!
//! | way in | who that is | how its connection is broken off |
//! |---|---|---|
//! | TCP | an address, which proves nothing | reset |
//! | TCP with TLS | the same | reset, and so without `close_notify` |
//! | TCP with TLS and client certificates | the name in the certificate | the same |
//! | Unix socket | the user of the process, as the kernel saw it connect | closed: there is no reset for it |
//!
//! The last cell is why an answer over a Unix socket must carry its own end, as every one in HTTP/1.1 does: only an
//! HTTP/1.0 caller of an answer of unknown length cannot tell its end from its being cut off.

mod accepted;
mod address;
mod listeners;
mod metrics;
mod peer;
mod socket_access;
mod socket_file;
mod stream;
mod tls;

pub use self::{
    accepted::Accepted,
    address::{Address, AddressError, Addresses},
    listeners::{Listeners, Unbound},
    metrics::Metrics,
    peer::Peer,
    socket_access::{Openness, SocketAccess},
    stream::Stream,
    tls::{Identity, Tls, Unusable},
};
