//! Turning the kill switch, changing the rules, and watching the file.

use std::{io, path::Path, sync::Arc, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};

use crate::guard::{
    Guards, Marker, Rule, Rules,
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
    /// The order would come back with a restart.
    #[error("the kill switch stays on, because its marker in the state directory cannot be removed: {0}")]
    Marker(String),
}

impl Guards {
    /// Sets the switch as the disk has it, before anybody is served.
    pub(super) fn begin(&self) {
        let now = self.clock.now();
        if let Ok(marker) = self.marker.try_lock() {
            self.switch.order(marker.read(), now);
        }
        if let Some(path) = &self.rules.load().kill_file {
            self.switch.found(look(path).cause(), now);
        }
        if let Some(cause) = self.switch.cause() {
            tracing::warn!("the kill switch is on {cause}: {}", cause.help());
        }
        self.show();
    }

    /// Switches it on. In force when this is first polled; on the disk, and working orders cancelled if that is
    /// wanted, when it returns. Not cancel safe: dropped, it is in force, and may not outlive the process.
    pub async fn kill(&self, cause: Cause, cancels: Cancels) -> Killed {
        let now = self.clock.now();
        self.switch.order(Some(cause), now);
        self.show();
        tracing::warn!("the kill switch is on {cause}: nothing passes but reads, cancels and liquidations");
        let why = format!("the kill switch was switched on {cause} at {:.0}", self.clock.wall());
        let unkept = {
            let marker = self.marker.lock().await;
            // A release may have come between.
            self.switch.order(Some(cause), now);
            self.show();
            on_disk(&marker, move |marker| marker.set(&why)).await.err()
        };
        if let Some(trouble) = &unkept {
            tracing::error!(%trouble, "the kill switch is on, and would be off after a restart");
        }
        let swept = match cancels {
            Cancels::Working => Some(self.sweep().await),
            Cancels::AsSet if self.rules.load().kill_cancels => Some(self.sweep().await),
            Cancels::AsSet => None,
        };
        Killed { unkept, swept }
    }

    /// Switches it off, on the disk first.
    ///
    /// # Errors
    /// When it stays on, and why.
    pub async fn release(&self) -> Result<(), NotReleased> {
        let marker = self.marker.lock().await;
        on_disk(&marker, Marker::clear).await.map_err(NotReleased::Marker)?;
        self.switch.order(None, self.clock.now());
        drop(marker);
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

    pub(super) async fn look_at(&self, path: &Path) {
        let owned = path.to_owned();
        let mut looking = spawn_blocking(move || look(&owned));
        let sight = if let Ok(sight) = timeout(DISK, &mut looking).await {
            sight
        } else {
            self.saw(path, Sight::Unclear).await;
            // One thread may hang there, and no more.
            looking.await
        };
        let sight = sight.unwrap_or(Sight::Unclear);
        self.saw(path, sight).await;
    }

    async fn saw(&self, path: &Path, sight: Sight) {
        // The setting may have changed meanwhile.
        if self.rules.load().kill_file.as_deref() != Some(path) || self.switch.file() == sight.cause() {
            return;
        }
        let is_new = self.switch.found(sight.cause(), self.clock.now());
        self.show();
        match (sight.cause(), self.switch.cause()) {
            (Some(cause), _) => tracing::warn!("the kill switch is on {cause}: {}", cause.help()),
            (None, Some(cause)) => {
                tracing::warn!("the kill file is gone, and the kill switch stays on {cause}");
            }
            (None, None) => tracing::warn!("the kill file is gone, and the kill switch off"),
        }
        if is_new && sight == Sight::Something && self.rules.load().kill_cancels {
            self.sweep().await;
        }
    }

    /// Has every working order cancelled, once what was on its way has arrived.
    async fn sweep(&self) -> Swept {
        let is_at_rest = self.rests().await;
        let mut swept = self.sweeper.ask().await;
        if !is_at_rest && swept.trouble.is_none() {
            swept.trouble = Some(
                "an order that was on its way when the kill switch came had no answer yet, and may have been placed \
                 since: look at order/list"
                    .to_owned(),
            );
        }
        let (cancelled, failed, unknown) = (swept.cancelled.len(), swept.failed.len(), swept.unknown.len());
        let still_working = swept.still_working.as_ref().map(Vec::len);
        if swept.is_complete() {
            tracing::warn!(cancelled, failed, unknown, "working orders were cancelled: none is left");
        } else {
            tracing::error!(
                cancelled,
                failed,
                unknown,
                still_working,
                trouble = swept.trouble.as_deref(),
                "working orders were cancelled, and some may be left: look at order/list"
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

/// Does something with the marker on a thread that may wait for a disk, for a bounded time.
async fn on_disk(
    marker: &Marker,
    work: impl FnOnce(&Marker) -> io::Result<()> + Send + 'static,
) -> Result<(), String> {
    let owned = marker.clone();
    let worked = timeout(DISK, spawn_blocking(move || work(&owned))).await;
    let path = marker.path().unwrap_or_default();
    match worked {
        Ok(Ok(Ok(()))) => Ok(()),
        Ok(Ok(Err(error))) => Err(format!("{}: {error}", path.display())),
        Ok(Err(_)) => Err(format!("{}: the write did not finish", path.display())),
        Err(_) => Err(format!("{}: the disk did not answer within {} s", path.display(), DISK.as_secs())),
    }
}

/// How long a disk may take.
const DISK: Duration = Duration::from_secs(5);

/// Between two looks at the kill file.
const PAUSE: Duration = Duration::from_millis(250);
