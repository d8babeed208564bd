//! Who may look, and who may give orders.

use std::net::IpAddr;

use http::{Request, Version, header::HOST};

use crate::{
    admin::Inner,
    callers::{Caller, Signs, Stranger},
    downstream::Peer,
};

/// Both ends of a connection.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    /// Who called.
    pub(super) peer: Peer,
    /// Where the connection came to, if the system tells.
    pub(super) local: Option<IpAddr>,
}

/// Lets a request in, by the rules of every listener.
pub(super) fn admit<B>(admin: &Inner, ends: &Ends, request: &Request<B>) -> Result<Caller, Stranger> {
    // A target in absolute form overrides Host (RFC 9112 §3.2.2): a client that makes them differ says nothing.
    if let Some(target) = request.uri().authority() {
        let host = request.headers().get(HOST).map_or(&b""[..], |host| host.as_bytes());
        if !target.as_str().as_bytes().eq_ignore_ascii_case(host) {
            return Err(Stranger::BadHost);
        }
    }
    let fields = request.headers().iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
    let signs = Signs::read(request.version() == Version::HTTP_10, fields);
    admin.facts.operators.admit(&signs, ends.peer.certified(), || ends.local)
}

/// Whether that caller may give orders. Where the listener is open to other machines without keys, for a scraper, it is
/// open for looking only.
pub(super) fn may_give_orders(caller: &Caller, ends: &Ends) -> bool {
    caller.is_named() || ends.peer.is_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_come_from_this_machine_or_from_somebody_known() {
        let ends =
            |peer: &str| Ends { peer: Peer::Tcp((peer.parse::<IpAddr>().unwrap(), 1).into()), local: None };
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert!(may_give_orders(&Caller::Local, &ends(local)), "{local}");
        }
        for remote in ["10.0.0.7", "192.168.1.2", "::ffff:10.0.0.7", "fe80::1"] {
            assert!(!may_give_orders(&Caller::Local, &ends(remote)), "{remote}");
            assert!(may_give_orders(&"desk".parse().unwrap(), &ends(remote)), "{remote}");
        }
    }
}
