//! tradovate-proxy: the one place that owns a Tradovate session.

pub mod admin;
pub mod app;
pub mod auth;
pub mod bearer;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http1;
pub mod hygiene;
pub mod origin;
pub mod proxy;
pub mod sandbox;
pub mod server;
pub mod telemetry;
pub mod tradovate;
pub mod upstream;
