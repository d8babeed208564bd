//! File descriptors: one for each connection, on both sides.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy::Limits;

/// Raises the soft limit as far as the system lets, and says so where it is too low for the connections that may
/// be open: those left over would fail as if Tradovate could not be reached.
pub fn raise_descriptor_limit(limits: &Limits) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // A connection from a caller, one to upstream, and what the process itself has open.
    let wanted = 2 * limits.connections as u64 + RESERVE;
    if let Some(limit) = limit.filter(|&limit| limit < wanted) {
        tracing::warn!(
            limit,
            wanted,
            "too few file descriptors for limits.connections: raise the limit on open files (ulimit -n), or lower that setting"
        );
    }
}

const RESERVE: u64 = 64;
