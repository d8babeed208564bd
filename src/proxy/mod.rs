//! The data path.

mod limits;

pub use limits::{Limits, Timeouts};
