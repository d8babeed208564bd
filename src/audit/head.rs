//! The newest line that is known to be on the disk, kept beside the lines: what is cut off behind it is missed.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::audit::{chain::Link, directory::no_follow, shelf::Shelf};

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct Head(File);

/// What it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The file that the line is in.
    pub(super) file: String,
    #[serde(flatten)]
    pub(super) link: Link,
}

impl Head {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_follow());
        options.open(directory.join(NAME)).map(Self)
    }

    /// Writes over the last one, in place and all in one: the file neither grows nor is ever empty. It is synced by
    /// the operating system in its own time: one that is too old only covers fewer lines.
    pub(super) fn write(&self, seen: &Seen) -> io::Result<()> {
        let mut text = serde_json::to_string(seen)?;
        text.push_str(&" ".repeat(LENGTH.saturating_sub(text.len() + 1)));
        text.push('\n');
        self.0.write_all_at(text.as_bytes(), 0)
    }
}

/// What the head says: nothing where there is none, an error where it makes no sense.
pub(super) fn read(shelf: &(impl Shelf + ?Sized)) -> io::Result<Option<Seen>> {
    // An empty one is left by a crash between its creation and its first write.
    match shelf.head()?.filter(|bytes| !bytes.is_empty()) {
        Some(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        None => Ok(None),
    }
}

pub(super) const NAME: &str = "head.json";
/// Less than the smallest sector, so that it is written whole or not at all.
const LENGTH: usize = 256;
