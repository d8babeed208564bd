//! Cancelling what works at the broker: asked for here, done by whoever can send requests.
//!
//! Both sides look at one account of it ([`Sweep`]), so that whatever ends the work early (the end of the process, a
//! defect), whoever asked learns how far it came.

use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What became of the working orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Orders whose cancel Tradovate has taken. That is not yet a cancelled order: see `still_working`.
    pub cancelled: Vec<i64>,
    /// Orders whose cancel Tradovate refused.
    pub refused: Vec<Uncancelled>,
    /// Orders whose cancel was sent and got no certain answer. It is not sent again.
    pub unknown: Vec<i64>,
    /// Orders whose cancel never left.
    pub not_sent: Vec<Uncancelled>,
    /// Orders that worked still, as far as the last look showed; `None` if that look failed, or was not taken.
    pub still_working: Option<Vec<i64>>,
    /// What kept it from being complete.
    pub trouble: Option<String>,
}

/// An order that was not cancelled, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncancelled {
    /// Its id.
    pub order: i64,
    /// Tradovate's words, or the proxy's.
    pub why: String,
}

/// What became of one cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Taken.
    Cancelled,
    /// Not carried out, and why.
    Refused(String),
    /// Sent, without a certain answer.
    Unknown,
    /// Not a byte of it left, and why.
    NotSent(String),
}

impl Swept {
    /// Nothing was done, and why.
    pub fn not(trouble: impl Into<String>) -> Self {
        Self { trouble: Some(trouble.into()), ..Self::default() }
    }

    /// This, and what a `later` look came to: of an order that it found again, what became of it then.
    #[must_use]
    pub fn followed_by(mut self, mut later: Self) -> Self {
        let is_again = |order: i64| {
            let told = later.refused.iter().chain(&later.not_sent).map(|uncancelled| uncancelled.order);
            later.cancelled.iter().chain(&later.unknown).copied().chain(told).any(|other| other == order)
        };
        self.cancelled.retain(|order| !is_again(*order));
        self.unknown.retain(|order| !is_again(*order));
        self.refused.retain(|uncancelled| !is_again(uncancelled.order));
        self.not_sent.retain(|uncancelled| !is_again(uncancelled.order));
        self.cancelled.append(&mut later.cancelled);
        self.unknown.append(&mut later.unknown);
        self.refused.append(&mut later.refused);
        self.not_sent.append(&mut later.not_sent);
        Self { still_working: later.still_working, trouble: later.trouble, ..self }
    }

    /// Whether no order is left that worked.
    pub fn is_complete(&self) -> bool {
        self.trouble.is_none() && self.still_working.as_ref().is_some_and(Vec::is_empty)
    }
}

/// The wish that all working orders be cancelled, and the account of what is done about it. Dropped, it ends there.
#[derive(Debug)]
pub struct Sweep {
    account: Arc<Mutex<Account>>,
    broken_off: CancellationToken,
    /// That it is gone is the word.
    _done: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Account {
    swept: Swept,
    /// Orders whose turn has not come.
    waiting: VecDeque<i64>,
    stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// It waits for whoever can send requests.
    #[default]
    Asked,
    Begun,
    /// Everything that was to be done is done.
    Done,
}

impl Sweep {
    /// It is taken up.
    pub fn begins(&self) {
        self.account().stage = Stage::Begun;
    }

    /// These are to be cancelled.
    pub fn found(&self, orders: impl IntoIterator<Item = i64>) {
        self.account().waiting.extend(orders);
    }

    /// The next to be cancelled. It counts as unknown from now on, since it may be sent at any moment.
    pub fn take_next(&self) -> Option<i64> {
        let mut account = self.account();
        let order = account.waiting.pop_front()?;
        account.swept.unknown.push(order);
        Some(order)
    }

    /// That came of the one that was last taken.
    pub fn became(&self, fate: Fate) {
        let swept = &mut self.account().swept;
        let Some(order) = (fate != Fate::Unknown).then(|| swept.unknown.pop()).flatten() else { return };
        match fate {
            Fate::Unknown => {}
            Fate::Cancelled => swept.cancelled.push(order),
            Fate::Refused(why) => swept.refused.push(Uncancelled { order, why }),
            Fate::NotSent(why) => swept.not_sent.push(Uncancelled { order, why }),
        }
    }

    /// Nothing more is sent: what waits is left, for this reason.
    pub fn leaves_the_rest(&self, why: &str) {
        self.account().leaves_the_rest(why);
    }

    /// Something kept it from being complete. What was said first stands first.
    pub fn is_troubled(&self, trouble: &str) {
        self.account().is_troubled(trouble);
    }

    /// These worked still, at the last look.
    pub fn left(&self, orders: Vec<i64>) {
        self.account().swept.still_working = Some(orders);
    }

    /// Nothing can be done about it, for this reason.
    pub fn fails(&self, trouble: &str) {
        self.is_troubled(trouble);
        self.done();
    }

    /// Everything that was to be done is done.
    pub fn done(&self) {
        self.account().stage = Stage::Done;
    }

    /// Waits until nothing more may be sent, since the process ends. Cancel safe.
    pub async fn is_broken_off(&self) {
        self.broken_off.cancelled().await;
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        lock(&self.account)
    }
}

impl Account {
    fn leaves_the_rest(&mut self, why: &str) {
        let waiting = mem::take(&mut self.waiting);
        self.swept
            .not_sent
            .extend(waiting.into_iter().map(|order| Uncancelled { order, why: why.to_owned() }));
    }

    fn is_troubled(&mut self, trouble: &str) {
        match &mut self.swept.trouble {
            Some(before) => *before = format!("{before}; {trouble}"),
            None => self.swept.trouble = Some(trouble.to_owned()),
        }
    }

    /// What came of it, by the time that nobody works at it any more.
    fn closed(&mut self, why: &str) -> Swept {
        match self.stage {
            Stage::Done => {}
            Stage::Asked => self.is_troubled(&format!("nothing was cancelled: {why}; {AGAIN}")),
            Stage::Begun => {
                self.leaves_the_rest(why);
                self.is_troubled(&format!("it was broken off: {why}; look at order/list, and {AGAIN}"));
            }
        }
        mem::take(&mut self.swept)
    }
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    // What is behind it is right after each step.
    account.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wishes, in the order they came.
pub type Sweeps = mpsc::Receiver<Sweep>;

/// Whoever asks for it.
#[derive(Debug)]
pub(super) struct Sweeper {
    wishes: mpsc::Sender<Sweep>,
    broken_off: CancellationToken,
    /// How many kills are under way.
    kills: watch::Sender<usize>,
    /// How many of them have orders cancelled, or will.
    sweeping: AtomicUsize,
}

/// A kill from its order to its end: the marker and the sweep.
#[must_use]
#[derive(Debug)]
pub(super) struct UnderWay(watch::Sender<usize>);

/// A sweep, from the wish to its account.
#[must_use]
#[derive(Debug)]
pub(super) struct Sweeping<'a>(&'a AtomicUsize);

impl Sweeper {
    pub(super) fn channel() -> (Self, Sweeps) {
        let (wishes, sweeps) = mpsc::channel(PENDING);
        let (broken_off, kills) = (CancellationToken::new(), watch::Sender::new(0));
        (Self { wishes, broken_off, kills, sweeping: AtomicUsize::new(0) }, sweeps)
    }

    pub(super) fn begins(&self) -> UnderWay {
        self.kills.send_modify(|kills| *kills += 1);
        UnderWay(self.kills.clone())
    }

    /// From now on orders may be cancelled, until that is dropped.
    pub(super) fn sweeps(&self) -> Sweeping<'_> {
        self.sweeping.fetch_add(1, Ordering::SeqCst);
        Sweeping(&self.sweeping)
    }

    /// Whether orders are being cancelled, or will be.
    pub(super) fn is_sweeping(&self) -> bool {
        self.sweeping.load(Ordering::SeqCst) > 0
    }

    pub(super) fn is_at_work(&self) -> bool {
        *self.kills.borrow() > 0
    }

    /// Waits until no kill is under way. Cancel safe.
    pub(super) async fn rests(&self) {
        // The sender is ours.
        let _ = self.kills.subscribe().wait_for(|&kills| kills == 0).await;
    }

    /// Nothing more is cancelled: the process ends.
    pub(super) fn break_off(&self) {
        self.broken_off.cancel();
    }

    pub(super) async fn ask(&self) -> Swept {
        let (account, (end, ended)) = (Arc::<Mutex<Account>>::default(), oneshot::channel::<()>());
        let broken_off = self.broken_off.clone();
        let wish = Sweep { account: Arc::clone(&account), broken_off, _done: end };
        if self.broken_off.is_cancelled() {
            return lock(&account).closed(PROXY_ENDED);
        }
        if self.wishes.try_send(wish).is_err() {
            return Swept::not(format!("nothing was cancelled: too many such orders wait already; {AGAIN}"));
        }
        // An error says no more than that it is gone.
        let gone = async { drop(ended.await) };
        tokio::pin!(gone);
        tokio::select! {
            () = &mut gone => {}
            // Whoever works at it hears the same, and comes to an end that can be written down.
            () = self.broken_off.cancelled() => drop(timeout(LAST_CANCEL, gone).await),
        }
        let why = if self.broken_off.is_cancelled() {
            PROXY_ENDED
        } else {
            "the thread that cancels has ended early; the log says why"
        };
        lock(&account).closed(why)
    }
}

impl Drop for Sweeping<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|kills| *kills -= 1);
    }
}

const PROXY_ENDED: &str = "the proxy ended";

/// What to do about one that is not complete.
const AGAIN: &str = "once a proxy runs: tradovate-proxy kill --cancel-working";

/// Sweeps that may wait for the one under way: operators are few.
const PENDING: usize = 4;

/// For a thread that is told to stop to say how far it came.
const LAST_CANCEL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
