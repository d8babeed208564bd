//! Turning the kill switch, changing the rules, and watching the file.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::guard::{
    Guards, Rule, Rules,
    kill::{Cause, Sight, look},
    rules::Mode,
    sweep::Swept,
};

/// Whether a kill cancels working orders too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancels {
    /// As `guards.kill-cancels` says.
    AsSet,
    /// It does.
    Working,
}

/// What came of a kill. It is in force whatever is in here.
#[derive(Clone, Debug)]
pub struct Killed {
    /// Why it would not survive a restart, if it would not.
    pub unkept: Option<String>,
    /// What became of the working orders, if they were to be cancelled.
    pub swept: Option<Swept>,
}

/// Why the kill switch is still on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReleased {
    /// The file does that, and only its removal ends it.
    #[error("the kill switch stays on {0}; the order to kill, if there was one, is taken back")]
    File(Cause),
    /// A kill still has working orders cancelled, and one that is placed after the release might be among them.
    #[error("the kill switch stays on: working orders are still being cancelled")]
    Sweeping,
    /// Another order to kill has come meanwhile, and stands.
    #[error("the kill switch stays on: another order to kill came while this release was carried out")]
    Again,
    /// The order would come back with a restart.
    #[error("the kill switch stays on, because its marker in the state directory cannot be removed: {0}")]
    Marker(String),
}

impl Guards {
    /// Sets the switch as the disk has it, before anybody is served. What it is like then is no new kill.
    pub(super) fn begin(&self) {
        let now = self.clock.now();
        self.switch.order(self.keeper.read(), now);
        if let Some(path) = &self.rules.load().kill_file {
            let sight = look(path);
            self.switch.found(sight.cause(), now);
            self.seen().update(sight);
        }
        if let Some(cause) = self.switch.cause() {
            tracing::warn!("the kill switch is on {cause}: {}", cause.help());
        }
        self.show();
    }

    /// Switches it on. In force when this is first polled, whatever the disk does; on the disk, and working orders
    /// cancelled if that is wanted, when it returns. Each order to kill is a new kill, also where the switch is on
    /// already. Not cancel safe: dropped, it is in force, and what was to be cancelled may not be.
    pub async fn kill(&self, cause: Cause, cancels: Cancels) -> Killed {
        let _under_way = self.sweeper.begins();
        let why = format!("the kill switch was switched on {cause} at {:.0}", self.clock.wall());
        let writing = {
            let _turning = self.turning();
            self.switch.order(Some(cause), self.clock.now());
            self.keeper.keep(why)
        };
        self.show();
        tracing::warn!("the kill switch is on {cause}: nothing passes but reads, cancels and liquidations");
        let kept = async {
            let unkept = writing.kept().await.err();
            if let Some(trouble) = &unkept {
                tracing::error!(%trouble, "the kill switch is on, and would be off after a restart");
            }
            unkept
        };
        let swept = async {
            let is_wanted = cancels == Cancels::Working || self.rules.load().kill_cancels;
            if is_wanted { Some(self.sweep().await) } else { None }
        };
        // Side by side: orders that work do not wait for a disk that hangs.
        let (unkept, swept) = tokio::join!(kept, swept);
        Killed { unkept, swept }
    }

    /// Switches it off, on the disk first.
    ///
    /// # Errors
    /// When it stays on, and why.
    pub async fn release(&self) -> Result<(), NotReleased> {
        if self.sweeper.is_sweeping() {
            return Err(NotReleased::Sweeping);
        }
        let (orders, writing) = {
            let _turning = self.turning();
            (self.switch.orders(), self.keeper.forget())
        };
        writing.forgotten().await.map_err(NotReleased::Marker)?;
        // Whoever killed meanwhile has the marker written again, behind its removal.
        if !self.switch.take_back(orders, self.clock.now()) {
            return Err(NotReleased::Again);
        }
        self.show();
        if let Some(cause) = self.switch.cause() {
            return Err(NotReleased::File(cause));
        }
        tracing::warn!("the kill switch is off: the other guards decide again");
        Ok(())
    }

    /// Puts other rules into force.
    pub fn adopt(&self, rules: Rules) {
        let before = self.rules.load_full();
        if before.kill_file != rules.kill_file {
            // Nobody has looked there yet, and what is not known is there.
            let unclear = rules.kill_file.as_ref().and_then(|_| Sight::Unclear.cause());
            self.switch.found(unclear, self.clock.now());
            *self.seen() = Seen::default();
        }
        self.rules.store(Arc::new(rules));
        self.show();
    }

    /// Looks for `guards.kill-file`, again and again. Does not end.
    pub async fn watch(self: Arc<Self>) {
        loop {
            if let Some(path) = self.rules.load().kill_file.clone() {
                self.look_at(&path).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// One look. It may hang for as long as the disk does, and nobody looks again before it has ended.
    pub(super) async fn look_at(self: &Arc<Self>, path: &Path) {
        let (say, mut seen) = oneshot::channel();
        let owned: PathBuf = path.to_owned();
        let asked = self.looker.hand(move || {
            // Whoever asked waits, or has ended with the process.
            let _ = say.send(look(&owned));
        });
        if asked.is_err() {
            return self.saw(path, Sight::Unclear);
        }
        let sight = if let Ok(sight) = timeout(SLOW, &mut seen).await {
            sight
        } else {
            self.saw(path, Sight::Unclear);
            seen.await
        };
        self.saw(path, sight.unwrap_or(Sight::Unclear));
    }

    fn saw(self: &Arc<Self>, path: &Path, sight: Sight) {
        // The setting may have changed meanwhile.
        if self.rules.load().kill_file.as_deref() != Some(path) {
            return;
        }
        let has_appeared = self.seen().update(sight);
        if self.switch.file() != sight.cause() {
            self.switch.found(sight.cause(), self.clock.now());
            self.show();
            match (sight.cause(), self.switch.cause()) {
                (Some(cause), _) => tracing::warn!("the kill switch is on {cause}: {}", cause.help()),
                (None, Some(cause)) => {
                    tracing::warn!("the kill file is gone, and the kill switch stays on {cause}");
                }
                (None, None) => tracing::warn!("the kill file is gone, and the kill switch off"),
            }
        }
        if has_appeared && self.rules.load().kill_cancels {
            // From now on, and not from when the task is first run: the process may be about to end.
            let (guards, under_way) = (Arc::clone(self), self.sweeper.begins());
            // Not here, since the file is to be looked for meanwhile.
            tokio::spawn(async move {
                let _under_way = under_way;
                guards.sweep().await;
            });
        }
    }

    /// Whether a kill has not come to its end yet.
    pub fn has_kills_under_way(&self) -> bool {
        self.sweeper.is_at_work()
    }

    /// Waits until every kill under way has come to its end: is on the disk, and has cancelled what it was to cancel.
    /// Cancel safe.
    pub async fn settled(&self) {
        self.sweeper.rests().await;
    }

    /// Has nothing more cancelled: the process ends. Whoever asked is told how far it came.
    pub fn break_off(&self) {
        self.sweeper.break_off();
    }

    fn turning(&self) -> MutexGuard<'_, ()> {
        self.turning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has every working order cancelled: those that work already at once, and what was on its way when it has arrived.
    async fn sweep(&self) -> Swept {
        let _sweeping = self.sweeper.sweeps();
        let was_at_rest = self.under_way.load(Ordering::SeqCst) == 0;
        let mut swept = self.sweeper.ask().await;
        if !was_at_rest && swept.trouble.is_none() {
            let is_at_rest = self.rests().await;
            swept = swept.followed_by(self.sweeper.ask().await);
            if !is_at_rest && swept.trouble.is_none() {
                swept.trouble = Some(
                    "an order that was on its way when the kill switch came had no answer yet, and may have been \
                     placed since: look at order/list"
                        .to_owned(),
                );
            }
        }
        let (cancelled, refused) = (swept.cancelled.len(), swept.refused.len());
        let (unknown, not_sent) = (swept.unknown.len(), swept.not_sent.len());
        let still_working = swept.still_working.as_ref().map(Vec::len);
        if swept.is_complete() {
            tracing::warn!(
                cancelled,
                refused,
                unknown,
                not_sent,
                "working orders were cancelled: none is left"
            );
        } else {
            tracing::error!(
                cancelled,
                refused,
                unknown,
                not_sent,
                still_working,
                trouble = swept.trouble.as_deref(),
                "not all working orders are cancelled: look at order/list, and kill again with their cancelling once what troubled it is over"
            );
        }
        swept
    }

    /// Shows in the metrics what is in force.
    fn show(&self) {
        let (rules, is_killed) = (self.rules.load(), self.switch.cause().is_some());
        self.metrics.set(|rule| match rule {
            // It is always there, and asks something of those who use it only.
            Rule::ExpectEnv => true,
            Rule::Kill => is_killed,
            Rule::ReadOnly => rules.mode == Mode::ReadOnly,
            Rule::CancelOnly => rules.mode == Mode::CancelOnly,
            Rule::Body => rules.read_orders(),
            Rule::Accounts => rules.accounts.is_some(),
            Rule::Symbols => rules.symbols.is_some(),
            Rule::OrderTypes => rules.order_types.is_some(),
            Rule::MaxQuantity => rules.max_quantity.is_some(),
            Rule::OrdersPerMinute => rules.orders_per_minute.is_some(),
        });
    }
}

/// What was last seen clearly of the kill file.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<Sight>);

impl Seen {
    /// Takes one more look into account. Says whether the file has appeared: that is a kill, also while something else
    /// holds the switch on. One that could not be seen for a while, and is there as it was, has not.
    fn update(&mut self, sight: Sight) -> bool {
        match sight {
            Sight::Unclear => false,
            Sight::Nothing => {
                self.0 = Some(sight);
                false
            }
            Sight::Something => self.0.replace(sight) != Some(Sight::Something),
        }
    }
}

/// Longer than a disk takes that is well.
const SLOW: Duration = Duration::from_secs(5);

/// Between two looks at the kill file.
const PAUSE: Duration = Duration::from_millis(250);
