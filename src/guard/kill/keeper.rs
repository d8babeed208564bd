//! Keeping the switch over a restart: who writes the marker, in which order, and what is known of it.
//!
//! One thread does, and it is made at the start: when everything is to be switched off, there may be no thread left to
//! be had. What it is asked for it does in the order it was asked, one thing at a time, however long a disk takes and
//! whether or not somebody still waits: two writers would leave on the disk whatever ended last.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use crate::guard::{Marker, disk::DiskThread, kill::Cause};

/// The marker, and the one thread that touches it.
#[derive(Debug)]
pub(in crate::guard) struct Keeper {
    marker: Marker,
    thread: DiskThread,
    unkept: Arc<Unkept>,
}

/// Why an order to kill would not survive a restart, if it would not.
#[derive(Debug, Default)]
struct Unkept(Mutex<Option<String>>);

/// What was asked of the disk. Dropped, it is done all the same if it is a kill, and left if it is a release.
#[must_use]
#[derive(Debug)]
pub(in crate::guard) struct Writing {
    path: PathBuf,
    said: Result<oneshot::Receiver<io::Result<()>>, &'static str>,
    unkept: Arc<Unkept>,
}

impl Keeper {
    pub(in crate::guard) fn start(marker: Marker) -> io::Result<Self> {
        Ok(Self { marker, thread: DiskThread::start("kill-marker")?, unkept: Arc::default() })
    }

    /// Why the switch is on at a start, if it is. Asks the disk.
    pub(in crate::guard) fn read(&self) -> Option<Cause> {
        self.marker.read()
    }

    /// Why the order to kill would not survive a restart, as far as is known.
    pub(in crate::guard) fn unkept(&self) -> Option<String> {
        self.unkept.lock().clone()
    }

    /// Has the marker written. Never blocks. It is written also where that takes too long for whoever waits.
    pub(in crate::guard) fn keep(&self, why: String) -> Writing {
        let (say, said) = oneshot::channel();
        let (marker, unkept, path) = (self.marker.clone(), Arc::clone(&self.unkept), self.path());
        let asked = self.thread.hand(move || {
            if let Err(late) = say.send(marker.set(&why)) {
                let trouble = late.err().map(|error| format!("{}: {error}", path.display()));
                tracing::warn!(
                    ?trouble,
                    "the disk has answered late to the order to keep the kill switch on"
                );
                *unkept.lock() = trouble;
            }
        });
        self.writing(asked, said)
    }

    /// Has the marker removed. Never blocks. Where that takes too long for whoever waits, and has been told that the
    /// switch stays on, it is left, or put back.
    pub(in crate::guard) fn forget(&self) -> Writing {
        let (say, said) = oneshot::channel();
        let marker = self.marker.clone();
        let asked = self.thread.hand(move || {
            if say.is_closed() {
                return;
            }
            if let Err(Ok(())) = say.send(marker.clear())
                && let Err(error) =
                    marker.set("a release came too late: the kill switch was on, and stays on")
            {
                tracing::error!(%error, "the kill switch is on, and would be off after a restart");
            }
        });
        self.writing(asked, said)
    }

    /// A disk that does not answer, until what is returned is dropped.
    #[cfg(test)]
    pub(in crate::guard) fn hang(&self) -> std::sync::mpsc::Sender<()> {
        let (hang, recovery) = std::sync::mpsc::channel();
        // The sender's end is what ends it.
        self.thread.hand(move || recovery.recv().unwrap_or_default()).unwrap();
        hang
    }

    /// Waits until the disk has answered to everything so far.
    #[cfg(test)]
    pub(in crate::guard) fn catch_up(&self) {
        let (say, said) = std::sync::mpsc::channel();
        self.thread.hand(move || say.send(()).unwrap()).unwrap();
        said.recv().unwrap();
    }

    fn writing(&self, asked: Result<(), &'static str>, said: oneshot::Receiver<io::Result<()>>) -> Writing {
        let (path, unkept) = (self.path(), Arc::clone(&self.unkept));
        Writing { path, said: asked.map(|()| said), unkept }
    }

    fn path(&self) -> PathBuf {
        self.marker.path().unwrap_or_default()
    }
}

impl Writing {
    /// Waits until the marker is written, for a bounded time; says why it is not, and remembers that for `/status`.
    pub(in crate::guard) async fn kept(self) -> Result<(), String> {
        let unkept = Arc::clone(&self.unkept);
        self.done(|trouble| *unkept.lock() = trouble).await
    }

    /// Waits until the marker is removed, for a bounded time; says why it is not.
    pub(in crate::guard) async fn forgotten(self) -> Result<(), String> {
        let unkept = Arc::clone(&self.unkept);
        self.done(|trouble| {
            if trouble.is_none() {
                *unkept.lock() = None;
            }
        })
        .await
    }

    async fn done(self, note: impl Fn(Option<String>)) -> Result<(), String> {
        let shown = self.path.display();
        let noted = |done: Result<(), String>| {
            note(done.as_ref().err().cloned());
            done
        };
        let mut said = match self.said {
            Ok(said) => said,
            Err(why) => return noted(Err(format!("{shown}: {why}"))),
        };
        let answered = match timeout(DISK, &mut said).await {
            Ok(Ok(answered)) => answered,
            Ok(Err(_)) => return noted(Err(format!("{shown}: the thread that writes it has ended"))),
            Err(_) => {
                // Noted before it is given up, so that what the disk says later is the last word.
                let given_up =
                    noted(Err(format!("{shown}: the disk did not answer within {} s", DISK.as_secs())));
                said.close();
                // It may have answered in this very moment.
                let Ok(answered) = said.try_recv() else { return given_up };
                answered
            }
        };
        noted(answered.map_err(|error| format!("{shown}: {error}")))
    }
}

impl Unkept {
    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        // What is behind it is written whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a disk may take.
const DISK: Duration = Duration::from_secs(5);
