//! The thread that owns the ledger, and what others hold of it.

use std::{io, sync::Arc, thread, time::Duration};

use http::StatusCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::timeout,
};

use crate::{
    clock::Clock,
    idempotency::{
        Bounds, Digest, Journal, Kept, Key, Refusal, Unwritable,
        digest::place,
        entry::State,
        ledger::{Ledger, Verdict},
    },
};

/// A way to the register. Cheap to clone; its thread ends with the last one.
#[derive(Clone, Debug)]
pub struct Register {
    messages: mpsc::UnboundedSender<Message>,
    /// For those who ask for leave: while a disk hangs, new ones come, and what they left behind stays.
    room: Arc<Semaphore>,
    bounds: Bounds,
}

#[derive(Debug)]
enum Message {
    Begin { attempt: Attempt, request: Digest, reply: Reply, _place: OwnedSemaphorePermit },
    Settle { place: Digest, state: State },
    Free { place: Digest },
    Forget { place: Digest, reply: oneshot::Sender<Result<bool, Unforgettable>> },
    Flush { reply: oneshot::Sender<()> },
}

type Reply = oneshot::Sender<Result<Admission, Refusal>>;

/// Whether a request with a key goes.
#[derive(Debug)]
pub enum Admission {
    /// It does.
    First(Attempt),
    /// It went before, and this was the answer.
    Repeat(Arc<Kept>),
}

/// Why a key is not forgotten.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unforgettable {
    /// Its request is on its way.
    #[error("a request with this key is in flight")]
    InFlight,
    /// The disk.
    #[error(transparent)]
    Unwritable(#[from] Unwritable),
}

impl Register {
    /// Reads the journal, and starts the thread.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(journal: Journal, bounds: Bounds, clock: Clock) -> io::Result<Self> {
        let (messages, mut inbox) = mpsc::unbounded_channel();
        let mut ledger = Ledger::open(journal, bounds);
        thread::Builder::new().name("idempotency".to_owned()).spawn(move || {
            while let Some(message) = inbox.blocking_recv() {
                attend(&mut ledger, message, &clock);
            }
        })?;
        Ok(Self::by(messages, bounds))
    }

    fn by(messages: mpsc::UnboundedSender<Message>, bounds: Bounds) -> Self {
        Self { messages, room: Arc::new(Semaphore::new(ROOM)), bounds }
    }

    /// Bytes of an answer that are kept.
    pub fn answer_bytes(&self) -> usize {
        self.bounds.answer_bytes
    }

    /// Asks for leave to send this request of `caller`'s under this key, and waits so long for the disk. Cancel safe: a
    /// leave that nobody waits for any more is given back.
    ///
    /// # Errors
    /// When it must not be sent.
    pub async fn begin(
        &self,
        caller: &str,
        key: Key<'_>,
        request: Digest,
        patience: Duration,
    ) -> Result<Admission, Refusal> {
        let attempt = Attempt { messages: self.messages.clone(), place: place(caller, key), otherwise: None };
        let (reply, admission) = oneshot::channel();
        let unasked = |why: &str| Refusal::Unwritable(Unwritable::Unread(why.to_owned()));
        let place = Arc::clone(&self.room).try_acquire_owned();
        let place = place.map_err(|_| unasked(&format!("{ROOM} orders wait for the disk already")))?;
        let begin = Message::Begin { attempt, request, reply, _place: place };
        self.messages.send(begin).map_err(|_| unasked(STOPPED))?;
        // A leave that comes later is given back: nobody waits for it.
        let slow = |_| unasked(&format!("the disk has not answered within {patience:?}"));
        let admission = timeout(patience, admission).await.map_err(slow)?;
        admission.map_err(|_| unasked(STOPPED))?
    }

    /// Forgets a key of `caller`'s, so that it can be used again; returns whether it was known.
    ///
    /// # Errors
    /// When its request is under way, or that cannot be written down.
    pub async fn forget(&self, caller: &str, key: Key<'_>) -> Result<bool, Unforgettable> {
        let (reply, forgotten) = oneshot::channel();
        let sent = self.messages.send(Message::Forget { place: place(caller, key), reply });
        let stopped = || Unforgettable::Unwritable(Unwritable::Disk(STOPPED.to_owned()));
        sent.map_err(|_| stopped())?;
        forgotten.await.map_err(|_| stopped())?
    }

    /// Waits until everything said so far is written down. Cancel safe.
    pub async fn flush(&self) {
        let (reply, flushed) = oneshot::channel();
        if self.messages.send(Message::Flush { reply }).is_ok() {
            // The thread has ended, which is as good.
            let _ = flushed.await;
        }
    }

    /// One whose disk does not answer, for as long as what comes with it is held.
    #[cfg(test)]
    pub(crate) fn hung() -> (Self, impl Sized) {
        let (messages, inbox) = mpsc::unbounded_channel();
        (Self::by(messages, Bounds::default()), inbox)
    }
}

fn attend(ledger: &mut Ledger, message: Message, clock: &Clock) {
    let now = clock.wall();
    match message {
        // Whoever asked may have gone on without it while the disk hung.
        Message::Begin { reply, .. } if reply.is_closed() => {}
        Message::Begin { attempt, request, reply, .. } => admit(ledger, attempt, request, reply, clock),
        Message::Settle { place, state } => ledger.settle(place, state, now),
        Message::Free { place } => free(ledger, place, clock),
        Message::Forget { place, reply } => {
            let forgotten = if ledger.is_in_flight(place) {
                Err(Unforgettable::InFlight)
            } else {
                ledger.forget(place, now).map_err(Into::into)
            };
            let _ = reply.send(forgotten);
        }
        Message::Flush { reply } => {
            let _ = reply.send(());
        }
    }
}

/// Gives the leave to whoever waits for it.
fn admit(ledger: &mut Ledger, mut attempt: Attempt, request: Digest, reply: Reply, clock: &Clock) {
    let admission = ledger.begin(attempt.place, request, clock.wall()).map(|verdict| match verdict {
        Verdict::First => {
            attempt.otherwise = Some(Otherwise::Free);
            Admission::First(attempt)
        }
        Verdict::Repeat(kept) => Admission::Repeat(kept),
    });
    if let Err(Ok(Admission::First(mut attempt))) = reply.send(admission) {
        // At once: a message would come behind the repetition that may wait already.
        attempt.otherwise = None;
        free(ledger, attempt.place, clock);
    }
}

/// The request of this key was certainly not sent.
fn free(ledger: &mut Ledger, place: Digest, clock: &Clock) {
    if let Err(why) = ledger.forget(place, clock.wall()) {
        // What the journal says is then what holds.
        tracing::warn!(%why, "an Idempotency-Key could not be freed, although its request was not sent");
        ledger.settle(place, State::Unknown, clock.wall());
    }
}

/// A request with a key that may be sent. Dropped, its key is free again if it had not [left](Self::leaves), and its
/// outcome unknown if it had.
#[must_use]
#[derive(Debug)]
pub struct Attempt {
    messages: mpsc::UnboundedSender<Message>,
    place: Digest,
    /// What it comes to if nothing more is said; `None` once that was said.
    otherwise: Option<Otherwise>,
}

#[derive(Clone, Copy, Debug)]
enum Otherwise {
    Free,
    Unknown,
}

impl Attempt {
    /// From here on nobody can say that it was not sent, but [`has_not_left`](Self::has_not_left).
    pub fn leaves(&mut self) {
        self.otherwise = Some(Otherwise::Unknown);
    }

    /// It was certainly not sent: unless it [leaves](Self::leaves) again, the key is free.
    pub fn has_not_left(&mut self) {
        self.otherwise = Some(Otherwise::Free);
    }

    /// It was answered.
    pub fn answered(self, answer: Arc<Kept>) {
        self.settle(State::Answered { answer });
    }

    /// It was answered, at more length than is kept.
    pub fn answered_at_length(self, status: StatusCode) {
        self.settle(State::NotKept { status });
    }

    fn settle(mut self, state: State) {
        self.otherwise = None;
        // The thread ends after everybody else has.
        let _ = self.messages.send(Message::Settle { place: self.place, state });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let place = self.place;
        let message = match self.otherwise.take() {
            None => return,
            Some(Otherwise::Free) => Message::Free { place },
            Some(Otherwise::Unknown) => Message::Settle { place, state: State::Unknown },
        };
        let _ = self.messages.send(message);
    }
}

/// Orders that may wait for the disk, or be given up by whoever waited while it hung.
const ROOM: usize = 4096;
const STOPPED: &str = "its thread has ended, and the log says why";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idempotency::request;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_any_more_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::open(Journal::within(directory.path()), Bounds::default());
        let (messages, mut inbox) = mpsc::unbounded_channel();
        let (register, clock) = (Register::by(messages, Bounds::default()), Clock::system());
        let (key, order) = (Key::new("a").unwrap(), request("POST", "/v1/order/placeorder", b"{}"));
        let mut given_up = async || {
            let refused = register.begin("", key, order, Duration::from_millis(100)).await.unwrap_err();
            assert!(refused.to_string().contains("within 100ms"), "{refused}");
            inbox.try_recv().unwrap()
        };

        // Given up before its turn comes: it costs the disk nothing.
        attend(&mut ledger, given_up().await, &clock);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);

        // Given up while the disk is at it: what waits behind it finds the key free.
        let Message::Begin { attempt, request, reply, .. } = given_up().await else {
            panic!("something else")
        };
        admit(&mut ledger, attempt, request, reply, &clock);
        assert_eq!(ledger.begin(place("", key), order, clock.wall()).unwrap(), Verdict::First);
        assert!(inbox.is_empty(), "and no message frees it from under its repetition");
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_has_a_bounded_number_of_orders_waiting_for_it() {
        let (register, _inbox) = Register::hung();
        let (key, order) = (Key::new("a").unwrap(), request("POST", "/v1/order/placeorder", b"{}"));
        for place in 0..=ROOM {
            let refused = register.begin("", key, order, Duration::ZERO).await.unwrap_err().to_string();
            let why = if place < ROOM { "within" } else { "wait for the disk already" };
            assert!(refused.contains(why), "{refused}");
        }
    }
}
