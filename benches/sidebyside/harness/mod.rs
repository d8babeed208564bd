//! The order of things: build, set up, try out, measure, report.

mod asked;
mod counts;
mod footprint;
mod machine;
mod options;
mod peer;
mod process;
mod report;
mod rounds;
mod smoke;
mod stage;
mod wire;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use self::{
    options::{Mode, Options},
    peer::{Contender, Peer, Way},
    report::{Goals, Measured, Verdict},
    rounds::Load,
    stage::{Stage, Transport},
};

/// The bench, or one of the processes that it starts from the same program.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["upstream", token, certificate, key] => wire::upstream::run(token, certificate, key)?,
        ["generate", order] => wire::generator::run(&serde_json::from_str(order)?)?,
        ["hold", order] => wire::generator::hold(&serde_json::from_str(order)?)?,
        _ => {
            let options = Options::parse(arguments)?;
            return if options.mode == Mode::Counts { count(&options) } else { compare(&options) };
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn count(options: &Options) -> anyhow::Result<ExitCode> {
    let goals = Goals::read(&root().join("benches/sidebyside/goals.toml"))?;
    let ours = ours(options)?;
    machine::open_many_files()?;
    let stage = Stage::set(machine::use_one_core()?)?;
    let binary = footprint::size(&ours)?;
    let measured =
        Measured { binary, counts: counts::all(&stage, &Contender::ours(&ours))?, ..Measured::default() };
    for counts::Count { of, asked, each } in &measured.counts {
        println!("{asked}: {each:.1} {of:?}");
    }
    let (table, verdicts) = goals.judge(&measured);
    println!("\n{table}");
    Ok(if verdicts.contains(&Verdict::Missed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn compare(options: &Options) -> anyhow::Result<ExitCode> {
    let goals = Goals::read(&root().join("benches/sidebyside/goals.toml"))?;
    // Before anything is kept on one core.
    let ours = ours(options)?;
    let files = machine::open_many_files()?;
    let core = machine::use_one_core()?;
    let _first = options.first.then(machine::First::claim).transpose()?;
    let stage = Stage::set(core)?;
    let (contenders, absent) = peer::contenders(&ours);

    let mut measured =
        Measured { held: options.held, binary: footprint::size(&ours)?, ..Measured::default() };
    measured.circumstances = machine::described();
    for contender in &contenders {
        measured.circumstances.push(contender.version()?);
    }
    measured.circumstances.push(format!(
        "{} rounds of {} ms; everything on core {core}; {files} open files; {}",
        options.rounds,
        options.spell.as_millis(),
        machine::load()
    ));
    measured
        .circumstances
        .extend(absent.iter().map(|program| format!("{} is not installed: left out", program.name())));
    println!("{}\n", measured.circumstances.join("\n"));

    for transport in Transport::ALL {
        smoke::all(&stage, &contenders, transport)?;
    }
    for contender in &contenders {
        measured.memory.push(footprint::memory(&stage, contender, options.held)?);
    }
    for transport in Transport::ALL {
        let loads = options.loads().into_iter().filter(|load| load.upstream == transport).collect();
        measure(&stage, &contenders, transport, loads, options, &mut measured)?;
    }
    println!("{}", measured.markdown());
    println!("at the end: {}; {}", machine::load(), measured.others());
    if options.mode == Mode::Trial {
        ensure!(measured.refused.is_empty(), "{} rows were refused", measured.refused.len());
        return Ok(ExitCode::SUCCESS);
    }
    let (table, verdicts) = goals.judge(&measured);
    println!("\n{table}");
    keep(&measured, options)?;
    Ok(if verdicts.contains(&Verdict::Missed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// All loads on one upstream, in rounds.
fn measure(
    stage: &Stage,
    contenders: &[Contender],
    transport: Transport,
    loads: Vec<Load>,
    options: &Options,
    measured: &mut Measured,
) -> anyhow::Result<()> {
    if loads.is_empty() {
        return Ok(());
    }
    let peers: Vec<Peer> =
        contenders.iter().map(|contender| contender.start(stage, transport)).collect::<Result<_, _>>()?;
    let ways: Vec<_> = Way::ALL
        .into_iter()
        .filter(|way| way.program().is_none_or(|program| peers.iter().any(|peer| peer.program == program)))
        .collect();
    let mut all: Vec<_> = loads.into_iter().map(|load| (load, Vec::new())).collect();
    for number in 0..options.rounds {
        for (load, rounds) in &mut all {
            // Who comes first changes, so that nobody always follows the same neighbour.
            let turns = (0..ways.len()).map(|turn| ways[(number + turn) % ways.len()]);
            rounds.push(rounds::round(stage, &peers, *load, turns, options.spell, &mut measured.refused));
        }
    }
    measured.loads.append(&mut all);
    Ok(())
}

/// The program to measure: the one that is shipped. What cargo builds for a bench is not quite that, since the tests'
/// dependencies change the features of those that both have (tokio's clock, for one).
fn ours(options: &Options) -> anyhow::Result<PathBuf> {
    if let Some(proxy) = &options.proxy {
        return fs::canonicalize(proxy).with_context(|| format!("{} is not there", proxy.display()));
    }
    if options.mode == Mode::Trial {
        return Ok(env!("CARGO_BIN_EXE_tradovate-proxy").into());
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked", "--bin", "tradovate-proxy"]);
    // Where it is depends on the configuration of whoever builds it, so cargo is asked.
    build.arg("--message-format=json-render-diagnostics").current_dir(root()).stderr(Stdio::inherit());
    let output = build.output()?;
    ensure!(output.status.success(), "the program to measure cannot be built; cargo says above why");
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let paths = messages.filter_map(|message| Some(message.ok()?["executable"].as_str()?.into()));
    paths.last().context("cargo does not say where the program to measure is")
}

/// Leaves the figures where they are found again.
fn keep(measured: &Measured, options: &Options) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sidebyside");
    fs::create_dir_all(&folder)?;
    let lines = folder.join("rows.jsonl");
    measured.write_lines(&lines)?;
    println!("every row: {}", lines.display());
    let Some(picture) = report::picture(measured) else { return Ok(()) };
    let place = match options.mode {
        // The one that the README shows.
        Mode::Full => root().join("benches/sidebyside/results.svg"),
        Mode::Quick | Mode::Trial | Mode::Counts => folder.join("results.svg"),
    };
    fs::write(&place, picture)?;
    println!("picture:   {}", place.display());
    Ok(())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
