//! The program as users run it: a process with arguments, an environment, signals and files.
//!
//! What can be tested in process is tested there; here is what only a process has. Everything is waited for by
//! an event (a line of output, an answer, the end of the process), in [`support::patience`] where that event has
//! to be asked for; nothing sleeps. Each test has its own ports, state directory and sandbox.
//!
//! - [`startup`]: what each command prints, refuses and exits with
//! - [`callers`]: keys, from the command that makes one to the one that is withdrawn
//! - [`browser`]: what web pages in a real browser get out of it
//! - [`drain`]: what a signal does to requests in flight
//! - [`keyed`]: orders that are repeated, over restarts and deaths
//! - [`reload`]: what changes without a restart
//! - [`certificates`]: what callers are shown, before and after that changes
//! - [`restart`]: what the next process knows of the last one
//! - [`crash`]: what it knows when the last one was killed, at every step of what it did
//! - [`abuse`]: what it takes of the machine when callers come in masses
//! - [`soak`]: whether it is the same at the end of a long time
//! - [`audit`]: that orders are written down whatever happens, and what verifies it
//! - [`rivals`]: two proxies that log in as one user, for a simulated day
//! - [`stock_client`]: a bot that logs in by itself and knows of no proxy
//! - [`guards`]: the kill switch over signals, files, restarts and crashes, and what `explain` says
//! - [`cancelling`]: a kill that cancels working orders
//! - [`leaks`]: that no secret comes out of any opening
//! - [`documents`]: that the documents speak of this program

#![expect(clippy::unwrap_used, reason = "the helpers of tests may fail as loudly as the tests")]

mod abuse;
mod audit;
mod browser;
mod callers;
mod cancelling;
mod certificates;
#[path = "../coats/mod.rs"]
mod coats;
mod crash;
mod documents;
mod drain;
mod guards;
mod keyed;
mod leaks;
mod reload;
mod restart;
mod rivals;
mod soak;
mod startup;
mod stock_client;
mod support;
