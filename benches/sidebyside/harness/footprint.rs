//! What a peer takes while nothing happens: memory, and for ours the size of its program.

use std::{fs, path::Path, time::Duration};

use serde::Serialize;

use crate::harness::{
    asked::Asked,
    peer::{Contender, Program, Way},
    rounds::Generator,
    stage::{Stage, Transport},
    wire::generator::Order,
};

/// In MiB.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Memory {
    pub(crate) program: Program,
    /// Right after the start, with a token.
    pub(crate) idle: f64,
    /// With so many connections that have made one request each.
    pub(crate) held: f64,
}

/// Starts the peer anew, so that nothing before it counts.
pub(crate) fn memory(stage: &Stage, contender: &Contender, connections: usize) -> anyhow::Result<Memory> {
    let peer = contender.start(stage, Transport::Tls)?;
    let idle = peer.tree()?.memory()?;
    let order = Order {
        target: peer.target(Way::Ours),
        asked: Asked::Small,
        connections,
        rate: None,
        spell: Duration::ZERO,
        token: None,
    };
    let holding = Generator::start("hold", &order)?;
    let held = peer.tree()?.memory()?;
    drop(holding);
    Ok(Memory { program: contender.program, idle, held })
}

/// Of a file, in MiB.
pub(crate) fn size(file: &Path) -> anyhow::Result<f64> {
    let bytes = u32::try_from(fs::metadata(file)?.len())?;
    Ok(f64::from(bytes) / f64::from(1 << 20))
}
