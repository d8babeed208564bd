//! What the proxy adds: the same requests sent to the simulated API directly, through a relay, and through us.
//!
//! ```text
//! cargo bench --bench loopback                     callers, API and proxy spread over the cores
//! taskset -c 0 cargo bench --bench loopback        all on one core: the figures to trust
//! ```
//!
//! Everything is one process with a thread each for the callers, the API, the relay and the proxy's one worker,
//! over real sockets on loopback, plain HTTP/1.1, connections kept alive. Callers are a closed loop: each of 1 or
//! 16 connections sends its next request when it has its answer. All ways are measured in every round, in turns,
//! and the rounds repeated: each figure is the median of the rounds, with the lowest and highest in brackets, and
//! differences and ratios are taken within a round before that.
//!
//! The relay is the yardstick: it copies bytes both ways and understands none. What it adds is the price of
//! standing in between at all (two more sockets, two more wake-ups); only what the proxy adds beyond it is ours to
//! save.
//!
//! How to read it:
//!
//! - At one connection on several cores most of what is added is the kernel waking a core that sleeps, and it
//!   varies from round to round. On one core there is no such wait, and added latency is added work.
//! - At sixteen connections callers queue, so latency is throughput turned upside down. It shows what a busy
//!   proxy does, not what a request costs.
//! - *CPU* is the time each thread ran, user and kernel, per request, from the scheduler's own account (Linux).
//!   `proxy` there is the proxy's threads alone. A busy neighbour slows whole rounds down, so the steadiest figure
//!   of all is the last: the proxy's own time over the relay's own, round by round.
//! - The API is the sandbox, which is strict and journals every request rather than being fast, and the way to
//!   the real one is milliseconds long: ratios here are the worst case, differences are what a user gets.
//! - Upstream is plain here, TLS in earnest. TLS is paid on the direct way too, so it cancels out of what is
//!   added, save for its own cost to the caller who no longer needs it.
//!
//! The load of the machine is printed at both ends: above the number of cores the figures say little. Without
//! `--bench` among its arguments (`cargo test --benches`) it sends one request each way and measures nothing.

#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod caller;
mod machine;
mod report;
mod stage;

use std::{panic, thread, time::Duration};

use crate::{
    caller::{Asked, Load},
    report::{Round, Rounds},
    stage::{Stage, Way},
};

fn main() -> anyhow::Result<()> {
    let stage = Stage::set()?;
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let ask = move || if is_bench { measure(&stage) } else { try_out(&stage) };
    // A thread with a name is found in the scheduler's accounts.
    let callers = thread::Builder::new().name(machine::CALLERS.to_owned()).spawn(ask)?;
    callers.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
}

fn try_out(stage: &Stage) -> anyhow::Result<()> {
    for (load, way) in loads().flat_map(|load| Way::ALL.map(|way| (load, way))) {
        caller::run(stage, way, load, Duration::ZERO)?;
    }
    Ok(())
}

fn measure(stage: &Stage) -> anyhow::Result<()> {
    println!("{ROUNDS} rounds of {} ms; CPUs {}; {}", SPELL.as_millis(), machine::cpus(), machine::load());
    let mut results: Vec<_> = loads().map(|load| (load, Rounds::default())).collect();
    for round in 0..ROUNDS {
        for (load, rounds) in &mut results {
            let mut measured = Round::default();
            // Who comes first changes, so that nobody always follows the same neighbour.
            for turn in 0..Way::ALL.len() {
                let way = Way::ALL[(round + turn) % Way::ALL.len()];
                measured.set(way, caller::run(stage, way, *load, SPELL)?);
            }
            rounds.push(measured);
        }
    }
    for (load, rounds) in &results {
        print!("\n{load}\n{rounds}");
    }
    println!("\nat the end: {}", machine::load());
    Ok(())
}

fn loads() -> impl Iterator<Item = Load> {
    [1, 16].into_iter().flat_map(|connections| Asked::ALL.map(|asked| Load { asked, connections }))
}

/// Every way under every load, so often.
const ROUNDS: usize = 7;
/// How long one way is measured at a time.
const SPELL: Duration = Duration::from_millis(450);
