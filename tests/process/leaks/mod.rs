//! No secret comes out of any opening: logs at their loudest in both forms, standard output, metrics, status,
//! every answer that the proxy makes, its environment and its command line.
//!
//! [`refused`] has logins that fail in every way, [`granted`] has refresh grants, [`in_service`] has sessions that are used,
//! renewed and lost.

mod granted;
mod in_service;
mod refused;
mod witness;

/// The forms of a log.
const FORMATS: [&str; 2] = ["text", "json"];
