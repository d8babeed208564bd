//! tradovate-proxy: the one place that owns a Tradovate session.

pub mod admin;
pub mod auth;
pub mod bearer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod origin;
pub mod proxy;
pub mod telemetry;
pub mod upstream;
