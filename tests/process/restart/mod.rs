//! What the next process knows of the last one: everything that spares a login, and everything that forbids one.

mod directory;
mod disk;
mod hosts;
mod kept_in_memory;
mod memory;
mod sealed;
mod session;
mod storm;
mod wall_clock;
