//! How the log stands when it is opened: where it goes on, what is wrong with its end, and what had begun.

use std::{collections::BTreeMap, io};

use crate::audit::{
    AuditKey,
    chain::{Chain, Hash, Link},
    directory,
    head::{self, Seen},
    line::{After, Ending, Event, Torn, Unfinished},
    shelf::Shelf,
    walk::{Raw, Walk},
};

/// What a start finds.
#[derive(Debug)]
pub(super) enum Found {
    /// No log yet.
    Nothing,
    /// A file in order: what comes next can be written behind its last line.
    Whole { number: u32, link: Link, last: Vec<u8>, unfinished: Vec<Unfinished> },
    /// Another file is begun, which says how the one before it ended.
    Ended { number: u32, seq: u64, after: After, unfinished: Vec<Unfinished> },
}

/// Looks at the newest file, whole.
pub(super) fn look(shelf: &(impl Shelf + ?Sized), key: Option<&AuditKey>) -> io::Result<Found> {
    let numbers = shelf.numbers()?;
    // One that cannot be read says nothing; that it was changed shows in the next verification.
    let head = head::read(shelf).unwrap_or_default();
    let Some(&newest) = numbers.last() else {
        return Ok(match head {
            Some(Seen { file, link }) if link.seq > 0 => Found::Ended {
                number: directory::number(&file).unwrap_or_default().saturating_add(1),
                seq: link.seq,
                after: After { file, link, ended: Ending::Missing, torn: None },
                unfinished: Vec::new(),
            },
            Some(_) | None => Found::Nothing,
        });
    };
    // A file whose first line never became whole says nothing of what was before it.
    let mut reading = Reading::of(shelf, newest, key, head.as_ref())?;
    let torn = reading.torn.take();
    let is_blank = reading.last.is_none();
    for &number in numbers.iter().rev().skip(1) {
        if reading.last.is_some() {
            break;
        }
        reading = Reading { torn: None, ..Reading::of(shelf, number, key, head.as_ref())? };
    }
    let link = reading.link.unwrap_or_default();
    let known = head.as_ref().map_or(0, |head| head.link.seq);
    let ended = if reading.is_changed || head.is_none() {
        Ending::Changed
    } else if link.seq < known {
        Ending::Truncated
    } else if torn.is_some() || is_blank {
        Ending::Torn
    } else if reading.is_rekeyed {
        Ending::Rekeyed
    } else {
        let last = reading.last.unwrap_or_default();
        return Ok(Found::Whole { number: newest, link, last, unfinished: reading.unfinished });
    };
    let hash = reading.last.as_deref().map(Hash::plain).unwrap_or_default();
    let beyond = head.and_then(|head| directory::number(&head.file)).unwrap_or_default();
    Ok(Found::Ended {
        number: newest.max(beyond).saturating_add(1),
        seq: link.seq.max(known),
        after: After {
            file: directory::name(newest),
            link: Link { seq: link.seq, hash },
            ended,
            torn: torn.or_else(|| is_blank.then(|| Torn { bytes: 0, sha256: Hash::plain(&[]) })),
        },
        unfinished: reading.unfinished,
    })
}

/// One file, read to its end.
#[derive(Debug, Default)]
struct Reading {
    link: Option<Link>,
    /// The last whole line.
    last: Option<Vec<u8>>,
    torn: Option<Torn>,
    is_changed: bool,
    is_rekeyed: bool,
    unfinished: Vec<Unfinished>,
}

impl Reading {
    fn of(
        shelf: &(impl Shelf + ?Sized),
        number: u32,
        key: Option<&AuditKey>,
        head: Option<&Seen>,
    ) -> io::Result<Self> {
        let ours = Chain::new(key).name();
        let (mut reading, mut open) = (Self::default(), BTreeMap::new());
        let mut walk = None;
        for raw in shelf.lines(number)? {
            let raw = match raw? {
                Raw::Whole(raw) => raw,
                Raw::Torn(rest) => {
                    reading.torn = Some(Torn::of(&rest));
                    break;
                }
            };
            let walk = walk.get_or_insert_with(|| {
                let (walk, opened) = Walk::begin(&raw, None, key);
                reading.is_changed = opened.is_none();
                reading.is_rekeyed = opened.is_some_and(|opened| opened.chain != ours);
                walk
            });
            match walk.step(&raw) {
                Ok(line) => follow(&mut open, &line.event, line.at),
                Err(_) => reading.is_changed = true,
            }
            if let (Some(head), Some(link)) = (head.filter(|_| walk.has_chain()), walk.last()) {
                reading.is_changed |= head.link.seq == link.seq && head.link != link;
            }
            reading.link = walk.last();
            reading.last = Some(raw);
        }
        reading.unfinished = open.into_values().collect();
        Ok(reading)
    }
}

impl Torn {
    pub(super) fn of(rest: &[u8]) -> Self {
        Self { bytes: rest.len() as u64, sha256: Hash::plain(rest) }
    }
}

/// Keeps account of what has begun and not ended.
pub(super) fn follow(open: &mut BTreeMap<String, Unfinished>, event: &Event, at: jiff::Timestamp) {
    match event {
        Event::Opened(opened) => {
            open.extend(opened.open.iter().map(|unfinished| (unfinished.id.clone(), unfinished.clone())));
        }
        // What it names was given up: nobody is left to end it.
        Event::Started(_) => open.clear(),
        Event::Begun(request) => {
            let unfinished =
                Unfinished { id: request.id.clone(), operation: request.operation.clone(), begun: at };
            open.insert(request.id.clone(), unfinished);
        }
        Event::Ended(ended) => {
            open.remove(&ended.id);
        }
        Event::Refused(_)
        | Event::Suppressed { .. }
        | Event::Gap(_)
        | Event::Pruned { .. }
        | Event::Stopped => {}
    }
}
