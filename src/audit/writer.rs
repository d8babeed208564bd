//! The one thread that writes. What many requests hand in while it is at the disk becomes one write and one sync.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    audit::{
        Options,
        desk::{Message, Newest, Pending, Standing, Trouble},
        directory::Lock,
        found::follow,
        line::{Event, Gap, Started, Unfinished},
        options::{Fsync, OnFailure},
        trail::Trail,
    },
    clock::Clock,
};

/// Everything the thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    options: Options,
    environment: &'static str,
    clock: Clock,
    /// Where it is told how the log stands.
    standing: Arc<Standing>,
    /// Missing until the directory can be had.
    lock: Option<Lock>,
    trail: Option<Trail>,
    /// What is still to be written, oldest first.
    backlog: VecDeque<Pending>,
    /// Who waits for a sync.
    waiting: Vec<oneshot::Sender<bool>>,
    /// What has begun and not ended.
    open: BTreeMap<String, Unfinished>,
    /// What has to be said before anything else, once something can be written.
    gap: Option<Gap>,
    start: Start,
    /// Whether that the process ends is the last thing that was handed in.
    has_stopped: bool,
    /// When refused requests were last counted rather than written.
    suppressed: Instant,
    /// Whether something was written since the last sync, and when that was.
    owes_sync: bool,
    synced: Instant,
    /// Whether the last sync failed: what it was for may never reach the disk, whatever a later one says.
    is_unsynced: bool,
}

/// That this process begins to write.
#[derive(Debug)]
enum Start {
    /// The log has not been opened yet.
    Awaited,
    /// It has, and this is what the last process left unfinished, which is to be written.
    Found(Vec<Unfinished>),
    Written,
}

impl Writer {
    pub(super) fn new(
        options: Options,
        environment: &'static str,
        clock: Clock,
        standing: Arc<Standing>,
        lock: Option<Lock>,
    ) -> Self {
        Self {
            options,
            environment,
            clock,
            standing,
            lock,
            trail: None,
            backlog: VecDeque::new(),
            waiting: Vec::new(),
            open: BTreeMap::new(),
            gap: None,
            start: Start::Awaited,
            has_stopped: false,
            suppressed: Instant::now(),
            owes_sync: false,
            synced: Instant::now(),
            is_unsynced: false,
        }
    }

    /// Writes until nobody is left to hand anything in.
    pub(super) fn run(mut self, outbox: &Receiver<Message>) {
        self.turn();
        loop {
            let mut finished = Vec::new();
            let patience = if self.owes_work() { TICK } else { REST };
            let is_over = match outbox.recv_timeout(patience) {
                Ok(first) => {
                    for message in std::iter::once(first).chain(outbox.try_iter().take(MOST_AT_ONCE)) {
                        match message {
                            Message::Write(pending) => {
                                self.backlog.push_back(*pending);
                                self.has_stopped = false;
                            }
                            Message::Finish(done) => finished.push(done),
                        }
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if is_over || !finished.is_empty() {
                self.stops();
            }
            self.turn();
            for done in finished {
                let _ = done.send(());
            }
            if is_over {
                return;
            }
        }
    }

    /// Writes down that the process ends in order: once, unless more has come behind it.
    fn stops(&mut self) {
        self.count_suppressed();
        if !self.has_stopped {
            // Somebody waits for it, so that it is on the disk when the process has ended.
            let (ack, _) = oneshot::channel();
            self.backlog.push_back(Pending { at: self.clock.wall(), event: Event::Stopped, ack: Some(ack) });
            self.has_stopped = true;
        }
    }

    /// Whether there is something to do even if nobody asks.
    fn owes_work(&self) -> bool {
        self.trail.is_none() || self.owes_sync || self.gap.is_some()
    }

    /// Writes what there is to write.
    fn turn(&mut self) {
        if self.suppressed.elapsed() >= SUPPRESSED_EVERY {
            self.count_suppressed();
        }
        let lost = self.standing.take_lost();
        if lost > 0 {
            self.gap("more was to be written at once than there is room for".to_owned()).lost += lost;
        }
        self.standing.begins();
        let outcome = self.write();
        match outcome {
            Ok(()) => self.heals(),
            Err(error) => self.fails(&error),
        }
    }

    fn count_suppressed(&mut self) {
        self.suppressed = Instant::now();
        let refused = self.standing.take_suppressed();
        if refused > 0 {
            let event = Event::Suppressed { refused };
            self.has_stopped = false;
            self.backlog.push_back(Pending { at: self.clock.wall(), event, ack: None });
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let now = self.clock.wall();
        self.open(now)?;
        loop {
            let (composed, is_full) = self.compose(now);
            if composed > 0 || is_full {
                self.commit(composed)?;
            }
            let Some(trail) = self.trail.as_mut().filter(|trail| trail.is_full()) else { break };
            trail.rotate(now, self.open.values().cloned().collect())?;
            self.tell_newest();
        }
        self.settle()
    }

    /// Opens the log where it is not open.
    fn open(&mut self, now: Timestamp) -> io::Result<()> {
        if let Some(trail) = &self.trail {
            if !trail.has_been_removed()? {
                return Ok(());
            }
            // The lock was beside it.
            (self.trail, self.lock) = (None, None);
            return Err(io::Error::other("the log was removed while it was being written"));
        }
        if self.lock.is_none() {
            let lock = Lock::take(&self.options.directory).map_err(io::Error::other)?;
            self.lock = Some(lock?);
        }
        let (trail, unfinished) = Trail::open(&self.options, now, self.is_unsynced)?;
        self.trail = Some(trail);
        self.is_unsynced = false;
        if !matches!(self.start, Start::Written) {
            self.start = Start::Found(unfinished);
        }
        self.tell_newest();
        Ok(())
    }

    /// Composes what there is, as far as one file takes it. Says how many lines of the backlog that is, and whether
    /// there is anything to commit.
    fn compose(&mut self, now: Timestamp) -> (usize, bool) {
        let Some(trail) = &mut self.trail else { return (0, false) };
        if let Start::Found(unfinished) = &self.start {
            let unfinished = unfinished.clone();
            let (version, environment) = (env!("CARGO_PKG_VERSION").to_owned(), self.environment.to_owned());
            trail.compose(now, &Event::Started(Started { version, environment, unfinished }));
        }
        if let Some(gap) = &self.gap {
            let late = self.backlog.len() as u64;
            trail.compose(now, &Event::Gap(Gap { late, ..gap.clone() }));
        }
        let mut composed = 0;
        for pending in &self.backlog {
            if composed > 0 && trail.is_full() {
                break;
            }
            trail.compose(pending.at, &pending.event);
            composed += 1;
        }
        (composed, trail.has_composed())
    }

    fn commit(&mut self, composed: usize) -> io::Result<()> {
        let Some(trail) = &mut self.trail else { return Ok(()) };
        let lines = trail.commit()?;
        self.standing.metrics.written(lines);
        self.owes_sync = true;
        self.gap = None;
        if let Start::Found(unfinished) = std::mem::replace(&mut self.start, Start::Written) {
            warn_of(unfinished);
        }
        for Pending { at, event, ack } in self.backlog.drain(..composed) {
            follow(&mut self.open, &event, at);
            self.waiting.extend(ack);
        }
        self.tell_newest();
        Ok(())
    }

    /// Makes what was written as durable as the settings want it, and tells those who wait.
    fn settle(&mut self) -> io::Result<()> {
        let Some(trail) = &self.trail else { return Ok(()) };
        let is_due = self.owes_sync && self.synced.elapsed() >= TICK;
        let sync = match self.options.fsync {
            Fsync::Always => is_due || !self.waiting.is_empty(),
            Fsync::Interval => is_due,
            Fsync::Never => false,
        };
        if sync {
            let begun = Instant::now();
            if let Err(error) = trail.sync() {
                self.is_unsynced = true;
                return Err(error);
            }
            self.synced = Instant::now();
            self.standing.metrics.synced(self.synced - begun);
        }
        if sync || self.options.fsync == Fsync::Never && self.owes_sync {
            self.owes_sync = false;
            trail.note()?;
        }
        for ack in self.waiting.drain(..) {
            // Whoever has given up meanwhile has left.
            let _ = ack.send(true);
        }
        Ok(())
    }

    fn tell_newest(&self) {
        if let Some(trail) = &self.trail {
            let newest = Newest { file: trail.file_name(), link: trail.tip() };
            self.standing.newest.store(Arc::new(newest));
        }
    }

    fn heals(&self) {
        let was_ill = self.standing.trouble().is_some();
        self.standing.ends(None);
        // Said when it is so: whoever has read it may order at once.
        if was_ill {
            tracing::info!(directory = %self.options.directory.display(), "the audit log is written again");
        }
    }

    /// Keeps what could not be written, as far as there is room, and says why.
    fn fails(&mut self, error: &io::Error) {
        if self.is_unsynced || self.trail.as_ref().is_some_and(|trail| !trail.is_usable()) {
            self.trail = None;
        }
        let acks = self.backlog.iter_mut().filter_map(|pending| pending.ack.take());
        let acks: Vec<_> = self.waiting.drain(..).chain(acks).collect();
        let surplus = self.backlog.len().saturating_sub(MOST_KEPT);
        self.backlog.drain(..surplus);
        let why = format!("{}: {error}", self.options.directory.display());
        let gap = self.gap(why.clone());
        gap.lost += surplus as u64;
        let since = gap.since;
        self.standing.metrics.lost(surplus as u64);
        if self.standing.trouble().is_none() {
            let orders = match self.options.on_failure {
                OnFailure::Refuse => "orders are refused; cancels and liquidations are sent",
                OnFailure::GoOn => "orders are sent all the same",
            };
            tracing::error!(%error, directory = %self.options.directory.display(), "the audit log cannot be written: {orders}; free the disk or mend what the error names, and it goes on by itself");
        }
        self.standing.ends(Some(Trouble { since, why }));
        // Last, since whoever hears it looks there for the reason.
        for ack in acks {
            let _ = ack.send(false);
        }
    }

    fn gap(&mut self, why: String) -> &mut Gap {
        let since = self.clock.wall();
        self.gap.get_or_insert(Gap { since, why, late: 0, lost: 0 })
    }
}

fn warn_of(unfinished: Vec<Unfinished>) {
    for Unfinished { id, operation, begun } in unfinished {
        tracing::warn!(request_id = id, operation, %begun, "the last process ended before this request did, so its outcome is unknown: look at order/list before it is sent again");
    }
}

/// How long lines that nobody waits for may be no safer than the operating system makes them; and how soon a log that
/// failed is tried again.
const TICK: Duration = Duration::from_secs(1);
/// With nothing to do.
const REST: Duration = Duration::from_secs(3600);
const SUPPRESSED_EVERY: Duration = Duration::from_secs(60);
/// Lines in one write.
const MOST_AT_ONCE: usize = 512;
/// Lines kept for when the disk is well again: a few megabytes.
const MOST_KEPT: usize = 4096;
