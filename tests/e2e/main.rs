//! End to end: the whole proxy over real sockets, against the simulated broker and against a raw one.
//!
//! Time that the session lives by is the simulated clock's, moved and never slept; everything else waits on
//! events, each wait bounded by [`support::wait`]. The client and the raw upstream are written byte by byte, since
//! an HTTP library on either side would mend what is to be tested.
//!
//! In the order to read them: [`forwarding`] and [`answers`], when all goes well; [`headers`]; [`refusals`], what
//! never reaches upstream; [`battery`], bytes that two parsers could read differently; [`strangers`], who never does,
//! [`callers`], who may, [`listeners`], all ways in, and
//! [`guards`], what the operator does not let pass, and [`kill`], what a kill cancels; [`once`], that an order goes out once whatever befalls it;
//! [`outcomes`], when upstream fails; [`signs`], when it refuses or redirects; [`streaming`], size; [`session`], time;
//! [`doubts`] and [`outages`], what befalls a session; [`load`], all of that under traffic; [`abuse`], those who take too
//! much; [`stock_clients`], those that log in by themselves; [`observability`]; [`budget`], how many requests;
//! [`audit`], what is written down of them; [`warm`], connections that wait for an order; and [`other_api`], in front of another API than Tradovate's.

#![allow(
    clippy::unwrap_used,
    reason = "clippy lets tests unwrap, but not the functions beside them that tests are made of"
)]

mod support;

mod abuse;
mod answers;
mod audit;
mod battery;
mod budget;
mod callers;
mod clocks;
mod doubts;
mod forwarding;
mod guards;
mod headers;
mod hosts;
mod kill;
mod listeners;
mod load;
mod observability;
mod once;
mod other_api;
mod outages;
mod outcomes;
mod refusals;
mod rotation;
mod session;
mod signs;
mod sources;
mod stock_clients;
mod strangers;
mod streaming;
mod warm;
