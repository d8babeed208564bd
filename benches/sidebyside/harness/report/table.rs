//! The tables.

use crate::harness::{
    peer::{Program, Way},
    report::{
        Measured,
        figure::{self, Figure},
        spread::Spread,
    },
    rounds::{Load, Round},
};

/// Every way under one load.
pub(super) fn load(load: Load, rounds: &[Round]) -> String {
    let mut lines = vec![format!(
        "**{load}** ({} rounds)\n\n\
         | way | CPU µs/request | × nginx | × HAProxy | p50 µs | added p50 µs | × nginx | p99 µs | requests/s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
        rounds.len()
    )];
    for way in Way::ALL.into_iter().filter(|way| rounds.iter().any(|round| round.contains_key(way))) {
        let ratio = |figure: Figure, to| figure.ratio(rounds, way, to).filter(|_| way != Way::Direct);
        let cells = [
            way.name().to_owned(),
            show(Figure::Cpu.spread(rounds, way), 1),
            show(ratio(Figure::Cpu, Way::Nginx), 2),
            show(ratio(Figure::Cpu, Way::Haproxy), 2),
            median(figure::spread(rounds, way, |row| row.generated.p50)),
            show(Figure::AddedP50.spread(rounds, way).filter(|_| way != Way::Direct), 1),
            show(ratio(Figure::AddedP50, Way::Nginx), 2),
            show(Figure::P99.spread(rounds, way), 0),
            figure::spread(rounds, way, |row| f64::from(row.generated.requests) / row.generated.seconds)
                .map_or_else(String::new, |rate| format!("{rate:.0}")),
        ];
        lines.push(format!("| {} |\n", cells.join(" | ")));
    }
    lines.concat()
}

/// What is taken while nothing happens.
pub(super) fn memory(measured: &Measured) -> String {
    let mut lines = vec![format!(
        "**Resident memory, TLS upstream**; program: {:.1} MiB, stripped\n\n\
         | program | idle MiB | {} idle connections MiB |\n|---|---|---|\n",
        measured.binary, measured.held
    )];
    for memory in Program::ALL.into_iter().filter_map(|program| measured.memory_of(program)) {
        lines.push(format!("| {} | {:.1} | {:.1} |\n", memory.program.name(), memory.idle, memory.held));
    }
    lines.concat()
}

fn show(spread: Option<Spread>, places: usize) -> String {
    spread.map_or_else(String::new, |spread| format!("{spread:#.places$}"))
}

fn median(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |spread| format!("{spread:.1}"))
}
