//! Where the session waits between two runs of the program.
//!
//! Opening a session is the dangerous call, so a session that was granted is kept: the token, its times, and the
//! [`Ledger`](crate::auth::ledger::Ledger) of what was tried. One file, `session.json`, in a directory that only
//! we may read, is replaced whole (written beside, synced, renamed, directory synced), so that whoever pulls the
//! plug leaves the old one or the new one. A lock beside it keeps a second process from spending the same budgets
//! and throwing the first one out of its seat. With a [`StoreKey`] the file is encrypted.
//!
//! | what is found | what becomes of it |
//! |---|---|
//! | a record of ours | it is used |
//! | another seat's record, or one of a later version | what was tried still counts; the rest is set aside, without its tokens |
//! | no record at all: empty, cut off, damaged | set aside as it is, never deleted: it costs at most one login |
//! | encrypted, and the key is missing or another | refused: the budgets in it would be forgotten |
//! | a link, or somebody else's file | refused: whoever put it there may mean harm |
//!
//! What cannot be written does not stop the service: it runs on from memory, and says so.
//!
//! Invariant: a token reaches the disk in this one file, mode 0600, and nowhere else, save in what was set aside
//! because nothing could be read in it.

mod directory;
mod error;
mod file;
mod lock;
mod reading;
pub mod record;
mod remains;
mod seal;

use std::{io, path::Path, time::Duration};

use secrecy::zeroize::Zeroizing;
use tokio::time::{Instant, sleep};

#[cfg(any(test, fuzzing))]
pub(crate) use self::reading::salvage;
pub use self::{
    error::VaultError,
    record::{Pause, Record, StoredRefresh, StoredSession},
    seal::StoreKey,
};
use self::{file::SessionFile, reading::Reading, record::Unusable, remains::Remains, seal::SealError};

/// How the session is kept over restarts, as a user decides.
#[derive(Clone, Debug)]
pub enum Store {
    /// In a file in the state directory.
    File {
        /// What it is encrypted with; in clear without one.
        key: Option<StoreKey>,
        /// How long to wait for another process to leave the directory.
        lock_wait: Duration,
    },
    /// Nowhere: a restart logs in again, and remembers nothing of what was tried.
    Memory,
}

/// Where records are kept. Not `Clone`: holding one is holding the lock.
#[derive(Debug)]
pub enum Vault {
    /// In a file, and therefore over a restart.
    File(FileVault),
    /// Nowhere: a restart logs in again.
    Memory,
    /// In bytes that outlive a simulated restart, for years of them.
    #[cfg(test)]
    Kept(std::sync::Arc<std::sync::Mutex<Vec<u8>>>),
}

/// A locked directory, and the key to what lies in it.
#[derive(Debug)]
pub struct FileVault {
    file: SessionFile,
    key: Option<StoreKey>,
}

impl Vault {
    /// Takes possession of `directory`, which is created if need be. Blocks on the disk, shortly.
    ///
    /// # Errors
    /// When another process has it, when it is not ours alone, or when it cannot be had at all. Each text says
    /// what to do.
    pub fn open(directory: &Path) -> Result<Self, VaultError> {
        let lock = directory::occupy(directory)?;
        Ok(Self::File(FileVault { file: SessionFile::new(directory, lock), key: None }))
    }

    /// The directory that is ours for as long as the vault lives, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::File(vault) => vault.file.path().parent(),
            Self::Memory => None,
            #[cfg(test)]
            Self::Kept(_) => None,
        }
    }

    /// The same as `store` says, after waiting for another process as long as that says. Cancel safe.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_as(store: &Store, directory: &Path) -> Result<Self, VaultError> {
        match store {
            Store::File { key, lock_wait } => {
                Ok(Self::open_within(*lock_wait, directory).await?.encrypted(key.clone()))
            }
            Store::Memory => Ok(Self::Memory),
        }
    }

    /// The same vault, whose records are encrypted with `key` from now on. One that is in clear is still read.
    #[must_use]
    pub fn encrypted(self, key: Option<StoreKey>) -> Self {
        match self {
            Self::File(vault) => Self::File(FileVault { key, ..vault }),
            Self::Memory => Self::Memory,
            #[cfg(test)]
            Self::Kept(bytes) => Self::Kept(bytes),
        }
    }

    /// What was stored for `seat`, or what still counts of it, or an empty record. Blocks on the disk, shortly.
    ///
    /// # Errors
    /// When the file is a link or somebody else's, or when it takes another key than ours.
    pub fn load(&self, seat: &str) -> Result<Record, VaultError> {
        match self {
            Self::File(vault) => vault.load(seat),
            Self::Memory => Ok(Record::new(seat)),
            #[cfg(test)]
            Self::Kept(bytes) => {
                let bytes = bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                Ok(Record::parse(&bytes).unwrap_or_else(|_| Record::new(seat)))
            }
        }
    }

    /// Stores `record` in place of the last one. Runs on a thread of its own; waits a few seconds for it at most.
    /// A dropped future leaves the write to finish by itself, and the directory locked until then.
    ///
    /// # Errors
    /// Why it could not be stored, for `/status`.
    pub async fn save(&self, record: &Record) -> Result<(), String> {
        #[cfg(test)]
        if let Self::Kept(bytes) = self {
            let mut kept = bytes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            *kept = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        }
        let Self::File(vault) = self else { return Ok(()) };
        let bytes = vault.encode(record).map_err(|error| error.to_string())?;
        // Threads are few, and a disk that hangs would keep each: name lookups need some too.
        if vault.file.under_way() >= MOST_WRITES {
            return Err("the disk has not answered the last writes yet".to_owned());
        }
        let write = vault.file.writer();
        let written = tokio::task::spawn_blocking(move || write.replace(&bytes));
        match tokio::time::timeout(PATIENCE, written).await {
            Ok(Ok(result)) => result.map_err(|error| format!("{}: {error}", vault.file.path().display())),
            Ok(Err(_)) => Err("the write did not finish".to_owned()),
            Err(_) => Err(format!("the disk did not answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn open_within(patience: Duration, directory: &Path) -> Result<Self, VaultError> {
        let begun = Instant::now();
        let mut told = String::new();
        loop {
            match Self::open(directory) {
                Err(VaultError::InUse { pid, .. }) if begun.elapsed() < patience => {
                    if pid != told {
                        tracing::warn!(directory = %directory.display(), pid, patience_seconds = patience.as_secs_f64(), "waiting for another process to leave the state directory");
                        told = pid;
                    }
                    sleep(LOOK_AGAIN.min(patience.saturating_sub(begun.elapsed()))).await;
                }
                outcome => return outcome,
            }
        }
    }
}

impl FileVault {
    fn load(&self, seat: &str) -> Result<Record, VaultError> {
        let Some(bytes) = self.file.read()? else { return Ok(Record::new(seat)) };
        let record = match reading::read(&bytes, self.key.as_ref(), seat) {
            Reading::Good(record) => return Ok(record),
            Reading::InClear(record) => {
                let file = self.file.path().display();
                tracing::info!(%file, "the stored session is in clear and there is a key: encrypting it");
                record
            }
            Reading::Unusable { why, remains, record } => {
                self.set_aside(remains, why);
                record
            }
            Reading::Closed { key } => return Err(self.closed(&key)),
        };
        self.replace(&record);
        Ok(record)
    }

    /// Why an envelope stays closed.
    fn closed(&self, theirs: &str) -> VaultError {
        let path = self.file.path().to_owned();
        match &self.key {
            Some(key) => VaultError::OtherKey { path, theirs: theirs.to_owned(), ours: key.id() },
            None => VaultError::Sealed { path },
        }
    }

    /// Keeps unusable content where a person can look at it, and out of the way: without its tokens if it can be told
    /// where these are.
    fn set_aside(&self, remains: Option<Box<Remains>>, why: Unusable) {
        let aside = match remains {
            Some(remains) => {
                let bytes = remains.to_bytes().map_err(SealError::from).and_then(|bytes| self.wrap(bytes));
                bytes.map_err(io::Error::other).and_then(|bytes| self.file.set_aside_as(&bytes))
            }
            None => self.file.set_aside(),
        };
        match aside {
            Ok(file) => {
                tracing::warn!(file = %file.display(), %why, "the stored session cannot be used and was set aside");
            }
            Err(error) => {
                tracing::warn!(file = %self.file.path().display(), %why, %error, "the stored session cannot be used");
            }
        }
    }

    /// Stores `record` at once, so that a token that nobody will use does not lie there any longer, and what was
    /// tried is not forgotten if the process ends before its next write.
    fn replace(&self, record: &Record) {
        let replaced = self.encode(record).map_err(io::Error::other);
        if let Err(error) = replaced.and_then(|bytes| self.file.writer().replace(&bytes)) {
            tracing::warn!(file = %self.file.path().display(), %error, "the stored session cannot be replaced yet");
        }
    }

    fn encode(&self, record: &Record) -> Result<Zeroizing<Vec<u8>>, SealError> {
        self.wrap(record.to_bytes()?)
    }

    fn wrap(&self, bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, SealError> {
        match &self.key {
            Some(key) => key.seal(bytes).map(Zeroizing::new),
            None => Ok(bytes),
        }
    }
}

/// Writes that may hang at once.
const MOST_WRITES: usize = 4;

/// How long a disk may take before the session goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a directory in use is tried again. The lock could wake whoever waits in it, but a thread that sleeps
/// there cannot be called off.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
