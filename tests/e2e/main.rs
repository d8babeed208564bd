//! End to end: the whole proxy over real sockets, against the simulated broker and against a raw one.
//!
//! Time that the session lives by is the simulated clock's, moved and never slept; everything else waits on
//! events, each wait bounded by [`support::wait`]. The client and the raw upstream are written byte by byte, since
//! an HTTP library on either side would mend what is to be tested.
//!
//! In the order to read them: [`forwarding`] and [`answers`], when all goes well; [`headers`]; [`refusals`], what
//! never reaches upstream; [`outcomes`], when upstream fails; [`streaming`], size; [`session`], time;
//! [`clocks`]; [`hosts`], place; [`observability`].

#![allow(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, but not the functions beside them that tests are made of"
)]

mod support;

mod answers;
mod clocks;
mod forwarding;
mod headers;
mod hosts;
mod observability;
mod outcomes;
mod refusals;
mod session;
mod streaming;
