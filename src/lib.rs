//! tradovate-proxy: the one place that owns a Tradovate session.

pub mod auth;
pub mod bearer;
pub mod clock;
pub mod origin;
pub mod proxy;
pub mod sandbox;
pub mod upstream;
