//! What the data path allows itself, and how long it waits: the settings of [`crate::proxy`].

use std::time::Duration;

/// Upper bounds on what callers may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Request body, in bytes; above it 413.
    pub body_bytes: usize,
    /// Request line and header fields together, in bytes; above it 431 (or 414 when the target alone is it).
    pub head_bytes: usize,
    /// Open downstream connections; above it a connection is told 503 and closed.
    pub connections: usize,
    /// What bodies above 16 KiB take of memory in sum, in bytes, on all workers; above it 503.
    pub buffered_bytes: usize,
    /// Requests between their last byte read and their last byte answered; above it 503.
    pub concurrent_requests: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            head_bytes: 16 * 1024,
            connections: 4096,
            buffered_bytes: 64 * 1024 * 1024,
            concurrent_requests: 1024,
        }
    }
}

/// How long the data path waits for callers, and for the first token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request head to its last.
    pub head: Duration,
    /// From the last byte of a request head to the last of its body. Without it, a byte now and then would hold
    /// a connection for ever.
    pub body: Duration,
    /// Between two bytes of a request body, or two that the caller takes of a response.
    pub body_idle: Duration,
    /// An idle connection is closed after this long.
    pub keep_alive: Duration,
    /// How long a request waits for a token before it gets 503.
    pub token: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(60),
            body_idle: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            // A login takes well under a second; whoever waits longer is told so within two.
            token: Duration::from_millis(1500),
        }
    }
}
