//! Where the session waits between two runs of the program.
//!
//! Opening a session is the dangerous call, so a session that was granted is kept: the token, its times, and the
//! [`Ledger`](crate::auth::ledger::Ledger) of what was tried. One file, `session.json`, in a directory that only
//! we may read, is replaced whole (written beside, synced, renamed, directory synced), so that whoever pulls the
//! plug leaves the old one or the new one. A lock beside it keeps a second process from spending the same budgets
//! and throwing the first one out of its seat.
//!
//! What cannot be used (damaged, from a later version, another user's) is set aside, never deleted, and costs at
//! most one login. What cannot be written does not stop the service: it runs on from memory and says so.
//!
//! Invariant: the token reaches the disk in this one file, mode 0600, and nowhere else.

mod directory;
mod file;
pub mod record;

use std::{path::Path, time::Duration};

use secrecy::zeroize::Zeroizing;

pub use self::directory::VaultError;
pub use self::record::{Pause, Record, StoredRefresh, StoredSession};

/// Where records are kept. Not `Clone`: holding one is holding the lock.
#[derive(Debug)]
pub enum Vault {
    /// In a file, and therefore over a restart.
    File(file::SessionFile),
    /// Nowhere: a restart logs in again.
    Memory,
}

impl Vault {
    /// Takes possession of `directory`, which is created if need be. Blocks on the disk, shortly.
    ///
    /// # Errors
    /// When another process has it, when it is not ours alone, or when it cannot be had at all. Each text says
    /// what to do.
    pub fn open(directory: &Path) -> Result<Self, VaultError> {
        let lock = directory::occupy(directory)?;
        Ok(Self::File(file::SessionFile::new(directory, lock)))
    }

    /// What was stored for `seat`, or an empty record. Content that cannot be used is set aside with a warning.
    /// Blocks on the disk, shortly.
    ///
    /// # Errors
    /// When the file is a link or somebody else's: whoever put it there may mean harm, so nothing is guessed.
    pub fn load(&self, seat: &str) -> Result<Record, VaultError> {
        let Self::File(file) = self else { return Ok(Record::new(seat)) };
        let Some(bytes) = file.read()? else { return Ok(Record::new(seat)) };
        match Record::parse(&bytes) {
            Ok(record) if record.seat == seat => Ok(record),
            Ok(record) => {
                file.set_aside("it belongs to another user or upstream");
                Ok(record.reseated(seat))
            }
            Err(unusable) => {
                file.set_aside(&unusable.to_string());
                Ok(Record::new(seat))
            }
        }
    }

    /// Stores `record` in place of the last one. Runs on a thread of its own; waits a few seconds for it at most.
    /// A dropped future leaves the write to finish by itself.
    ///
    /// # Errors
    /// Why it could not be stored, for `/status`.
    pub async fn save(&self, record: &Record) -> Result<(), String> {
        let Self::File(file) = self else { return Ok(()) };
        let bytes: Zeroizing<Vec<u8>> = record.to_bytes().map_err(|error| error.to_string())?;
        let write = file.writer();
        let written = tokio::task::spawn_blocking(move || write.replace(&bytes));
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(result)) => result.map_err(|error| format!("{}: {error}", file.path().display())),
            Ok(Err(_)) => Err("the write did not finish".to_owned()),
            Err(_) => Err(format!("the disk did not answer within {} s", PATIENCE.as_secs())),
        }
    }
}

/// How long a disk may take before the session goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
