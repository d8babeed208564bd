//! Whether a log is whole. It may be written to meanwhile.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::audit::{
    AuditKey, Outcome, Unfinished,
    chain::{ChainName, Hash, Link},
    directory,
    found::follow,
    head::{self, Seen},
    line::{Ending, Event, Gap, Line, Opened, Torn, VERSION},
    shelf::Shelf,
    walk::{Raw, Walk},
};

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Files read.
    pub files: usize,
    /// Lines read.
    pub lines: u64,
    /// Whatever must not be.
    pub findings: Vec<Finding>,
    /// What happened and was recorded: tears, gaps, removed files.
    pub notes: Vec<String>,
    /// Requests whose outcome is unknown, because the process ended before they did.
    pub unknown: Vec<Unfinished>,
    /// Requests that ended, and may have been carried out.
    pub doubtful: Vec<Doubtful>,
    /// Requests without an end so far.
    pub open: Vec<Unfinished>,
    ends_torn: bool,
}

/// A request that ended with an unknown outcome: its caller was told so, or was there no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubtful {
    /// Its id, as in the log and in `X-Proxy-Request-Id`.
    pub id: String,
    /// What it asked for; none where the line of its beginning is lost.
    pub operation: Option<String>,
    /// How it ended: the `outcome` label of the metrics.
    pub how: String,
    /// When.
    pub ended: jiff::Timestamp,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file.
    pub file: String,
    /// In which line, from 1; none where it is the file as a whole.
    pub line: Option<u64>,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Why a log could not be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is none.
    #[error("there is no audit log in {}: name its directory with --dir, or audit.dir", directory.display())]
    Nothing {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// It cannot be read.
    #[error("the audit log in {} cannot be read: {source}; run this as the user who runs the proxy", directory.display())]
    Io {
        /// Where it is.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Reads the whole log.
///
/// # Errors
/// When there is none, or it cannot be read. What is wrong with one that can is in the verdict.
pub fn verify(directory: &Path, key: Option<&AuditKey>) -> Result<Verdict, VerifyError> {
    let nothing = || VerifyError::Nothing { directory: directory.to_owned() };
    for attempt in 1..=ATTEMPTS {
        match once(directory, key) {
            // A file was removed between being listed and being read: the proxy makes room.
            Err(error) if error.kind() == io::ErrorKind::NotFound && directory.is_dir() => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(nothing()),
            Err(source) => return Err(VerifyError::Io { directory: directory.to_owned(), source }),
            Ok(None) => return Err(nothing()),
            // It may be a write that is under way.
            Ok(Some(verdict)) if verdict.ends_torn && attempt < ATTEMPTS => thread::park_timeout(PAUSE),
            Ok(Some(verdict)) => return Ok(verdict),
        }
    }
    Err(nothing())
}

/// One reading, of a log that nobody writes to meanwhile; nothing where there is none.
pub(super) fn once(shelf: &(impl Shelf + ?Sized), key: Option<&AuditKey>) -> io::Result<Option<Verdict>> {
    Verifier::new(shelf, key).run()
}

struct Verifier<'a, S: ?Sized> {
    shelf: &'a S,
    key: Option<&'a AuditKey>,
    verdict: Verdict,
    head: Option<Seen>,
    /// Whether the line that the head names was there.
    has_head: bool,
    before: Option<Before>,
    /// The first file, and what it says it follows.
    first: Option<(u32, Link)>,
    pruned: BTreeMap<String, Link>,
    open: BTreeMap<String, Unfinished>,
    /// Whether the file that was read last is linked with the key.
    is_keyed: bool,
}

/// The file before.
struct Before {
    number: u32,
    link: Link,
    torn: Option<Torn>,
}

impl<'a, S: Shelf + ?Sized> Verifier<'a, S> {
    fn new(shelf: &'a S, key: Option<&'a AuditKey>) -> Self {
        Self {
            shelf,
            key,
            verdict: Verdict::default(),
            head: None,
            has_head: false,
            before: None,
            first: None,
            pruned: BTreeMap::new(),
            open: BTreeMap::new(),
            is_keyed: false,
        }
    }

    fn run(mut self) -> io::Result<Option<Verdict>> {
        // First: what it names is there already, however fast the log grows.
        let head = head::read(self.shelf);
        let numbers = self.shelf.numbers()?;
        match head {
            Ok(head) => self.head = head,
            Err(error) => self.find("head.json", None, format!("it is illegible ({error})")),
        }
        if numbers.is_empty() && self.head.is_none() && self.verdict.findings.is_empty() {
            return Ok(None);
        }
        for &number in &numbers {
            self.file(number)?;
        }
        self.begins();
        self.ends();
        self.verdict.open = std::mem::take(&mut self.open).into_values().collect();
        Ok(Some(self.verdict))
    }

    fn file(&mut self, number: u32) -> io::Result<()> {
        let name = directory::name(number);
        self.verdict.files += 1;
        if self.before.as_ref().is_some_and(|before| before.number + 1 != number) {
            let what = format!("the file before it, {}, is missing", directory::name(number - 1));
            self.find(&name, None, what);
        }
        let mut walk: Option<Walk> = None;
        let (mut at, mut last, mut torn) = (0, None, None);
        for raw in self.shelf.lines(number)? {
            at += 1;
            let raw = match raw? {
                Raw::Whole(raw) => raw,
                Raw::Torn(rest) => {
                    torn = Some(Torn::of(&rest));
                    break;
                }
            };
            self.verdict.lines += 1;
            let walk = match &mut walk {
                Some(walk) => walk,
                none => none.insert(self.first_line(&name, number, &raw)),
            };
            match walk.step(&raw) {
                Ok(line) => self.line(&name, at, line),
                Err(flaw) => self.find(&name, Some(at), flaw.to_string()),
            }
            let link = walk.last().unwrap_or_default();
            self.has_head |= self.head.as_ref().is_some_and(|head| head.link == link);
            last = Some(Link { seq: link.seq, hash: Hash::plain(&raw) });
        }
        if last.is_none() && torn.is_none() {
            torn = Some(Torn::of(&[]));
        }
        let link = last.or_else(|| self.before.as_ref().map(|before| before.link)).unwrap_or_default();
        self.before = Some(Before { number, link, torn });
        Ok(())
    }

    /// What the first line of a file says of it and of the one before.
    fn first_line(&mut self, name: &str, number: u32, raw: &[u8]) -> Walk {
        let last = match &self.before {
            Some(before) => Some(before.link),
            None if number == 1 => Some(Link::default()),
            None => {
                let line = Line::read(raw);
                self.first =
                    line.map(|line| (number, Link { seq: line.seq.saturating_sub(1), hash: line.prev }));
                None
            }
        };
        let (walk, opened) = Walk::begin(raw, last, self.key);
        let Some(Opened { version, chain, after, .. }) = opened else {
            self.find(name, Some(1), "it is not the line that a file begins with".to_owned());
            return walk;
        };
        if version != VERSION {
            self.find(
                name,
                Some(1),
                format!("it is of version {version}: verify it with the program that wrote it"),
            );
        }
        self.is_keyed = matches!(chain, ChainName::HmacSha256 { .. });
        if let (ChainName::HmacSha256 { key }, false) = (&chain, walk.has_chain()) {
            let what = format!("it takes the key {key} to verify it: set that one as audit.key");
            self.find(name, None, what);
        }
        let torn = self.before.as_ref().map(|before| (directory::name(before.number), before.torn.clone()));
        if let (Some((before, torn)), Some(after)) = (torn, after) {
            match (torn, after.torn) {
                (None, None) => {}
                (found, recorded) if found == recorded => {
                    self.note(format!("{before} ends in half a line, as a crash leaves it, and was left so"));
                }
                _ => self.find(&before, None, "its end is not as the next file found it".to_owned()),
            }
            match after.ended {
                Ending::Full | Ending::Rekeyed | Ending::Torn => {}
                Ending::Unsynced => {
                    self.note(format!("{before}: its last write may never have reached the disk"));
                }
                Ending::Truncated | Ending::Changed | Ending::Missing => {
                    let what =
                        format!("the proxy found it {} when it began the next one", after.ended.name());
                    self.find(&after.file, None, what);
                }
            }
        }
        walk
    }

    fn line(&mut self, name: &str, at: u64, line: Line) {
        if let Event::Ended(ended) = &line.event
            && ended.outcome == Outcome::Unknown.name()
        {
            let operation = self.open.get(&ended.id).map(|begun| begun.operation.clone());
            let (id, how) = (ended.id.clone(), ended.how.clone());
            self.verdict.doubtful.push(Doubtful { id, operation, how, ended: line.at });
        }
        follow(&mut self.open, &line.event, line.at);
        match line.event {
            Event::Opened(_) if at > 1 => {
                self.find(name, Some(at), "a file begins only once".to_owned());
            }
            Event::Started(started) => self.verdict.unknown.extend(started.unfinished),
            Event::Gap(Gap { since, why, late, lost }) => self.note(format!(
                "{name}:{at}: nothing could be written from {since} to {} ({why}): {late} lines are late, {lost} are lost",
                line.at
            )),
            Event::Pruned { file, link } => {
                self.note(format!("{file}, with the lines up to {}, was removed on {}", link.seq, line.at));
                self.pruned.insert(file, link);
            }
            Event::Opened(_)
            | Event::Begun(_)
            | Event::Ended(_)
            | Event::Refused(_)
            | Event::Suppressed { .. }
            | Event::Stopped => {}
        }
    }

    /// Where the log begins: at the beginning, or behind what was removed with a word.
    fn begins(&mut self) {
        let Some((number, link)) = self.first else { return };
        let name = directory::name(number - 1);
        if self.pruned.get(&name) != Some(&link) {
            let what = "it is missing, and no line says that it was removed".to_owned();
            self.find(&name, None, what);
        }
    }

    /// Where it ends: not before the line that was known to be there.
    fn ends(&mut self) {
        let (name, seq) = match &self.before {
            Some(before) => (directory::name(before.number), before.link.seq),
            None => ("head.json".to_owned(), 0),
        };
        if self.before.as_ref().is_some_and(|before| before.torn.is_some()) {
            self.verdict.ends_torn = true;
            self.find(&name, None, "it ends in half a line, which no start has recorded yet".to_owned());
        }
        if self.key.is_some() && !self.is_keyed && self.before.is_some() {
            self.find(&name, None, "it is not linked with the key: anybody may have written it".to_owned());
        }
        match &self.head {
            None if self.verdict.findings.iter().any(|finding| finding.file == "head.json") => {}
            None => {
                self.find("head.json", None, "it is missing: lines may have been cut off the end".to_owned());
            }
            Some(head) if seq < head.link.seq => {
                let what = format!("the lines {} to {} are missing at its end", seq + 1, head.link.seq);
                self.find(&name, None, what);
            }
            Some(head) if !self.has_head && head.link != Link::default() => {
                let what = format!("line number {} is not the one that head.json names", head.link.seq);
                self.find(&name, None, what);
            }
            Some(_) => {}
        }
    }

    fn find(&mut self, file: &str, line: Option<u64>, what: String) {
        self.verdict.findings.push(Finding { file: file.to_owned(), line, what });
    }

    fn note(&mut self, note: String) {
        self.verdict.notes.push(note);
    }
}

/// A proxy that makes room, or is about to finish a line, does so in less.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(50);
