//! Why the log cannot be kept, or read.

use std::{io, path::PathBuf};

/// Why the program cannot start with this log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// Another process has it.
    #[error(
        "the audit log in {} is in use by another process: stop that one, or give each its own audit.dir",
        directory.display()
    )]
    InUse {
        /// Where.
        directory: PathBuf,
    },
    /// No thread could be had to write it.
    #[error("no thread can be started to write the audit log: {0}")]
    Thread(#[source] io::Error),
}

/// Why an order was not let through: it could not be written down.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the order cannot be written down first, as audit.on-failure wants it: {why}")]
pub struct NotRecorded {
    /// What is wrong with the log.
    pub why: String,
}
