//! How long each step towards upstream may take.

use std::time::Duration;

/// One bound per step, so that an error can say which step was slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution and TCP handshake.
    pub connect: Duration,
    /// TLS handshake.
    pub tls: Duration,
    /// From the request's last byte sent to the response head's last byte.
    pub response_head: Duration,
    /// Between two bytes of a response body.
    pub body_idle: Duration,
    /// How long an unused connection is kept. Below the broker's own limit, so that it is us who close.
    pub pool_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(5),
            response_head: Duration::from_secs(30),
            body_idle: Duration::from_secs(30),
            pool_idle: Duration::from_secs(25),
        }
    }
}
