//! What the tests are made of.
//!
//! A [`Stage`] is a simulated broker with a proxy in front of it; a [`RawUpstream`] stands in for the broker where
//! the answer's bytes matter; a [`Client`] is the caller. [`Proxy`] can be put in front of either. All of them
//! run in the test's own process and runtime (the proxy's workers on threads of their own) and end with it.

pub(crate) mod client;
pub(crate) mod message;
pub(crate) mod metrics;
pub(crate) mod proxy;
pub(crate) mod stage;
pub(crate) mod upstream;
pub(crate) mod wait;

pub(crate) use self::{
    client::{Broken, Client},
    message::Answer,
    proxy::{Proxy, Setup},
    stage::Stage,
    upstream::{RawUpstream, Request},
    wait::within,
};
