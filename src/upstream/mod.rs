//! The way to the upstream.

mod timeouts;

pub use timeouts::Timeouts;
