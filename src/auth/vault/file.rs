//! The file itself: read with suspicion, replaced whole.

use std::{
    fs::{File, OpenOptions, Permissions, rename},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use secrecy::zeroize::Zeroizing;

use crate::auth::vault::directory::{VaultError, check_owner, no_follow};

/// `session.json` and the lock that makes it ours.
#[derive(Debug)]
pub struct SessionFile {
    path: PathBuf,
    _lock: File,
    /// The newest write begun, and the newest done.
    begun: AtomicU64,
    done: Arc<Mutex<u64>>,
}

impl SessionFile {
    pub(super) fn new(directory: &Path, lock: File) -> Self {
        let path = directory.join("session.json");
        Self { path, _lock: lock, begun: AtomicU64::new(0), done: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The content, or `None` when there is none yet.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let io = |action, source| VaultError::Io { action, path: self.path.clone(), source };
        match self.path.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => {
                return Err(VaultError::NotAFile { path: self.path.clone() });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io("look at", error)),
        }
        // Opened without following a link that may have come since; from here on it is this open file.
        let file = OpenOptions::new().read(true).custom_flags(no_follow()).open(&self.path);
        let file = file.map_err(|error| io("open", error))?;
        let metadata = file.metadata().map_err(|error| io("look at", error))?;
        check_owner(&self.path, metadata.uid())?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(file = %self.path.display(), mode = format!("{mode:o}"), "others could read the stored session; now they cannot");
            file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| io("restrict", error))?;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        file.take(LARGEST).read_to_end(&mut bytes).map_err(|error| io("read", error))?;
        Ok(Some(bytes))
    }

    /// Keeps unusable content where a person can look at it, and out of the way.
    pub(super) fn set_aside(&self, why: &str) {
        let aside = self.path.with_extension("json.set-aside");
        match rename(&self.path, &aside) {
            Ok(()) => {
                tracing::warn!(file = %aside.display(), why, "the stored session cannot be used and was set aside");
            }
            Err(error) => {
                tracing::warn!(file = %self.path.display(), why, %error, "the stored session cannot be used");
            }
        }
    }

    /// The right to make the next write, on whatever thread.
    pub(super) fn writer(&self) -> Writer {
        let turn = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Writer { path: self.path.clone(), turn, done: Arc::clone(&self.done) }
    }
}

/// One write. A later one that overtook it wins.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    turn: u64,
    done: Arc<Mutex<u64>>,
}

impl Writer {
    pub(super) fn replace(self, bytes: &[u8]) -> io::Result<()> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if *done >= self.turn {
            return Ok(());
        }
        let beside = self.path.with_extension("json.new");
        // A leftover of a crash may have lax permissions, which opening would keep.
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(no_follow())
            .open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        rename(&beside, &self.path)?;
        // The rename itself is only safe once the directory is on disk.
        let directory = self.path.parent().unwrap_or_else(|| Path::new("."));
        File::open(directory)?.sync_all()?;
        *done = self.turn;
        Ok(())
    }
}

/// A session file has a few kilobytes; what is cut off here does not parse, and is set aside.
const LARGEST: u64 = 256 * 1024;
