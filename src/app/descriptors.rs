//! File descriptors: one for each connection, on both sides.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    config::{Config, Purpose},
    server::MOST_FAREWELLS,
};

/// Raises the soft limit as far as the system lets, and returns how many connections from callers may be open.
///
/// That is `limits.connections`, unless there are too few descriptors for so many: then callers could take those
/// that lead to Tradovate, and whoever has a connection would be told that Tradovate cannot be reached, the login
/// too. So callers get what is left over, and the rest of them a 503.
pub fn raise_descriptor_limit(config: &Config, purpose: Purpose) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let wanted = config.limits.connections;
    let Some(limit) = limit else { return wanted };
    let allowed =
        connections_within(limit, config.workers.get() as u64, config.upstream_warm as u64, purpose);
    if allowed >= wanted as u64 {
        return wanted;
    }
    tracing::warn!(
        limit,
        connections = allowed,
        wanted,
        "too few file descriptors for limits.connections, so fewer callers may connect: raise the limit on open files (ulimit -n), or lower that setting"
    );
    usize::try_from(allowed).unwrap_or(wanted)
}

/// How many connections from callers leave room for everything else within `limit` descriptors.
fn connections_within(limit: u64, workers: u64, warm: u64, purpose: Purpose) -> u64 {
    // A connection to upstream may have its other end here too.
    let to_upstream = match purpose {
        Purpose::Serve => 1,
        Purpose::Sandbox => 2,
    };
    // One from the caller, one to upstream.
    let each = 1 + to_upstream;
    // One more than wait: the next is opened before the last is closed.
    let waiting = if warm == 0 { 0 } else { (warm + 1) * to_upstream };
    let reserved = OWN + MOST_FAREWELLS as u64 + (PER_WORKER + waiting) * workers;
    // Where the limit is so low, not all that is reserved is needed at once.
    (limit.saturating_sub(reserved) / each).max(limit / (4 * each)).max(1)
}

/// Listeners, the admin listener's connections, the session's own calls and name lookups, log and state files.
const OWN: u64 = 96;
/// A runtime's.
const PER_WORKER: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_get_what_is_left_over() {
        for (limit, workers, connections) in
            [(1 << 20, 2, 524_220), (1024, 2, 444), (256, 2, 60), (256, 16, 32), (64, 2, 8), (1, 1, 1)]
        {
            assert_eq!(
                connections_within(limit, workers, 0, Purpose::Serve),
                connections,
                "{limit} {workers}"
            );
            for warm in [0, 2] {
                let waiting = connections_within(limit, workers, warm, Purpose::Serve);
                assert!(waiting <= connections);
                assert!(connections_within(limit, workers, warm, Purpose::Sandbox) <= waiting);
            }
        }
        assert_eq!(connections_within(1024, 2, 2, Purpose::Serve), 441);
    }
}
