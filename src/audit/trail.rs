//! The file that is written to, its place in the chain, and the one after it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use jiff::Timestamp;

use crate::audit::{
    Options,
    chain::{Chain, Hash, Link},
    directory,
    found::{self, Found},
    head::{Head, Seen},
    line::{After, Ending, Event, Line, Opened, Unfinished, VERSION},
    shelf::Shelf as _,
    walk::Raw,
};

/// An open log. What is composed is written by [`commit`](Self::commit), all of it or nothing.
#[derive(Debug)]
pub(super) struct Trail {
    options: Options,
    chain: Chain,
    file: File,
    number: u32,
    /// Bytes in the file.
    len: u64,
    /// The last line that was written.
    tip: Link,
    last: Vec<u8>,
    /// Lines that are not written yet, the last of them, and how many they are.
    buffer: Vec<u8>,
    next: Link,
    newest: Vec<u8>,
    composed: usize,
    head: Head,
    /// Whether half a line stands at the end, and could not be taken away again.
    is_torn: bool,
}

impl Trail {
    /// Opens the log, and finds what the last process left unfinished. `unsynced` says that the last write may not be
    /// on the disk, so that nothing is to be written behind it.
    pub(super) fn open(
        options: &Options,
        at: Timestamp,
        unsynced: bool,
    ) -> io::Result<(Self, Vec<Unfinished>)> {
        let (directory, chain) = (&options.directory, Chain::new(options.key.as_ref()));
        let found = found::look(directory.as_path(), options.key.as_ref())?;
        let head = Head::open(directory)?;
        let (number, seq, after, unfinished) = match found {
            Found::Nothing => {
                // There before any line is, so that its absence means that it was taken away.
                head.write(&Seen { file: directory::name(1), link: Link::default() })?;
                (1, 0, None, Vec::new())
            }
            Found::Whole { number, link, last, unfinished } if !unsynced => {
                let file = append(&directory::path(directory, number), false)?;
                let len = file.metadata()?.len();
                let trail = Self::at(options, chain, file, number, len, link, last, head);
                return Ok((trail, unfinished));
            }
            Found::Whole { number, link, last, unfinished } => {
                let link = Link { seq: link.seq, hash: Hash::plain(&last) };
                let after =
                    After { file: directory::name(number), link, ended: Ending::Unsynced, torn: None };
                (number + 1, link.seq, Some(after), unfinished)
            }
            Found::Ended { number, seq, after, unfinished } => (number, seq, Some(after), unfinished),
        };
        if let Some(After {
            file,
            ended: ended @ (Ending::Truncated | Ending::Changed | Ending::Missing),
            ..
        }) = &after
        {
            tracing::error!(
                file,
                ?ended,
                "the audit log was tampered with or has lost lines: tradovate-proxy audit verify tells which; a new file is begun"
            );
        }
        let trail = Self::create(options, chain, number, seq, after, unfinished.clone(), at, head)?;
        Ok((trail, unfinished))
    }

    #[expect(clippy::too_many_arguments, reason = "the fields, in their order")]
    fn at(
        options: &Options,
        chain: Chain,
        file: File,
        number: u32,
        len: u64,
        tip: Link,
        last: Vec<u8>,
        head: Head,
    ) -> Self {
        Self {
            options: options.clone(),
            chain,
            file,
            number,
            len,
            tip,
            last,
            buffer: Vec::new(),
            next: tip,
            newest: Vec::new(),
            composed: 0,
            head,
            is_torn: false,
        }
    }

    /// Begins a file. One whose first line cannot be written is taken away again.
    #[expect(clippy::too_many_arguments, reason = "what its first line says")]
    fn create(
        options: &Options,
        chain: Chain,
        number: u32,
        seq: u64,
        after: Option<After>,
        open: Vec<Unfinished>,
        at: Timestamp,
        head: Head,
    ) -> io::Result<Self> {
        let path = directory::path(&options.directory, number);
        let file = append(&path, true)?;
        let hash = after.as_ref().map(|after| after.link.hash).unwrap_or_default();
        let mut trail = Self::at(options, chain, file, number, 0, Link { seq, hash }, Vec::new(), head);
        let opened = Opened { version: VERSION, chain: trail.chain.name(), after, open };
        trail.compose(at, &Event::Opened(opened));
        let begun = trail
            .commit()
            .and_then(|_| trail.file.sync_data())
            .and_then(|()| directory::sync(&options.directory))
            .and_then(|()| trail.note());
        if begun.is_err() {
            let _ = std::fs::remove_file(&path);
        }
        begun.map(|()| trail)
    }

    /// Adds a line to those to be written.
    pub(super) fn compose(&mut self, at: Timestamp, event: &Event) {
        let line = Line { seq: self.next.seq + 1, prev: self.next.hash, at, event: event.clone() };
        let line = line.write();
        self.next = Link { seq: self.next.seq + 1, hash: self.chain.hash(&line) };
        self.buffer.extend_from_slice(&line);
        self.buffer.push(b'\n');
        self.newest = line;
        self.composed += 1;
    }

    /// Writes what was composed, and says how many lines that were. On failure nothing of it is there, or the log
    /// [has to be opened anew](Self::is_usable).
    pub(super) fn commit(&mut self) -> io::Result<usize> {
        let written = self.file.write_all(&self.buffer);
        if written.is_ok() {
            self.len += self.buffer.len() as u64;
            self.tip = self.next;
            self.last = std::mem::take(&mut self.newest);
        } else {
            // What nobody was told of may go again; what stays is told by the next file.
            self.is_torn = self.file.set_len(self.len).is_err();
            self.next = self.tip;
        }
        self.buffer.clear();
        written.map(|()| std::mem::take(&mut self.composed)).inspect_err(|_| self.composed = 0)
    }

    /// Whether more can be written behind what is there.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_torn
    }

    /// Whether there is anything to commit.
    pub(super) fn has_composed(&self) -> bool {
        self.composed > 0
    }

    /// Whether the file is long enough, with what was composed.
    pub(super) fn is_full(&self) -> bool {
        self.len + self.buffer.len() as u64 >= self.options.rotate_bytes
    }

    /// Whether its file is in no directory any more: nobody will read what is written to it then.
    pub(super) fn has_been_removed(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 0)
    }

    /// Makes what was written durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Notes in the head that everything written so far is there to stay.
    pub(super) fn note(&self) -> io::Result<()> {
        self.head.write(&Seen { file: self.file_name(), link: self.tip })
    }

    pub(super) fn file_name(&self) -> String {
        directory::name(self.number)
    }

    pub(super) fn tip(&self) -> Link {
        self.tip
    }

    /// Goes on in another file. What is open is told there, so that nobody has to look further back.
    pub(super) fn rotate(&mut self, at: Timestamp, open: Vec<Unfinished>) -> io::Result<()> {
        self.sync()?;
        let link = Link { seq: self.tip.seq, hash: Hash::plain(&self.last) };
        let after = After { file: self.file_name(), link, ended: Ending::Full, torn: None };
        let head = Head::open(&self.options.directory)?;
        let chain = self.chain.clone();
        *self =
            Self::create(&self.options, chain, self.number + 1, self.tip.seq, Some(after), open, at, head)?;
        // What cannot be removed now is removed the next time.
        if let Err(error) = self.prune(at) {
            tracing::warn!(%error, directory = %self.options.directory.display(), "old files of the audit log cannot be removed; free the disk, or raise audit.keep");
        }
        Ok(())
    }

    /// Removes files beyond those to be kept, after saying so: what is missing without a word was taken away.
    fn prune(&mut self, at: Timestamp) -> io::Result<()> {
        let numbers = directory::numbers(&self.options.directory)?;
        let surplus = numbers.len().saturating_sub(self.options.keep);
        for pair in numbers.windows(2).take(surplus) {
            let [old, next] = *pair else { continue };
            let path = directory::path(&self.options.directory, old);
            let Some(link) = before(&self.options.directory, next)? else { continue };
            self.compose(at, &Event::Pruned { file: directory::name(old), link });
            self.commit()?;
            self.sync()?;
            self.note()?;
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// The line that a file says it follows.
fn before(directory: &Path, number: u32) -> io::Result<Option<Link>> {
    let Some(Raw::Whole(raw)) = directory.lines(number)?.next().transpose()? else { return Ok(None) };
    let line = Line::read(&raw);
    Ok(line.map(|line| Link { seq: line.seq.saturating_sub(1), hash: line.prev }))
}

fn append(path: &Path, new: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(new).mode(0o600).custom_flags(directory::no_follow());
    options.open(path)
}
