//! Where requests hand in what is to be written, and how the writer stands: shared by all, waited on by none.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::Timestamp;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    audit::{
        Metrics,
        chain::Link,
        line::{Event, Refused},
        options::OnFailure,
    },
    clock::Clock,
};

/// One half; the writer's is the receiver of what [`desk`] returns.
#[derive(Debug)]
pub(super) struct Desk {
    inbox: SyncSender<Message>,
    on_failure: OnFailure,
    clock: Clock,
    pub(super) standing: Arc<Standing>,
}

/// What the writer is told.
#[derive(Debug)]
pub(super) enum Message {
    Write(Box<Pending>),
    /// Nothing more will come that matters: say when all is written.
    Finish(oneshot::Sender<()>),
}

/// A line to be.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) at: Timestamp,
    pub(super) event: Event,
    /// Told whether it is written, as durably as the settings want it.
    pub(super) ack: Option<oneshot::Sender<bool>>,
}

/// Why a line could not be handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lost {
    #[error("{QUEUE} lines wait for the disk already, and there is no room for more")]
    NoRoom,
    #[error("its writer has ended")]
    NoWriter,
}

/// How the log stands.
#[derive(Debug)]
pub(super) struct Standing {
    started: Instant,
    /// When the writer last turned to the disk, in milliseconds from `started`, plus one; zero while it does not.
    busy: AtomicU64,
    trouble: ArcSwapOption<Trouble>,
    pub(super) newest: ArcSwap<Newest>,
    /// Lines that there was no room for, since the writer last looked.
    lost: AtomicU64,
    /// Requests refused beyond what is written one by one, since the writer last looked.
    suppressed: AtomicU64,
    /// Which minute it is, and how many lines of refused requests it has: `minute << 32 | lines`.
    refused: AtomicU64,
    pub(super) metrics: Metrics,
}

/// The newest line.
#[derive(Clone, Debug, Default)]
pub(super) struct Newest {
    pub(super) file: String,
    pub(super) link: Link,
}

/// What keeps lines from being written.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) since: Timestamp,
    pub(super) why: String,
}

/// Makes both halves.
pub(super) fn desk(on_failure: OnFailure, clock: Clock, metrics: Metrics) -> (Arc<Desk>, Receiver<Message>) {
    let (inbox, outbox) = sync_channel(QUEUE);
    let standing = Standing {
        started: Instant::now(),
        busy: AtomicU64::new(0),
        trouble: ArcSwapOption::empty(),
        newest: ArcSwap::default(),
        lost: AtomicU64::new(0),
        suppressed: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        metrics,
    };
    (Arc::new(Desk { inbox, on_failure, clock, standing: Arc::new(standing) }), outbox)
}

impl Desk {
    pub(super) fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// Hands a line in, if there is room; it is counted as lost if not. Never blocks.
    pub(super) fn write(&self, event: Event, ack: Option<oneshot::Sender<bool>>) -> Result<(), Lost> {
        let pending = Pending { at: self.clock.wall(), event, ack };
        let handed_in = self.inbox.try_send(Message::Write(Box::new(pending)));
        handed_in.map_err(|error| {
            self.standing.loses(1);
            match error {
                TrySendError::Full(_) => Lost::NoRoom,
                TrySendError::Disconnected(_) => Lost::NoWriter,
            }
        })
    }

    /// The same for what somebody could flood the disk with: the first few in a minute, and the number of the rest.
    pub(super) fn write_some(&self, event: Event) {
        debug_assert!(matches!(event, Event::Refused(Refused { .. })), "everything else is written");
        if self.standing.has_room_for_refused() {
            // Lost, it is counted.
            let _ = self.write(event, None);
        } else {
            self.standing.suppressed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything handed in is written, or cannot be. Returns at once where the writer has ended.
    pub(super) async fn finish(&self) {
        let (done, finished) = oneshot::channel();
        let mut message = Message::Finish(done);
        while let Err(error) = self.inbox.try_send(message) {
            let TrySendError::Full(back) = error else { return };
            // There is no word for "room again", and at the end of the process no hurry.
            message = back;
            sleep(A_MOMENT).await;
        }
        // Whether it has done so or ended, there is nothing left to wait for.
        let _ = finished.await;
    }

    /// Why nothing can be written at this moment, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = self.standing.trouble.load();
        let told = trouble.as_ref().map(|trouble| trouble.why.clone());
        told.or_else(|| self.standing.busy_for().filter(|busy| *busy > SLOW).map(slow))
    }

    /// Says that the disk has not answered within `patience`.
    pub(super) fn is_slow(&self, patience: Duration) -> String {
        self.standing.metrics.is_failing(true);
        slow(patience)
    }
}

impl Standing {
    /// The writer turns to the disk.
    pub(super) fn begins(&self) {
        self.busy.store(self.millis() + 1, Ordering::Relaxed);
    }

    /// It is back: nothing is wrong, or this.
    pub(super) fn ends(&self, trouble: Option<Trouble>) {
        self.busy.store(0, Ordering::Relaxed);
        self.metrics.is_failing(trouble.is_some());
        self.trouble.store(trouble.map(Arc::new));
    }

    pub(super) fn trouble(&self) -> Option<Arc<Trouble>> {
        self.trouble.load_full()
    }

    pub(super) fn loses(&self, lines: u64) {
        self.metrics.lost(lines);
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }

    pub(super) fn take_suppressed(&self) -> u64 {
        self.suppressed.swap(0, Ordering::Relaxed)
    }

    fn has_room_for_refused(&self) -> bool {
        let minute = self.millis() / 60_000;
        let count = |seen: u64| if seen >> 32 == minute { seen & 0xffff_ffff } else { 0 };
        let counted = self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
            let lines = count(seen);
            (lines < REFUSED_A_MINUTE).then_some(minute << 32 | (lines + 1))
        });
        counted.is_ok()
    }

    fn busy_for(&self) -> Option<Duration> {
        let since = self.busy.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.millis().saturating_sub(since)))
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}

fn slow(time: Duration) -> String {
    format!("the disk has not answered for {} s", time.as_secs())
}

/// Lines on their way to a writer that is at the disk.
const QUEUE: usize = 4096;

/// After which a full queue may have room.
const A_MOMENT: Duration = Duration::from_millis(5);

/// A disk that takes as long is one that does not answer.
const SLOW: Duration = Duration::from_secs(2);

/// 30 lines of a kilobyte are 40 MB a day: a flood of refused requests lasts weeks until it has pushed out the first
/// order (`audit.rotate-size` times `audit.keep`).
const REFUSED_A_MINUTE: u64 = 30;
