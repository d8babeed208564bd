//! The log in words: a line for each.

use std::{fmt::Write as _, io, path::Path};

use serde_json::{Map, Value};

use crate::audit::{
    line::{Ended, Event, Line, Refused, Request},
    shelf::Shelf,
    verify::VerifyError,
    walk::Raw,
};

/// Shows every line that can be read, without judging any.
///
/// # Errors
/// When there is no log, or it cannot be read.
pub fn show(directory: &Path, each: impl FnMut(&str)) -> Result<(), VerifyError> {
    let nothing = || VerifyError::Nothing { directory: directory.to_owned() };
    match lines(directory, each) {
        Ok(true) => Ok(()),
        Ok(false) => Err(nothing()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(nothing()),
        Err(source) => Err(VerifyError::Io { directory: directory.to_owned(), source }),
    }
}

/// The same of a log wherever it lies; false where there is none.
pub(super) fn lines(shelf: &(impl Shelf + ?Sized), mut each: impl FnMut(&str)) -> io::Result<bool> {
    let numbers = shelf.numbers()?;
    for &number in &numbers {
        for raw in shelf.lines(number)? {
            let line = match raw? {
                Raw::Whole(raw) => Line::read(&raw),
                Raw::Torn(_) => None,
            };
            let shown = line.map_or_else(|| "(a line that cannot be read)".to_owned(), |line| words(&line));
            each(&printable(&shown));
        }
    }
    Ok(!numbers.is_empty())
}

/// Text that moves no cursor.
pub fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control() || !(c.is_ascii() || c.is_alphanumeric() || c == '…'), "?")
}

fn words(line: &Line) -> String {
    let Line { seq, at, event, .. } = line;
    let event = match event {
        Event::Opened(_) => "a file begins".to_owned(),
        Event::Started(started) => {
            let left = started.unfinished.len();
            format!(
                "started {} ({}); {left} requests before it have no end",
                started.version, started.environment
            )
        }
        Event::Begun(request) => format!("begun    {}", asked(request)),
        Event::Ended(Ended { id, outcome, how, status, upstream, took_us, .. }) => {
            let status = status.map(|status| status.to_string()).unwrap_or_default();
            let detail = if how == outcome { String::new() } else { format!(" ({how})") };
            let millis = took_us / 1000;
            format!("ended    {id} {outcome}{detail} {status} in {millis} ms{}", pairs(upstream))
        }
        Event::Refused(Refused { request, how, .. }) => format!("refused  {} ({how})", asked(request)),
        Event::Suppressed { refused } => format!("refused  {refused} more"),
        Event::Gap(gap) => {
            format!("gap      since {} ({}): {} lines late, {} lost", gap.since, gap.why, gap.late, gap.lost)
        }
        Event::Pruned { file, .. } => format!("removed  {file}"),
        Event::Stopped => "stopped".to_owned(),
    };
    format!("{seq:>6} {at:.3} {event}")
}

fn asked(request: &Request) -> String {
    let Request { id, caller, operation, path, fields, .. } = request;
    let operation = if operation == crate::tradovate::endpoints::OTHER { path } else { operation };
    format!("{id} {operation} by {caller}{}", pairs(fields))
}

fn pairs(fields: &Map<String, Value>) -> String {
    fields.iter().fold(String::new(), |mut out, (name, value)| {
        // Writing to a String cannot fail.
        let _ = match value.as_str() {
            Some(text) => write!(out, " {name}={text}"),
            None => write!(out, " {name}={value}"),
        };
        out
    })
}
