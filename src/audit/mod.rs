//! The order audit log: what was asked, by whom, and what became of it, in lines that cannot be changed unnoticed.
//!
//! Each request that may change something (`order` and `write`) has two lines. `begun` is written, and by default on
//! the disk, **before a byte of the request leaves**; `ended` says what came of it. So whatever ends the process, a
//! request that may have been carried out has at least its first line, and the next start, whose `started` line names
//! it, and `tradovate-proxy audit verify` say that its outcome is unknown. A request that is not let through has one
//! line, `refused`.
//!
//! ```text
//! requests ──▶ Entry ──▶ desk ──▶ writer ──▶ orders-000001.jsonl      a line each, linked
//!                 ◀── ack ──         │       orders-000002.jsonl      names the file before it
//!                                    └─────▶ head.json                the newest line that is on the disk
//! ```
//!
//! # The chain
//!
//! A line is one JSON object in ASCII, and holds `seq`, which counts on over all files, and `prev`, the SHA-256 of the
//! line before it without its line feed. The first line of a file (`opened`) holds the SHA-256 of the last line of the
//! file before. So no line can be changed, removed, repeated or moved without breaking a link, save at the end; what
//! is cut off there is missed by `head.json`, which has number and digest of the newest line that is known to be on
//! the disk. **Whoever can write all of these files can forge all of them**, unless there is a key: the links inside a
//! file, and the head, are then HMAC-SHA256. What even a key does not show is the whole directory put back to what it
//! was at an earlier moment, with its head; for that, note the head (`/status`, the log) somewhere else.
//!
//! Nothing is ever mended silently. A file that a crash ended in half a line, that lost lines, or that was changed is
//! left as it is, and the next one's first line says so. Half a line is innocent: nobody had been told that it was
//! written, so nothing had been sent. Everything else fails the verification for as long as the file is kept. Old
//! files are removed only after a line that says so (`pruned`).
//!
//! # When it cannot be written
//!
//! [`OnFailure`] says whether an order is refused then, or sent. What takes risk away (`relief` in the table of
//! endpoints: a cancel, a liquidation) always goes on, and waits a tenth of a second at most. Lines that could not be
//! written are kept in memory, up to a few thousand, and written late, behind a `gap` line that says since when, why,
//! and how many are lost. A disk that hangs is as one that fails, after two seconds.
//!
//! # What is in it
//!
//! The known fields of a request and of its answer (`fields`), shortened, and the SHA-256 of the body; never a header,
//! and nothing whose name is not known. The answer is looked at while it passes, and never held up.
//!
//! Invariants: one thread owns the files; no request waits for a lock, nor longer than two seconds; an
//! [`Entry`] that has begun is ended by its owner's drop guard, whatever happens to the request.

mod chain;
mod desk;
mod directory;
mod entry;
mod error;
mod fields;
mod found;
#[cfg(any(test, fuzzing))]
mod fuzzed;
mod head;
mod key;
mod line;
mod metrics;
mod options;
mod shelf;
pub mod show;
mod trail;
pub mod verify;
mod walk;
mod writer;

use std::{sync::Arc, thread, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

#[cfg(any(test, fuzzing))]
pub(crate) use self::fuzzed::{Draft, Memory};
use self::{desk::Desk, directory::Lock, writer::Writer};
pub use self::{
    entry::{Asked, End, Entry, Outcome, RequestId, patience},
    error::{AuditError, NotRecorded},
    key::AuditKey,
    line::Unfinished,
    metrics::Metrics,
    options::{Fsync, OnFailure, Options},
};
use crate::clock::Clock;

/// Where requests are written down; or where they are only given a name, if there is no log. Cheap to clone; clones
/// are the same log.
#[derive(Clone, Debug)]
pub struct AuditLog {
    desk: Option<Arc<Desk>>,
    clock: Clock,
}

impl AuditLog {
    /// No log.
    pub fn off(clock: Clock) -> Self {
        Self { desk: None, clock }
    }

    /// Takes possession of the directory and starts the thread that writes. A disk that fails is no error here: it is
    /// told, tried again, and dealt with as [`OnFailure`] says.
    ///
    /// # Errors
    /// When another process has the directory, or no thread can be had.
    pub fn open(
        options: Options,
        environment: &'static str,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, AuditError> {
        let lock = Lock::take(&options.directory)?;
        let (desk, outbox) = desk::desk(options.on_failure, clock.clone(), metrics);
        let standing = Arc::clone(&desk.standing);
        let writer = Writer::new(options, environment, clock.clone(), standing, lock.ok());
        thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&outbox))
            .map_err(AuditError::Thread)?;
        Ok(Self { desk: Some(desk), clock })
    }

    /// Waits until everything so far is written, for a few seconds at most.
    pub async fn finish(&self) {
        let Some(desk) = &self.desk else { return };
        if timeout(FAREWELL, desk.finish()).await.is_err() {
            tracing::error!(
                "the audit log could not be finished: the disk does not answer; the next start says which requests have no end"
            );
        }
    }

    /// How it stands; nothing where there is none.
    pub fn report(&self) -> Option<Report> {
        let desk = self.desk.as_ref()?;
        let newest = desk.standing.newest.load();
        let since = desk.standing.trouble().map(|trouble| trouble.since);
        Some(Report {
            file: newest.file.clone(),
            seq: newest.link.seq,
            head: newest.link.hash.to_string(),
            trouble: desk.trouble(),
            since,
            refuses: desk.on_failure() == OnFailure::Refuse,
        })
    }
}

/// How the log stands.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file that is written to; empty before the first.
    pub file: String,
    /// The number of the newest line.
    pub seq: u64,
    /// Its digest: kept elsewhere, it proves that everything up to it is still there.
    pub head: String,
    /// Why nothing can be written, if so.
    pub trouble: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Whether orders are refused while there is trouble.
    pub refuses: bool,
}

/// How long the end of the process waits for the last lines.
const FAREWELL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
