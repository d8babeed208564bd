//! What the tests are made of.
//!
//! A [`Stage`](stage::Stage) is a simulated broker with a proxy in front of it; a [`RawUpstream`] stands in for the broker where
//! the answer's bytes matter; a [`Client`] is the caller. [`Proxy`] can be put in front of either. All of them
//! run in the test's own process and runtime (the proxy's workers on threads of their own) and end with it. A
//! [`Process`](process::Process) is the program itself, where what matters is the process.

pub(crate) mod authority;
pub(crate) mod client;
#[path = "../../coats/mod.rs"]
mod coats;
pub(crate) mod door;
mod log;
pub(crate) mod message;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod refusal;
#[path = "../../relay/mod.rs"]
pub(crate) mod relay;
pub(crate) mod stage;
pub(crate) mod upstream;
pub(crate) mod wait;

pub(crate) use self::{
    client::Client,
    message::Answer,
    proxy::{Proxy, Setup},
    upstream::RawUpstream,
    wait::within,
};
