//! What may cross the proxy, and in what order that is decided: strip first, set last.
//!
//! A request is [`Received`], becomes [`Scrubbed`], and only then [`Authorized`]; and only an authorised one
//! can be encoded for upstream. So a caller's own `Authorization` on the wire is not a bug to look for but a
//! program that does not compile:
//!
//! ```compile_fail
//! # use tradovate_proxy::hygiene::Received;
//! fn forward(request: Received<'_>) -> Vec<u8> {
//!     let mut wire = Vec::new();
//!     request.encode(&mut wire); // no such method before `scrub` and `authorize`
//!     wire
//! }
//! ```
//!
//! On the way back, [`echo`] keeps our token from the caller, whoever wrote it into the answer. [`names`] says which
//! fields stay behind, in either direction, and why.

pub mod echo;
pub mod names;
pub mod request;

pub use echo::{EchoFilter, Echoed};
pub use names::{crosses_downstream, crosses_upstream};
pub use request::{Authorized, Encoded, Received, Scrubbed};
