//! Whether a peer does the work at all, before any of it is timed.

use anyhow::{Context as _, ensure};

use crate::harness::{
    asked::Asked,
    peer::{Contender, Peer, Way},
    stage::{Stage, Transport},
    wire::{
        probe::{self, Answer},
        stream::Target,
    },
};

/// That the upstream serves only who shows the token, and that each peer shows it.
pub(crate) fn all(stage: &Stage, contenders: &[Contender], transport: Transport) -> anyhow::Result<()> {
    upstream(stage, transport)?;
    contenders.iter().try_for_each(|contender| peer(&contender.start(stage, transport)?))
}

fn upstream(stage: &Stage, transport: Transport) -> anyhow::Result<()> {
    let target = stage.direct(transport);
    let with = |token| probe::ask(&target, &Asked::Small.request("GET", token));
    ensure!(with(None)?.status == 401, "the upstream serves who shows no token");
    ensure!(with(Some("another"))?.status == 401, "the upstream serves who shows another token");
    serves(&target, Some(&stage.token))
}

/// That a peer, however it is reached, answers all there is to ask with what the upstream says.
fn peer(peer: &Peer) -> anyhow::Result<()> {
    for way in Way::ALL.into_iter().filter(|way| way.program() == Some(peer.program)) {
        serves(&peer.target(way), None).with_context(|| format!("{} does not do the work", way.name()))?;
    }
    Ok(())
}

fn serves(target: &Target, token: Option<&str>) -> anyhow::Result<()> {
    let asks = Asked::ALL.map(|asked| (asked.method(), asked, asked.body()));
    for (method, asked, body) in asks.into_iter().chain([("HEAD", Asked::Small, Vec::new())]) {
        let Answer { status, body: got } = probe::ask(target, &asked.request(method, token))?;
        ensure!(status == 200, "{method} {} was answered {status}", asked.path());
        ensure!(
            got == body,
            "{method} {} was answered with {} bytes of another body",
            asked.path(),
            got.len()
        );
    }
    Ok(())
}
