//! Processes, their state on the disk, the plainest of HTTP clients, and patience.

pub(crate) mod api;
pub(crate) mod http;
pub(crate) mod patience;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod state;
