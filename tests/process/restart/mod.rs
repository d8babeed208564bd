//! What the next process knows of the last one: everything that spares a login, and everything that forbids one.

mod directory;
mod hosts;
mod memory;
mod session;
