//! What stands on the disk: a line for each change, the last one of a key counts.
//!
//! A line is a checksum and JSON. A crash can leave half a line at the end, which is cut off; a line that is damaged is
//! skipped. Each with a warning, and neither is a reason not to start: the session has to be served.

use std::{
    collections::HashMap,
    fs::{File, OpenOptions, rename},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::idempotency::{
    Digest,
    entry::{Entry, State},
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

/// One line: `entry` is what is known from now on, `None` that nothing is.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: Digest,
    request: Digest,
    at: Timestamp,
    #[serde(flatten)]
    state: Option<State>,
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
                let line = line(&Line { key, request, at, state: state.cloned() });
                journal.append(&line).map_err(|error| Unwritable::Disk(error.to_string()))
            }
            Self::Memory => Ok(()),
            Self::Closed(why) => Err(why.clone()),
        }
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
            text.extend(line(&Line { key, request: entry.request, at: entry.at, state }));
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
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole < text.len() {
            tracing::warn!(%file, bytes = text.len() - whole, "the last line of the journal of idempotency keys is not whole (a crash, or a full disk); it is cut off");
        }
        let mut entries: HashMap<Digest, (usize, Entry)> = HashMap::new();
        let (mut lines, mut damaged) = (0, 0);
        for line in text[..whole].split_inclusive(|&byte| byte == b'\n') {
            lines += 1;
            let Some(Line { key, request, at, state }) = parse(line) else {
                damaged += 1;
                continue;
            };
            let state = match state {
                None => {
                    entries.remove(&key);
                    continue;
                }
                // Whoever was to say more has not come to it.
                Some(State::InFlight) => State::Unknown,
                Some(state) => state,
            };
            entries.insert(key, (lines, Entry { request, at, state }));
        }
        if damaged > 0 {
            tracing::warn!(%file, lines = damaged, "the journal of idempotency keys is damaged; these lines are skipped, and their keys may be forgotten: look at order/list before you repeat an order under one of today's keys");
        }
        let handle = open(&self.path)?;
        handle.set_len(whole as u64)?;
        self.open = Some(Open { file: handle, length: whole as u64, lines });
        let mut entries: Vec<_> = entries.into_iter().collect();
        entries.sort_unstable_by_key(|(_, (line, _))| *line);
        Ok(entries.into_iter().map(|(key, (_, entry))| (key, entry)).collect())
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

fn line(line: &Line) -> Vec<u8> {
    // Every part of a line has a form in JSON.
    let json = serde_json::to_vec(line).unwrap_or_default();
    let mut text = checksum(&json).into_bytes();
    text.push(b' ');
    text.extend(json);
    text.push(b'\n');
    text
}

fn parse(line: &[u8]) -> Option<Line> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = line.split_at_checked(CHECKSUM)?;
    let json = json.strip_prefix(b" ")?;
    (sum == checksum(json).as_bytes()).then(|| serde_json::from_slice(json).ok()).flatten()
}

fn checksum(json: &[u8]) -> String {
    let digest = serde_json::to_value(Digest::over(&[json])).unwrap_or_default();
    digest.as_str().unwrap_or_default().chars().take(CHECKSUM).collect()
}

const NAME: &str = "idempotency.journal";
const CHECKSUM: usize = 16;
/// Lines that are past and not worth a rewrite.
const SLACK: usize = 200;
