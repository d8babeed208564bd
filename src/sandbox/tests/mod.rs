//! The sandbox over real sockets, spoken to in plain bytes, so that nothing a client library does by itself is in
//! the way.

mod auth;
mod client;
mod control;
mod entities;
mod faults;
mod hosts;
mod oauth;
mod tls;
mod wire;
