//! Names for the session calls.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use crate::origin::loopback_addresses;

/// DNS, except for the names that are this machine's own (RFC 6761 §6.3), as on the data path: both must reach the
/// same host by the same name.
#[derive(Debug)]
pub(super) struct LocalFirst;

impl Resolve for LocalFirst {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str();
            // reqwest puts the port in place of zero.
            let addresses: Addrs = match loopback_addresses(name) {
                Some(addresses) => Box::new(addresses.map(|address| SocketAddr::new(address, 0)).into_iter()),
                None => Box::new(lookup_host((name, 0)).await?.collect::<Vec<_>>().into_iter()),
            };
            Ok(addresses)
        })
    }
}
