//! The proxy beside nginx and HAProxy, doing the same work on the same machine in the same minute.
//!
//! ```text
//! cargo bench --bench sidebyside                  three minutes, to see where one stands
//! cargo bench --bench sidebyside -- --full        a quarter of an hour, and draws results.svg
//!   --only 'TLS upstream, 64'                     only loads with these words in their names
//!   --first                                       before all other processes; needs root
//!   --proxy PROGRAM                               instead of building one
//! ```
//!
//! It needs Linux; nginx and HAProxy are left out where they are not installed. The exit status is 1 when a goal of
//! `goals.toml` is missed.
//!
//! All programs are processes of their own, kept on one core: the generator of load, the upstream, and whoever stands
//! in between. There is no waiting for another core to wake up then, so what a proxy adds to latency is its work, and
//! figures repeat to about a hundredth on a quiet machine. What it says nothing of is how many cores a proxy can use.
//!
//! How to read it:
//!
//! - *CPU* is what the kernel's scheduler counted for the peer's whole process tree, user and kernel, over the
//!   answers in that time. It is the figure to trust.
//! - *Added p50* is the median latency less that of the way without a proxy (`direct`, on which the caller carries the
//!   token, and speaks TLS itself). Of more than one connection it is queueing more than work.
//! - *Ratios* are taken within a round, in which all take their turn within seconds, and then their median, lowest
//!   and highest: whatever slows the machine down slows all of them.
//! - A row with any error, any other answer than a 200 of the right length, a process that came or went, or a port
//!   that somebody else listens at is refused, and named.
//!
//! - A goal is missed where the median of the rounds is above it, and their lower quartile too. Otherwise chance may
//!   have done it: were the true median the goal itself, six of seven rounds would be above it once in sixteen times.
//! - At the end it says how much of the core went to others. Above some hundredths even ratios are rough.
//!
//! The proxy is the release program with its defaults: metrics, log, limits, timeouts and audit log, and guards set.

#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

#[cfg(target_os = "linux")]
mod harness;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<std::process::ExitCode> {
    harness::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this bench reads the accounts of Linux's scheduler: there is nothing to measure here");
}
