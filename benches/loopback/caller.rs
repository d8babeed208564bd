//! Callers in a closed loop, and what they saw.

use std::{collections::BTreeMap, fmt, time::Duration};

use anyhow::{Context as _, bail, ensure};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::Instant,
};
use tradovate_proxy::http1::{BodyDecoder, HeadScanner, ResponseHead, Scanned};

use crate::{
    machine,
    stage::{Stage, Way},
};

/// How many ask for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) asked: Asked,
    pub(crate) connections: usize,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, connections } = self;
        write!(f, "{asked}, {connections} connection{}", if *connections == 1 { "" } else { "s" })
    }
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    /// `GET account/list`, answered with some hundred bytes.
    List,
    /// `POST order/dryrun` with a body of 300 bytes; as it changes nothing, it can be asked for ever.
    DryRun,
}

impl Asked {
    pub(crate) const ALL: [Self; 2] = [Self::List, Self::DryRun];

    fn encode(self, authorization: Option<&[u8]>) -> Vec<u8> {
        let (line, body) = match self {
            Self::List => ("GET /v1/account/list", String::new()),
            Self::DryRun => ("POST /v1/order/dryrun", format!("{ORDER:<BODY_BYTES$}")),
        };
        let mut request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{FIELDS}").into_bytes();
        if let Some(value) = authorization {
            request.extend_from_slice(&[b"Authorization: ", value, b"\r\n"].concat());
        }
        if !body.is_empty() {
            let fields = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
            request.extend_from_slice(fields.as_bytes());
        }
        request.extend_from_slice(&[b"\r\n", body.as_bytes()].concat());
        request
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List => "GET account/list",
            Self::DryRun => "POST order/dryrun (300 B)",
        })
    }
}

/// What the callers saw in one spell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// From a request's first byte sent to its answer's last received, in microseconds.
    p50: f64,
    p99: f64,
    requests_per_second: f64,
    /// How long each thread ran per request, in microseconds, by its name.
    ran: BTreeMap<String, f64>,
}

/// Asks for as long as `spell`, on new connections, after a warm-up that is not measured; but once at least. An
/// answer that is not 200 is an error.
pub(crate) fn run(stage: &Stage, way: Way, load: Load, spell: Duration) -> anyhow::Result<Measured> {
    let request = load.asked.encode(stage.authorization(way));
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let mut callers = Vec::new();
        for _ in 0..load.connections {
            callers.push(Caller::connect(stage, way).await?);
        }
        let (callers, _) = all_ask(callers, &request, spell / 10).await?;
        let (before, started) = (machine::running(), Instant::now());
        let (_, mut seen) = all_ask(callers, &request, spell).await?;
        let (after, took) = (machine::running(), started.elapsed());
        anyhow::Ok(Measured::new(&mut seen, took, &before, &after))
    });
    measured.with_context(|| format!("{load}, {way:?}"))
}

impl Measured {
    /// Median and 99th percentile of latency in microseconds, and requests a second.
    pub(crate) const FIGURES: [fn(&Self) -> f64; 3] =
        [|measured| measured.p50, |measured| measured.p99, |measured| measured.requests_per_second];

    /// How long these threads ran per request, in microseconds.
    pub(crate) fn ran(&self, threads: &[&str]) -> f64 {
        threads.iter().filter_map(|&thread| self.ran.get(thread)).sum()
    }

    fn new(
        seen: &mut [Duration],
        took: Duration,
        before: &BTreeMap<String, Duration>,
        after: &BTreeMap<String, Duration>,
    ) -> Self {
        seen.sort_unstable();
        let requests = f64::from(u32::try_from(seen.len()).unwrap_or(u32::MAX));
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let percentile = |percent: usize| micros(seen[(seen.len() * percent / 100).min(seen.len() - 1)]);
        let ran = after.iter().map(|(thread, &after)| {
            let before = before.get(thread).copied().unwrap_or_default();
            (thread.clone(), micros(after.saturating_sub(before)) / requests)
        });
        Self {
            p50: percentile(50),
            p99: percentile(99),
            requests_per_second: requests / took.as_secs_f64(),
            ran: ran.collect(),
        }
    }
}

/// All callers at once; returns them, and how long each answer took.
async fn all_ask(
    callers: Vec<Caller>,
    request: &[u8],
    spell: Duration,
) -> anyhow::Result<(Vec<Caller>, Vec<Duration>)> {
    let deadline = Instant::now() + spell;
    let mut asking = JoinSet::new();
    for mut caller in callers {
        let request = request.to_vec();
        asking.spawn(async move {
            let mut seen = Vec::new();
            let mut asked = Instant::now();
            loop {
                caller.ask(&request).await?;
                let answered = Instant::now();
                seen.push(answered - asked);
                asked = answered;
                if answered >= deadline {
                    return anyhow::Ok((caller, seen));
                }
            }
        });
    }
    let (mut callers, mut seen) = (Vec::new(), Vec::new());
    while let Some(asked) = asking.join_next().await {
        let (caller, mut its) = asked??;
        callers.push(caller);
        seen.append(&mut its);
    }
    Ok((callers, seen))
}

/// One connection.
struct Caller {
    stream: TcpStream,
    inbox: Vec<u8>,
    head: ResponseHead,
}

impl Caller {
    async fn connect(stage: &Stage, way: Way) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(stage.address(way)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Vec::with_capacity(INBOX), head: ResponseHead::default() })
    }

    /// Sends a request and reads its answer to the end.
    async fn ask(&mut self, request: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(request).await?;
        self.inbox.clear();
        let mut scanner = HeadScanner::default();
        let mut at = loop {
            match scanner.scan(&self.inbox) {
                Scanned::Complete(len) => break len,
                Scanned::Partial => self.read().await?,
                Scanned::BareLf => bail!("the answer is malformed"),
            }
        };
        self.head.read(&self.inbox[..at], false)?;
        ensure!(self.head.status() == StatusCode::OK, "the answer is {}", self.head.status());
        let mut decoder = BodyDecoder::of_response(self.head.framing());
        while !decoder.is_done() {
            let step = decoder.step(&self.inbox[at..]).ok().context("the answer's framing is broken")?;
            at += step.skip + step.take;
            if step.skip + step.take == 0 {
                self.read().await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.inbox).await? > 0, "the connection ended early");
        Ok(())
    }
}

const FIELDS: &str = "User-Agent: loopback\r\nAccept: */*\r\nAccept-Encoding: gzip, deflate\r\n";

/// White space makes up the rest of its length.
const ORDER: &str = concat!(
    r#"{"accountSpec": "DEMO15460", "accountId": 6270, "action": "Buy", "symbol": "ESZ6", "#,
    r#""orderQty": 1, "orderType": "Limit", "price": 6740.25, "timeInForce": "Day", "isAutomated": true}"#,
);

const BODY_BYTES: usize = 300;
const INBOX: usize = 16 * 1024;
