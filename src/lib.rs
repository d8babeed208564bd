//! tradovate-proxy: the one place that owns a Tradovate session.
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that fails should say where"))]

pub mod auth;
pub mod bearer;
pub mod clock;
pub mod origin;
pub mod proxy;
pub mod upstream;
