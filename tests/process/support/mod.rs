//! Processes, their state on the disk, the broker in front of them, the plainest of HTTP clients, and patience.

pub(crate) mod api;
pub(crate) mod broker;
pub(crate) mod footprint;
pub(crate) mod http;
pub(crate) mod patience;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod state;
pub(crate) mod tool;
