//! One process for each state directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::auth::vault::{directory::look_at, error::VaultError};

/// The lock on a state directory. It belongs to the open file, so it ends with the process however that ends.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub(super) fn take(directory: &Path) -> Result<Self, VaultError> {
        let path = directory.join(LOCK);
        look_at(&path)?;
        let (mut file, denied) = open(&path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(VaultError::InUse { directory: directory.to_owned(), pid: holder(file) });
            }
            Err(error) => return Err(VaultError::Io { action: "lock", path, source: error.into() }),
        }
        if let Some(error) = denied {
            tracing::warn!(lock = %path.display(), %error, "the state directory cannot be written: what changes will not survive a restart");
        }
        // Only there to be read by a person; a full disk is no reason not to start.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self { file, path })
    }

    /// Refuses a directory that is another one by now: ours was moved away or removed, and what has its name may be
    /// somebody else's. A lock that is merely gone is nobody else's yet.
    pub(super) fn check(&self) -> io::Result<()> {
        let (held, there) = match self.path.symlink_metadata() {
            Ok(there) => (self.file.metadata()?, there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            return Ok(());
        }
        Err(io::Error::other(
            "the state directory was replaced while it was in use; restart to take the new one",
        ))
    }
}

/// Opens the lock; where the disk is read-only or full, for reading alone, and says what stood in the way: that is
/// enough to hold it, and the session that was stored can still be read.
fn open(path: &Path) -> Result<(File, Option<io::Error>), VaultError> {
    let options = |writing: bool| {
        let mut options = OpenOptions::new();
        options.read(true).write(writing).create(writing).truncate(false).mode(0o600);
        options.custom_flags(no_follow());
        options
    };
    let denied = match options(true).open(path) {
        Ok(file) => return Ok((file, None)),
        Err(error) => error,
    };
    match options(false).open(path) {
        Ok(file) => Ok((file, Some(denied))),
        Err(_) => Err(VaultError::Io { action: "open the lock", path: path.to_owned(), source: denied }),
    }
}

/// The process id in a lock that somebody else holds.
fn holder(file: File) -> String {
    let mut holder = String::new();
    let _ = file.take(20).read_to_string(&mut holder);
    let is_pid = !holder.is_empty() && holder.bytes().all(|byte| byte.is_ascii_digit());
    if is_pid { holder } else { "unknown".to_owned() }
}

/// Flags for opening what must be a file: neither through a link, nor waiting for the other end of a pipe.
pub(super) fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// The name of the lock. That it is there marks a directory as a state directory.
pub(super) const LOCK: &str = "lock";
