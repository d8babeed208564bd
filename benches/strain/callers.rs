//! Callers, and what they saw.

use std::{net::SocketAddr, time::Duration};

use anyhow::ensure;
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tradovate_proxy::http1::{Framing, ResponseHead};

/// How many ask.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests a second by all together; without it each asks again when it has its answer.
    pub(crate) rate: Option<u32>,
}

/// How long answers took, each kind in order, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    answered: Vec<f64>,
    shed: Vec<f64>,
    took: Duration,
}

/// Asks for as long as `spell`, on new connections, after a warm-up that is not measured. An answer that is neither 200 nor 503 is an
/// error; so is a 503 where nobody is to be sent away.
pub(crate) fn ask(address: SocketAddr, load: Load, spell: Duration) -> anyhow::Result<Seen> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut callers = Vec::new();
        for _ in 0..load.connections {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            callers.push(Caller { stream, inbox: Vec::with_capacity(4096), head: ResponseHead::default() });
        }
        let (callers, _) = all_ask(callers, load, spell / 10).await?;
        let (_, seen) = all_ask(callers, load, spell).await?;
        ensure!(load.rate.is_some() || seen.shed.is_empty(), "{} were sent away", seen.shed.len());
        Ok(seen)
    })
}

/// All at once.
async fn all_ask(callers: Vec<Caller>, load: Load, spell: Duration) -> anyhow::Result<(Vec<Caller>, Seen)> {
    let begun = Instant::now();
    let end = begun + spell;
    let all = u32::try_from(callers.len())?;
    let mut asking = JoinSet::new();
    for (number, mut caller) in (0..).zip(callers) {
        // One after the other, in turns that begin at different moments.
        let turns = load
            .rate
            .map(|rate| (Duration::from_secs(1) * number / rate, Duration::from_secs(1) * all / rate));
        asking.spawn(async move {
            let mut seen = Seen::default();
            let mut turn = turns.map(|(first, _)| begun + first);
            loop {
                if turn.unwrap_or_else(Instant::now) >= end {
                    return anyhow::Ok((caller, seen));
                }
                if let Some(turn) = turn {
                    sleep_until(turn).await;
                }
                let asked = Instant::now();
                let status = caller.ask().await?;
                let took = asked.elapsed().as_secs_f64() * 1e6;
                match status {
                    StatusCode::OK => seen.answered.push(took),
                    StatusCode::SERVICE_UNAVAILABLE => seen.shed.push(took),
                    _ => anyhow::bail!("the answer is {status}"),
                }
                if let (Some(turn), Some((_, pause))) = (&mut turn, turns) {
                    *turn += pause;
                }
            }
        });
    }
    let (mut callers, mut all) = (Vec::new(), Seen::default());
    while let Some(asked) = asking.join_next().await {
        let (caller, mut seen) = asked??;
        callers.push(caller);
        all.answered.append(&mut seen.answered);
        all.shed.append(&mut seen.shed);
    }
    all.took = begun.elapsed();
    all.answered.sort_unstable_by(f64::total_cmp);
    all.shed.sort_unstable_by(f64::total_cmp);
    Ok((callers, all))
}

impl Seen {
    /// Of those that were answered by upstream, in microseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.answered, percent)
    }

    /// Of those that were sent away.
    pub(crate) fn percentile_shed(&self, percent: usize) -> f64 {
        percentile(&self.shed, percent)
    }

    pub(crate) fn answered_a_second(&self) -> f64 {
        self.a_second(&self.answered)
    }

    pub(crate) fn shed_a_second(&self) -> f64 {
        self.a_second(&self.shed)
    }

    /// How many there were.
    pub(crate) fn answers(&self) -> f64 {
        count(&self.answered) + count(&self.shed)
    }

    fn a_second(&self, answers: &[f64]) -> f64 {
        count(answers) / self.took.as_secs_f64()
    }
}

fn count(answers: &[f64]) -> f64 {
    f64::from(u32::try_from(answers.len()).unwrap_or(u32::MAX))
}

/// Zero of none.
fn percentile(answers: &[f64], percent: usize) -> f64 {
    answers
        .get((answers.len() * percent / 100).min(answers.len().saturating_sub(1)))
        .copied()
        .unwrap_or_default()
}

/// One connection.
struct Caller {
    stream: TcpStream,
    inbox: Vec<u8>,
    head: ResponseHead,
}

impl Caller {
    /// Sends a request and reads its answer to the end.
    async fn ask(&mut self) -> anyhow::Result<StatusCode> {
        self.stream.write_all(REQUEST).await?;
        self.inbox.clear();
        let head = loop {
            ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "the connection ended early");
            if let Some(length) = self.head.read_at_once(&self.inbox, false) {
                break length;
            }
        };
        let Framing::Length(body) = self.head.framing() else { anyhow::bail!("the answer has no length") };
        let whole = head + usize::try_from(body)?;
        while self.inbox.len() < whole {
            ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "the answer ended early");
        }
        Ok(self.head.status())
    }
}

const REQUEST: &[u8] =
    b"GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nUser-Agent: strain\r\nAccept: */*\r\n\r\n";
