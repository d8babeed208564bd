//! The life of a token, from the grant to the last renewal.
//!
//! One task, the renewer, owns the session: it alone holds the value that can log in, and it alone publishes.
//! Everybody else has a [`Reader`]: one lock-free load of what is published now.

pub mod fingerprint;
pub mod state;
pub mod store;
pub mod token;

pub use state::{State, Status};
pub use store::{Current, Publisher, Reader, channel};
pub use token::{Generation, Session, User};
