//! The generator of load: one thread, as many connections as asked for, latencies in nanoseconds.
//!
//! Closed loop: each connection sends its next request when it has its answer. At a fixed rate: requests are due at
//! fixed times, whatever became of those before, and latency counts from when a request was *due*, so that one slow
//! answer is not hidden by the requests that it holds up.
//!
//! It warms up, prints a line, and waits for one before it begins: whoever started it reads the accounts of the
//! peer's processor time in between, and again after the result, which is a line of JSON.

use std::{
    collections::VecDeque,
    io::{self, BufRead as _, ErrorKind, Read as _, Write as _},
    os::fd::OwnedFd,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::{
    buffer::spare_capacity,
    event::epoll,
    io::Errno,
    time::{
        ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
        timerfd_create, timerfd_settime,
    },
};
use serde::{Deserialize, Serialize};

use crate::harness::{
    asked::Asked,
    wire::{
        answer::Pending,
        stream::{Stream, Target},
    },
};

/// What is to be generated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) target: Target,
    pub(crate) asked: Asked,
    pub(crate) connections: usize,
    /// Requests a second over all connections; without it a closed loop.
    pub(crate) rate: Option<u32>,
    pub(crate) spell: Duration,
    /// Only on the way without a proxy.
    pub(crate) token: Option<String>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Generated {
    pub(crate) requests: u32,
    pub(crate) seconds: f64,
    /// Microseconds, as are the next two.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) worst: f64,
}

/// Generates it, as a process of its own.
pub(crate) fn run(order: &Order) -> anyhow::Result<()> {
    let mut load = Load::new(order)?;
    (0..order.connections).try_for_each(|_| load.open(&order.target))?;
    let spell = u64::try_from(order.spell.as_nanos())?;
    load.closed_loop(spell / 10)?;
    println!("warm");
    io::stdin().lock().read_line(&mut String::new())?;
    load.seen.clear();
    let started = now();
    match order.rate {
        None => load.closed_loop(spell)?,
        Some(rate) => load.at_rate(u64::from(rate), spell)?,
    }
    let seconds = Duration::from_nanos(now() - started).as_secs_f64();
    println!("{}", serde_json::to_string(&generated(&mut load.seen, seconds)?)?);
    Ok(())
}

/// Opens the connections, sends one request on each, and keeps them open until standard input ends.
pub(crate) fn hold(order: &Order) -> anyhow::Result<()> {
    let mut load = Load::new(order)?;
    // One by one, as nobody's queue of new connections holds thousands.
    for at in 0..order.connections {
        load.open(&order.target)?;
        load.send(at, now())?;
        while load.busy > 0 {
            load.turn()?;
        }
    }
    println!("held");
    io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

fn generated(seen: &mut [u64], seconds: f64) -> anyhow::Result<Generated> {
    ensure!(!seen.is_empty(), "nothing was answered");
    seen.sort_unstable();
    let micros = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e6;
    let percentile = |percent: usize| micros(seen[(seen.len() * percent / 100).min(seen.len() - 1)]);
    Ok(Generated {
        requests: u32::try_from(seen.len())?,
        seconds,
        p50: percentile(50),
        p99: percentile(99),
        worst: micros(seen[seen.len() - 1]),
    })
}

struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    request: Vec<u8>,
    length: usize,
    /// How many wait for an answer.
    busy: usize,
    /// Closed loop: until when an answer is followed by a request.
    until: u64,
    seen: Vec<u64>,
    events: Vec<epoll::Event>,
    received: Vec<u8>,
    /// How often the timer of the fixed rate has run out since last asked.
    ticks: u64,
    timer: Option<OwnedFd>,
}

struct Connection {
    stream: Stream,
    pending: Pending,
    /// When the request that waits for an answer was due.
    due: Option<u64>,
    /// Due times of requests that an answer holds up.
    held_up: VecDeque<u64>,
}

impl Load {
    fn new(order: &Order) -> anyhow::Result<Self> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            request: order.asked.request(order.asked.method(), order.token.as_deref()),
            length: order.asked.body().len(),
            busy: 0,
            until: 0,
            seen: Vec::with_capacity(1_000_000),
            events: Vec::with_capacity(256),
            received: vec![0; 64 * 1024],
            ticks: 0,
            timer: None,
        })
    }

    fn open(&mut self, target: &Target) -> anyhow::Result<()> {
        let at = self.connections.len();
        let stream = Stream::connect(target).with_context(|| format!("connection {at} to {target}"))?;
        stream.set_nonblocking()?;
        let token = epoll::EventData::new_u64(u64::try_from(at)?);
        epoll::add(&self.epoll, &stream, token, epoll::EventFlags::IN)?;
        let (pending, held_up) = (Pending::default(), VecDeque::new());
        self.connections.push(Connection { stream, pending, due: None, held_up });
        Ok(())
    }

    fn closed_loop(&mut self, spell: u64) -> anyhow::Result<()> {
        let started = now();
        self.until = started + spell;
        for at in 0..self.connections.len() {
            self.send(at, now())?;
        }
        while self.busy > 0 {
            self.turn()?;
        }
        Ok(())
    }

    fn at_rate(&mut self, rate: u64, spell: u64) -> anyhow::Result<()> {
        let interval = SECOND / rate;
        let first = now() + interval;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)?;
        let every = Itimerspec { it_interval: timespec(interval), it_value: timespec(first) };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &every)?;
        epoll::add(&self.epoll, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
        (self.timer, self.until) = (Some(timer), 0);
        let (mut sent, all) = (0, spell / interval);
        while sent < all || self.busy > 0 {
            self.turn()?;
            for _ in 0..std::mem::take(&mut self.ticks).min(all - sent) {
                let at = usize::try_from(sent)? % self.connections.len();
                let due = first + sent * interval;
                sent += 1;
                if self.connections[at].due.is_none() {
                    self.send(at, due)?;
                } else {
                    self.connections[at].held_up.push_back(due);
                }
            }
        }
        self.timer = None;
        Ok(())
    }

    /// Waits for events, and deals with them.
    fn turn(&mut self) -> anyhow::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let patience = timespec(PATIENCE);
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience)) {
            Ok(0) => bail!("{} requests got no answer for 5 s", self.busy),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => bail!(error),
        }
        for event in &events {
            match event.data.u64() {
                TIMER => self.ticked()?,
                at => self.readable(usize::try_from(at)?)?,
            }
        }
        self.events = events;
        Ok(())
    }

    fn ticked(&mut self) -> anyhow::Result<()> {
        let mut count = [0; 8];
        if let Some(timer) = &self.timer {
            rustix::io::read(timer, &mut count)?;
        }
        self.ticks += u64::from_ne_bytes(count);
        Ok(())
    }

    fn readable(&mut self, at: usize) -> anyhow::Result<()> {
        let connection = &mut self.connections[at];
        // A whole answer most often comes at once. What TLS has read ahead raises no event, so it is asked for.
        loop {
            let read = match connection.stream.read(&mut self.received) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("a connection broke"),
            };
            ensure!(read > 0, "a connection was closed");
            if connection.pending.take(&self.received[..read], self.length)? {
                break;
            }
        }
        let due = connection.due.take().context("an answer came that nobody asked for")?;
        let answered = now();
        self.busy -= 1;
        self.seen.push(answered - due);
        if let Some(due) = connection.held_up.pop_front() {
            return self.send(at, due);
        }
        if answered < self.until {
            return self.send(at, answered);
        }
        Ok(())
    }

    fn send(&mut self, at: usize, due: u64) -> anyhow::Result<()> {
        let connection = &mut self.connections[at];
        let written = connection.stream.write(&self.request).context("a connection broke")?;
        ensure!(written == self.request.len(), "a request of some hundred bytes did not fit into a socket");
        connection.due = Some(due);
        self.busy += 1;
        Ok(())
    }
}

/// Nanoseconds on a clock that nobody sets.
fn now() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    tv_sec.unsigned_abs() * SECOND + tv_nsec.unsigned_abs()
}

fn timespec(nanos: u64) -> Timespec {
    let part = |part: u64| i64::try_from(part).unwrap_or(i64::MAX);
    Timespec { tv_sec: part(nanos / SECOND), tv_nsec: part(nanos % SECOND) }
}

const SECOND: u64 = 1_000_000_000;
/// How long nothing may happen.
const PATIENCE: u64 = 5 * SECOND;
/// The token of the timer; connections have theirs by number.
const TIMER: u64 = u64::MAX;
