//! Reading a file line by line, and whether each follows the one before.

use std::io::{self, BufRead};

use crate::audit::{
    AuditKey,
    chain::{Chain, ChainName, Link},
    line::{Event, Line, Opened},
};

/// The lines of a file as they are.
#[derive(Debug)]
pub(super) struct Lines<R>(R);

/// One of them, without its line feed.
#[derive(Debug)]
pub(super) enum Raw {
    Whole(Vec<u8>),
    /// The file ends in the middle of it.
    Torn(Vec<u8>),
}

impl<R> Lines<R> {
    pub(super) fn of(file: R) -> Self {
        Self(file)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<Raw>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        match self.0.read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) if bytes.last() == Some(&b'\n') => {
                bytes.pop();
                Some(Ok(Raw::Whole(bytes)))
            }
            Ok(_) => Some(Ok(Raw::Torn(bytes))),
            Err(error) => Some(Err(error)),
        }
    }
}

/// A walk along the chain of one file.
#[derive(Debug)]
pub(super) struct Walk {
    /// None where it takes a key that there is not: numbers can be compared then, and links cannot.
    chain: Option<Chain>,
    /// The line before the next one; none where that is not known, and the next one is taken as it is.
    last: Option<Link>,
    is_at_start: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("it is no line of the log")]
    Illegible,
    #[error("its number is {found} where {expected} belongs: lines were removed, repeated or moved")]
    OutOfOrder { expected: u64, found: u64 },
    #[error("it does not follow the line before it: one of the two was changed")]
    Unlinked,
}

impl Walk {
    /// Along the file that begins with `first`, and should follow `last`, whose hash is then a plain one. Also says what
    /// that file says of itself.
    pub(super) fn begin(first: &[u8], last: Option<Link>, key: Option<&AuditKey>) -> (Self, Option<Opened>) {
        let opened = match Line::read(first) {
            Some(Line { event: Event::Opened(opened), .. }) => Some(opened),
            Some(_) | None => None,
        };
        let chain = match opened.as_ref().map(|opened| &opened.chain) {
            Some(ChainName::Sha256) => Some(Chain::Plain),
            Some(ChainName::HmacSha256 { key: id }) => {
                key.filter(|key| key.id() == *id).map(|key| Chain::Keyed(key.clone()))
            }
            None => None,
        };
        (Self { chain, last, is_at_start: true }, opened)
    }

    /// Whether its links can be compared.
    pub(super) fn has_chain(&self) -> bool {
        self.chain.is_some()
    }

    /// Takes a line that is to follow. One that does not is taken as it is, so that each flaw is told once.
    pub(super) fn step(&mut self, raw: &[u8]) -> Result<Line, Flaw> {
        let hash = self.chain.as_ref().map(|chain| chain.hash(raw)).unwrap_or_default();
        let before = self.last;
        // Files are linked by plain digests, for which no key is needed.
        let can_compare = std::mem::take(&mut self.is_at_start) || self.has_chain();
        let Some(line) = Line::read(raw) else {
            self.last = before.map(|before| Link { seq: before.seq.saturating_add(1), hash });
            return Err(Flaw::Illegible);
        };
        self.last = Some(Link { seq: line.seq, hash });
        match before {
            Some(before) if line.seq.checked_sub(1) != Some(before.seq) => {
                Err(Flaw::OutOfOrder { expected: before.seq.saturating_add(1), found: line.seq })
            }
            Some(before) if can_compare && line.prev != before.hash => Err(Flaw::Unlinked),
            Some(_) | None => Ok(line),
        }
    }

    /// The line that was taken last.
    pub(super) fn last(&self) -> Option<Link> {
        self.last
    }
}
