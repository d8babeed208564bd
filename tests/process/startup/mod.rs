//! What each command prints, refuses and exits with.

mod commands;
mod first_minute;
mod ports;
mod serve;
mod session;
mod sockets;
