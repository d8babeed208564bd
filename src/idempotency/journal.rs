//! What stands on the disk: a line for each change, the last one of a key counts.
//!
//! A line is a checksum and JSON. A crash can leave half a line at the end, which is cut off; a line that is damaged is
//! skipped. Each with a warning, and neither is a reason not to start: the session has to be served.

use std::{
    fs::{File, OpenOptions, rename},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use crate::idempotency::{
    Digest,
    entry::{Entry, State},
    lines::{Line, Replay},
};

/// Where changes are written down.
#[derive(Debug)]
pub enum Journal {
    /// In `idempotency.journal` in the state directory.
    File(JournalFile),
    /// Nowhere: for the sandbox, which forgets its orders when it ends.
    Memory,
    /// Nowhere, although orders outlive this process: for this reason nothing can be promised.
    Closed(Unwritable),
}

/// Why a change could not be written down.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unwritable {
    /// The disk.
    #[error("the journal of idempotency keys cannot be written ({0})")]
    Disk(String),
    /// What it holds, and so whether an order has gone before under a key, is not known.
    #[error("the journal of idempotency keys cannot be asked ({0})")]
    Unread(String),
    /// There is none.
    #[error("there is no journal of idempotency keys, since the session is kept in memory alone")]
    Nowhere,
}

/// The file, which does not exist before there is something to write.
#[derive(Debug)]
pub struct JournalFile {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Bytes that are whole lines; what stands behind them is overwritten.
    length: u64,
    lines: usize,
}

impl Journal {
    /// The journal in this directory, which is the caller's alone. Touches nothing yet.
    pub fn within(directory: &Path) -> Self {
        Self::File(JournalFile { path: directory.join(NAME), open: None })
    }

    /// Every key that is known, in the order in which they came into their states.
    pub(super) fn read(&mut self) -> Result<Vec<(Digest, Entry)>, Unwritable> {
        match self {
            Self::File(journal) => journal.read().map_err(|error| Unwritable::Unread(error.to_string())),
            Self::Memory | Self::Closed(_) => Ok(Vec::new()),
        }
    }

    /// Writes a change down, and returns when the disk has it.
    pub(super) fn append(
        &mut self,
        key: Digest,
        request: Digest,
        at: Timestamp,
        state: Option<&State>,
    ) -> Result<(), Unwritable> {
        match self {
            Self::File(journal) => {
                let line = Line { key, request, at, state: state.cloned() }.write();
                journal.append(&line).map_err(|error| Unwritable::Disk(error.to_string()))
            }
            Self::Memory => Ok(()),
            Self::Closed(why) => Err(why.clone()),
        }
    }

    /// Whether its file is in no directory any more: what is written to it then, no later process will read.
    pub(super) fn has_been_removed(&self) -> bool {
        let Self::File(JournalFile { open: Some(open), .. }) = self else { return false };
        open.file.metadata().is_ok_and(|file| file.nlink() == 0)
    }

    /// Whether most of it is past, so that it is worth while to write it anew.
    pub(super) fn is_mostly_past(&self, live: usize) -> bool {
        match self {
            Self::File(JournalFile { open: Some(open), .. }) => open.lines > 2 * live + SLACK,
            Self::File(_) | Self::Memory | Self::Closed(_) => false,
        }
    }

    /// Replaces it by what is known now, whole: whoever pulls the plug leaves the old one or the new one.
    pub(super) fn rewrite<'e>(
        &mut self,
        entries: impl Iterator<Item = (Digest, &'e Entry)>,
    ) -> Result<(), Unwritable> {
        let Self::File(journal) = self else { return Ok(()) };
        let (mut text, mut lines) = (Vec::new(), 0);
        for (key, entry) in entries {
            let state = Some(entry.state.clone());
            text.extend(Line { key, request: entry.request, at: entry.at, state }.write());
            lines += 1;
        }
        journal.replace(&text, lines).map_err(|error| Unwritable::Disk(error.to_string()))
    }
}

impl JournalFile {
    fn read(&mut self) -> io::Result<Vec<(Digest, Entry)>> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let file = &self.path.display();
        let Replay { known, whole, lines, damaged } = Replay::of(&text);
        if whole < text.len() {
            tracing::warn!(%file, bytes = text.len() - whole, "the last line of the journal of idempotency keys is not whole (a crash, or a full disk); it is cut off");
        }
        if damaged > 0 {
            tracing::warn!(%file, lines = damaged, "the journal of idempotency keys is damaged; these lines are skipped, and their keys may be forgotten: look at order/list before you repeat an order under one of today's keys");
        }
        let handle = open(&self.path)?;
        handle.set_len(whole as u64)?;
        self.open = Some(Open { file: handle, length: whole as u64, lines });
        Ok(known)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.open.is_none() {
            let file = open(&self.path)?;
            let length = file.metadata()?.len();
            // The file itself is only safe once the directory is on disk.
            sync_directory(&self.path)?;
            self.open = Some(Open { file, length, lines: 0 });
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        let written = open.file.write_all_at(line, open.length).and_then(|()| open.file.sync_data());
        if let Err(error) = written {
            // What is left of it if this fails too, the next line overwrites, or it passes for a damaged one.
            let _ = open.file.set_len(open.length);
            return Err(error);
        }
        open.length += line.len() as u64;
        open.lines += 1;
        Ok(())
    }

    fn replace(&mut self, text: &[u8], lines: usize) -> io::Result<()> {
        let beside = self.path.with_extension("journal.new");
        match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&beside)?;
        let written =
            file.write_all(text).and_then(|()| file.sync_all()).and_then(|()| rename(&beside, &self.path));
        if let Err(error) = written {
            // It takes up room.
            let _ = std::fs::remove_file(&beside);
            return Err(error);
        }
        self.open = Some(Open { file, length: text.len() as u64, lines });
        sync_directory(&self.path)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

const NAME: &str = "idempotency.journal";
/// Lines that are past and not worth a rewrite.
const SLACK: usize = 200;
