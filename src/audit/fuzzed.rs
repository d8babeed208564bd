//! A log in memory, for fuzzing.

use std::{collections::BTreeMap, io};

use crate::audit::{
    AuditKey,
    chain::{Chain, Hash, Link},
    directory, found,
    head::Seen,
    line::{After, Ending, Event, Line, Opened, Torn, VERSION},
    shelf::Shelf,
    show, verify,
    walk::Lines,
};

/// Its files by their numbers, and its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) head: Option<Vec<u8>>,
    pub(crate) files: BTreeMap<u32, Vec<u8>>,
}

/// One file before it is linked: lines of which only the event counts, and the half line that a crash left behind them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    pub(crate) lines: &'a [&'a [u8]],
    pub(crate) rest: &'a [u8],
}

impl Shelf for Memory {
    type Reader = io::Cursor<Vec<u8>>;

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.head.clone())
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        // As they are found in a directory: by their names.
        Ok(self.files.keys().filter_map(|&number| directory::number(&directory::name(number))).collect())
    }

    fn lines(&self, number: u32) -> io::Result<Lines<Self::Reader>> {
        Ok(Lines::of(io::Cursor::new(self.files.get(&number).cloned().unwrap_or_default())))
    }
}

impl Memory {
    /// The log that a proxy would have written with these events in it; what is no event that goes on in a file is left
    /// out.
    pub(crate) fn written(drafts: &[Draft<'_>], key: Option<&AuditKey>) -> Self {
        let (chain, mut log, mut after) = (Chain::new(key), Self::default(), None);
        let mut tip = Link::default();
        for (draft, number) in drafts.iter().zip(1..) {
            let read = draft.lines.iter().filter_map(|line| Line::read(line));
            let events = read.filter(|line| !matches!(line.event, Event::Opened(_)));
            let opened =
                Opened { version: VERSION, chain: chain.name(), after: after.take(), open: Vec::new() };
            let opened = Line {
                seq: 0,
                prev: tip.hash,
                at: jiff::Timestamp::UNIX_EPOCH,
                event: Event::Opened(opened),
            };
            let (mut file, mut last) = (Vec::new(), Vec::new());
            for line in std::iter::once(opened).chain(events) {
                let line = Line { seq: tip.seq + 1, prev: tip.hash, ..line }.write();
                tip = Link { seq: tip.seq + 1, hash: chain.hash(&line) };
                file.extend_from_slice(&line);
                file.push(b'\n');
                last = line;
            }
            file.extend_from_slice(draft.rest);
            log.files.insert(number, file);
            log.head = serde_json::to_vec(&Seen { file: directory::name(number), link: tip }).ok();
            // The next file's first line follows this one by a plain digest, for which no key is needed.
            tip.hash = Hash::plain(&last);
            let torn = (!draft.rest.is_empty()).then(|| Torn::of(draft.rest));
            let ended = if torn.is_some() { Ending::Torn } else { Ending::Full };
            after = Some(After { file: directory::name(number), link: tip, ended, torn });
        }
        log
    }

    /// Everything that must not be; `None` where there is no log.
    pub(crate) fn verify(&self, key: Option<&AuditKey>) -> Option<Vec<String>> {
        let verdict = verify::once(self, key).ok()??;
        Some(verdict.findings.iter().map(ToString::to_string).collect())
    }

    /// What a start, and whoever looks at the log, makes of it.
    pub(crate) fn read(&self, key: Option<&AuditKey>, each: impl FnMut(&str)) {
        // Neither has anything to say where it cannot be read.
        let _ = found::look(self, key);
        let _ = show::lines(self, each);
    }
}
