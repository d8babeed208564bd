//! Accepting connections, sharing them out, and draining.
//!
//! One thread accepts; each worker thread has a runtime of its own and keeps the connections it was given. So a
//! request never leaves its thread: its pool of upstream connections, its buffers and its counters need no lock.
//! The acceptor gives each new connection to the worker with the fewest, so a handful of long-lived connections
//! (what a trader has) spread evenly, which the kernel's own distribution by hash would not promise, and no
//! worker's warm upstream connections lie idle while another's callers wait.
//!
//! Drain: stop accepting, let idle connections go, let requests finish, and after a bound break off the rest. Each one
//! that is broken off, by that bound or by whoever insists, says what it was before the process ends.

mod farewells;
mod workers;

pub use farewells::MOST_FAREWELLS;
pub use workers::{Ended, ServeError, Workers};

#[cfg(test)]
mod tests;
