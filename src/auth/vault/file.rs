//! The file itself: read with suspicion, replaced whole.

use std::{
    fs::{File, OpenOptions, Permissions, remove_file, rename},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use secrecy::zeroize::Zeroizing;

use crate::auth::vault::{
    directory::{check_owner, look_at},
    error::VaultError,
    lock::{Lock, no_follow},
};

/// `session.json` and the lock that makes it ours.
#[derive(Debug)]
pub(super) struct SessionFile {
    path: PathBuf,
    /// Shared with every write under way: the directory is not left before the last of them has ended.
    lock: Arc<Lock>,
    /// The newest write begun, and the newest done.
    begun: AtomicU64,
    done: Arc<Mutex<u64>>,
}

impl SessionFile {
    pub(super) fn new(directory: &Path, lock: Lock) -> Self {
        let path = directory.join("session.json");
        // What a crash left half-written may hold a token. If it cannot go, the next write will say so.
        let _ = remove_file(path.with_extension(NEW));
        Self { path, lock: Arc::new(lock), begun: AtomicU64::new(0), done: Arc::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The content, or `None` when there is none yet.
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let io = |action, source| VaultError::Io { action, path: self.path.clone(), source };
        if look_at(&self.path)?.is_none() {
            return Ok(None);
        }
        // Opened without following a link that may have come since; from here on it is this open file.
        let file = OpenOptions::new().read(true).custom_flags(no_follow()).open(&self.path);
        let file = file.map_err(|error| io("open", error))?;
        let metadata = file.metadata().map_err(|error| io("look at", error))?;
        if !metadata.is_file() {
            return Err(VaultError::NotAFile { path: self.path.clone() });
        }
        check_owner(&self.path, &metadata)?;
        let mode = metadata.mode() & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(file = %self.path.display(), mode = format!("{mode:o}"), "others could read the stored session; now they cannot");
            file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| io("restrict", error))?;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(LARGEST));
        file.take(LARGEST as u64).read_to_end(&mut bytes).map_err(|error| io("read", error))?;
        Ok(Some(bytes))
    }

    /// Puts the content, as it is, where a person can look at it.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let aside = self.path.with_extension(ASIDE);
        rename(&self.path, &aside)?;
        Ok(aside)
    }

    /// Puts `remains` of the content there instead.
    pub(super) fn set_aside_as(&self, remains: &[u8]) -> io::Result<PathBuf> {
        let aside = self.path.with_extension(ASIDE);
        replace(&aside, remains)?;
        Ok(aside)
    }

    /// Writes that have begun and not ended, each on a thread of its own.
    pub(super) fn under_way(&self) -> usize {
        Arc::strong_count(&self.done) - 1
    }

    /// The right to make the next write, on whatever thread.
    pub(super) fn writer(&self) -> Writer {
        let turn = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        Writer { path: self.path.clone(), lock: Arc::clone(&self.lock), turn, done: Arc::clone(&self.done) }
    }
}

/// One write. A later one that overtook it wins.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    lock: Arc<Lock>,
    turn: u64,
    done: Arc<Mutex<u64>>,
}

impl Writer {
    pub(super) fn replace(self, bytes: &[u8]) -> io::Result<()> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if *done >= self.turn {
            return Ok(());
        }
        self.lock.check()?;
        replace(&self.path, bytes)?;
        *done = self.turn;
        Ok(())
    }
}

/// Replaces a file as a whole: whoever pulls the plug leaves the old one or the new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension(NEW);
    // A leftover may have lax permissions, which opening would keep.
    match remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(no_follow())
        .open(&beside)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| rename(&beside, path));
    if let Err(error) = written {
        // Half a record holds half a token, or all of it; and on a full disk it takes up room.
        let _ = remove_file(&beside);
        return Err(error);
    }
    // The rename itself is only safe once the directory is on disk.
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

/// A session file has a few kilobytes; what is cut off here does not parse, and is set aside.
const LARGEST: usize = 256 * 1024;

const NEW: &str = "json.new";
const ASIDE: &str = "json.set-aside";
