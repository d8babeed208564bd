//! A thread that waits for a disk, so that nobody else has to.

use std::{
    io,
    sync::mpsc::{SyncSender, TrySendError, sync_channel},
    thread,
};

/// One that runs what it is handed, in that order, one at a time. It ends with its owner, and after what it is at.
#[derive(Debug)]
pub(super) struct DiskThread(SyncSender<Job>);

type Job = Box<dyn FnOnce() + Send>;

impl DiskThread {
    /// Starts one: at the start of the process, since later there may be none to be had.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let (sender, jobs) = sync_channel::<Job>(PENDING);
        thread::Builder::new().name(name.to_owned()).spawn(move || jobs.into_iter().for_each(|job| job()))?;
        Ok(Self(sender))
    }

    /// Hands it something to do. Never blocks.
    ///
    /// # Errors
    /// When it will not be done, and why.
    pub(super) fn hand(&self, job: impl FnOnce() + Send + 'static) -> Result<(), &'static str> {
        self.0.try_send(Box::new(job)).map_err(|error| match error {
            TrySendError::Full(_) => "the disk does not answer, and too much waits for it already",
            TrySendError::Disconnected(_) => "the thread that waits for the disk has ended",
        })
    }
}

/// Operators are few; what is beyond that can only wait for a disk that hangs.
const PENDING: usize = 32;
