//! The directory of the log: its files in order, and the lock that makes it one process's.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

use crate::audit::AuditError;

/// One process for each log. Ends with the process, however that ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not read")] File);

impl Lock {
    /// Creates the directory if need be, and takes possession of it; of one that cannot be written to, when that
    /// is possible.
    ///
    /// # Errors
    /// When another process has it.
    pub(super) fn take(directory: &Path) -> Result<io::Result<Self>, AuditError> {
        let taken = create(directory).and_then(|()| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.custom_flags(no_follow()).open(directory.join(LOCK))?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Ok(Some(Self(file))),
                Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
                Err(error) => Err(error.into()),
            }
        });
        match taken {
            Ok(Some(lock)) => Ok(Ok(lock)),
            Ok(None) => Err(AuditError::InUse { directory: directory.to_owned() }),
            Err(error) => Ok(Err(error)),
        }
    }
}

fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

/// The numbers of the files in `directory`, in order.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in directory.read_dir()? {
        numbers.extend(entry?.file_name().to_str().and_then(number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn name(number: u32) -> String {
    format!("{STEM}{number:06}{EXTENSION}")
}

/// The number of a file, if it is one of the log.
pub(super) fn number(file: &str) -> Option<u32> {
    let number = file.strip_prefix(STEM)?.strip_suffix(EXTENSION)?.parse().ok()?;
    // They count from 1; whatever else is there is no file of the log.
    (number > 0 && name(number) == file).then_some(number)
}

pub(super) fn path(directory: &Path, number: u32) -> PathBuf {
    directory.join(name(number))
}

/// Makes the names in a directory as durable as what is behind them.
pub(super) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Flags for opening what must be a file: neither through a link, nor waiting for the other end of a pipe.
pub(super) fn no_follow() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

const LOCK: &str = "lock";
const STEM: &str = "orders-";
const EXTENSION: &str = ".jsonl";
