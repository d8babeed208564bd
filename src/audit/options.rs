//! What a user decides about the log.

use std::path::PathBuf;

use crate::audit::AuditKey;

/// Where the log is, and how it is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where its files are. Created if need be.
    pub directory: PathBuf,
    /// What the lines are linked with; by SHA-256 without one.
    pub key: Option<AuditKey>,
    /// When a line counts as written.
    pub fsync: Fsync,
    /// A file that has as many bytes is followed by another.
    pub rotate_bytes: u64,
    /// So many files are kept; older ones are removed.
    pub keep: usize,
    /// What becomes of an order that cannot be written down.
    pub on_failure: OnFailure,
}

impl Options {
    /// The usual way to keep one there.
    pub fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory,
            key: None,
            fsync: Fsync::Always,
            rotate_bytes: 16 << 20,
            keep: 64,
            on_failure: OnFailure::Refuse,
        }
    }
}

/// When a line counts as written, and the order that it is about may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// When it is on the disk: it survives the machine's power.
    Always,
    /// When the operating system has it, which syncs it within a second: it survives this process.
    Interval,
    /// The same, and the operating system decides about the disk.
    Never,
}

/// What becomes of an order that cannot be written down. What takes risk away (a cancel, a liquidation) is sent in
/// any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused, and so not sent.
    Refuse,
    /// It is sent, and written down when that is possible again.
    GoOn,
}
