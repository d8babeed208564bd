//! The state directory: ours alone, and locked.

use std::{
    fs::{DirBuilder, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

/// Why the state directory, or what lies in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Another process holds the lock.
    #[error(
        "the state directory {} is in use by process {pid}: stop that one, or give each its own directory",
        directory.display()
    )]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// What the holder wrote into the lock: its process id, or `unknown`.
        pid: String,
    },
    /// Owned by another user.
    #[error(
        "{} belongs to user {owner}, not to us: chown -R {us} it, or name another state directory",
        path.display()
    )]
    Foreign {
        /// What.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// A link where the session file should be.
    #[error("{} is not a regular file: remove it (rm) or name another state directory", path.display())]
    NotAFile {
        /// What.
        path: PathBuf,
    },
    /// A directory that others use too, such as `/tmp`.
    #[error(
        "the state directory {} is shared with other users: name one of our own below it",
        path.display()
    )]
    Shared {
        /// The directory.
        path: PathBuf,
    },
    /// A directory that others may read, with things in it that are not the proxy's.
    #[error(
        "the state directory {} can be read by others and holds other things: name one of its own, or chmod 700 it",
        path.display()
    )]
    Lax {
        /// The directory.
        path: PathBuf,
    },
    /// The system said no.
    #[error("cannot {action} {}: {source}; name another state directory if it cannot be mended", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Creates `directory` if need be, makes it ours alone, and locks it for as long as the result lives.
pub(super) fn occupy(directory: &Path) -> Result<File, VaultError> {
    let io = |action, source| VaultError::Io { action, path: directory.to_owned(), source };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| io("create the state directory", error))?;
    let metadata = directory.metadata().map_err(|error| io("look at the state directory", error))?;
    check_owner(directory, metadata.uid())?;
    let mode = metadata.mode() & 0o7777;
    if mode & STICKY != 0 {
        return Err(VaultError::Shared { path: directory.to_owned() });
    }
    if mode & 0o077 != 0 {
        // A directory that serves others (a home, `/var/lib`) must not be closed to them by a slip in a setting.
        if !is_for_us_alone(directory).map_err(|error| io("look into the state directory", error))? {
            return Err(VaultError::Lax { path: directory.to_owned() });
        }
        tracing::warn!(directory = %directory.display(), mode = format!("{mode:o}"), "others could read the state directory; now they cannot");
        std::fs::set_permissions(directory, Permissions::from_mode(0o700))
            .map_err(|error| io("restrict the state directory", error))?;
    }
    lock(directory)
}

/// Whether a directory holds nothing yet, or has been a state directory before.
fn is_for_us_alone(directory: &Path) -> io::Result<bool> {
    Ok(directory.join(LOCK).try_exists()? || directory.read_dir()?.next().is_none())
}

/// Refuses what belongs to another user.
pub(super) fn check_owner(path: &Path, owner: u32) -> Result<(), VaultError> {
    let us = rustix::process::geteuid().as_raw();
    if owner == us { Ok(()) } else { Err(VaultError::Foreign { path: path.to_owned(), owner, us }) }
}

const LOCK: &str = "lock";

/// Flags for a file that must not be a link.
pub(super) fn no_follow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

/// The lock belongs to the open file, so it ends with the process however that ends.
fn lock(directory: &Path) -> Result<File, VaultError> {
    let path = directory.join(LOCK);
    let io = |action, source| VaultError::Io { action, path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(&path)
        .map_err(|error| io("open the lock", error))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = file.take(20).read_to_string(&mut holder);
            let is_pid = !holder.is_empty() && holder.bytes().all(|byte| byte.is_ascii_digit());
            let pid = if is_pid { holder } else { "unknown".to_owned() };
            return Err(VaultError::InUse { directory: directory.to_owned(), pid });
        }
        Err(error) => return Err(io("lock", error.into())),
    }
    // Only there to be read by a person; a full disk is no reason not to start.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(file)
}

/// Set on directories such as `/tmp` that many users write to: narrowing one would break the machine.
const STICKY: u32 = 0o1000;
