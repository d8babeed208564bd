//! What must not show: a renewal under full load, more cores, more connections; and what becomes of more requests than
//! there is room for.
//!
//! ```text
//! cargo bench --bench strain                  about three minutes
//! cargo bench --bench strain -- renewals      one of: renewals, scale, overload
//! ```
//!
//! Callers, upstream and the proxy's workers are threads of one process, over real sockets on loopback, plain. Figures
//! are the median of the rounds, with the lowest and highest in brackets. What is compared takes turns within a round.
//!
//! - **renewals:** 64 callers who ask without a pause, one worker; in every other turn a new session is published each
//!   10 ms, as a renewal does it once in an hour. The ratios are what is to be looked at: 1 within their spread.
//! - **scale:** processor time of the workers' threads per request, as the kernel's scheduler counts it, from one
//!   connection up to a thousand and with one worker or one for each core. Where callers and upstream want the same
//!   cores, more workers do not mean more requests a second; what a request costs is the same.
//! - **overload:** upstream takes 20 ms and the proxy lets 64 requests in at a time, which makes 3,200 a second. Callers
//!   ask at up to four times that rate, each when its turn has come and its last answer is there. What is let in is
//!   to take no longer for it, and the rest is to be told at once.
//!
//! Without `--bench` among its arguments (`cargo test --benches`) it tries everything out for a moment.

#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod callers;
#[path = "../loopback/machine.rs"]
#[expect(dead_code, reason = "the other bench tells more threads apart")]
mod machine;
mod spread;
mod stage;
mod upstream;

use std::{fmt, thread, time::Duration};

use crate::{
    callers::{Load, Seen},
    spread::Spread,
    stage::Stage,
};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let (rounds, spell) =
        if has("--bench") { (9, Duration::from_millis(500)) } else { (1, Duration::from_millis(40)) };
    let asked = |part: &str| has(part) || !["renewals", "scale", "overload"].into_iter().any(has);
    println!("{rounds} rounds of {} ms; CPUs {}; {}", spell.as_millis(), machine::cpus(), machine::load());
    if asked("renewals") {
        renewals(rounds, spell)?;
    }
    if asked("scale") {
        scale(rounds, spell)?;
    }
    if asked("overload") {
        overload(rounds, spell)?;
    }
    println!("\nat the end: {}", machine::load());
    Ok(())
}

fn renewals(rounds: usize, spell: Duration) -> anyhow::Result<()> {
    let mut stage = Stage::set(1, usize::MAX, Duration::ZERO)?;
    let load = Load { connections: 64, rate: None };
    let (mut still, mut renewed) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        still.push(callers::ask(stage.address(), load, spell)?);
        renewed.push(stage.while_publishing(PUBLICATION, |address| callers::ask(address, load, spell))??);
    }
    println!(
        "\nrenewals: {} callers, one worker\n{:<28}{:>24}{:>26}",
        load.connections, "", "p50 µs", "p99 µs"
    );
    let row = |name: &str, p50: &dyn fmt::Display, p99: &dyn fmt::Display| {
        println!("  {name:<26}{p50:>24}{p99:>26}");
    };
    for (name, seen) in [("no publication", &still), ("one each 10 ms", &renewed)] {
        row(
            name,
            &of(seen, |seen| seen.percentile(50)).show(0),
            &of(seen, |seen| seen.percentile(99)).show(0),
        );
    }
    let ratio = |percent| {
        let pairs = renewed.iter().zip(&still);
        Spread::of(
            pairs.map(|(renewed, still)| renewed.percentile(percent) / still.percentile(percent)).collect(),
        )
    };
    row("ratio", &ratio(50).show(2), &ratio(99).show(2));
    Ok(())
}

fn scale(rounds: usize, spell: Duration) -> anyhow::Result<()> {
    let cores = thread::available_parallelism()?.get();
    println!(
        "\nscale: CPU of the workers, µs per request\n{:<16}{:>24}{:>24}",
        "connections",
        "one worker",
        format!("{cores} workers")
    );
    let stages = [Stage::set(1, usize::MAX, Duration::ZERO)?, Stage::set(cores, usize::MAX, Duration::ZERO)?];
    for connections in [1, 16, 64, 256, 1000] {
        let mut cpu = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (stage, cpu) in stages.iter().zip(&mut cpu) {
                let before = Stage::workers_ran();
                let seen = callers::ask(stage.address(), Load { connections, rate: None }, spell)?;
                let ran = Stage::workers_ran().saturating_sub(before);
                cpu.push(ran.as_secs_f64() * 1e6 / seen.answers());
            }
        }
        let [one, all] = cpu.map(|cpu| Spread::of(cpu).show(1));
        println!("  {connections:<14}{one:>24}{all:>24}");
    }
    Ok(())
}

fn overload(rounds: usize, spell: Duration) -> anyhow::Result<()> {
    let stage = Stage::set(1, PLACES, DELAY)?;
    let capacity = u32::try_from(PLACES)? * 1000 / u32::try_from(DELAY.as_millis())?;
    println!(
        "\noverload: {PLACES} at a time, {} ms each: {capacity} a second\n  {:<12}{:>18}{:>18}{:>22}{:>22}{:>22}",
        DELAY.as_millis(),
        "asked for",
        "answered/s",
        "503/s",
        "p50 ms, answered",
        "p99 ms, answered",
        "p99 ms, 503"
    );
    // Long enough for each caller to have several turns.
    let spell = 4 * spell;
    for quarters in [2, 4, 8, 16] {
        let load = Load { connections: 1024, rate: Some(capacity * quarters / 4) };
        let seen: Vec<_> = (0..rounds.div_ceil(3))
            .map(|_| callers::ask(stage.address(), load, spell))
            .collect::<Result<_, _>>()?;
        println!(
            "  {:<12}{:>18}{:>18}{:>22}{:>22}{:>22}",
            format!("{} × it", f64::from(quarters) / 4.0),
            of(&seen, Seen::answered_a_second).show(0),
            of(&seen, Seen::shed_a_second).show(0),
            of(&seen, |seen| seen.percentile(50) / 1000.0).show(1),
            of(&seen, |seen| seen.percentile(99) / 1000.0).show(1),
            of(&seen, |seen| seen.percentile_shed(99) / 1000.0).show(1),
        );
    }
    Ok(())
}

fn of(seen: &[Seen], figure: impl Fn(&Seen) -> f64) -> Spread {
    Spread::of(seen.iter().map(figure).collect())
}

/// How often a session is published.
const PUBLICATION: Duration = Duration::from_millis(10);
/// Requests that are let in at a time, and how long upstream takes for one.
const PLACES: usize = 64;
const DELAY: Duration = Duration::from_millis(20);
