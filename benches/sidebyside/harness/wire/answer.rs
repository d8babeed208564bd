//! Finding the end of an answer, as cheaply as a generator of load should.

use anyhow::{Context as _, ensure};
use memchr::memmem;

/// An answer that comes in pieces; one at a time, since nothing is pipelined.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// The beginning of a head whose end has not come.
    head: Vec<u8>,
    /// What is missing of the body once the head is there.
    missing: usize,
}

impl Pending {
    /// Takes the next bytes; whether the answer is now whole. Anything but a 200 with a body of `length` bytes is
    /// an error.
    pub(crate) fn take(&mut self, bytes: &[u8], length: usize) -> anyhow::Result<bool> {
        let body = if self.missing > 0 {
            bytes.len()
        } else {
            let whole = if self.head.is_empty() {
                bytes
            } else {
                self.head.extend_from_slice(bytes);
                &self.head
            };
            let Some(end) = memmem::find(whole, b"\r\n\r\n") else {
                if self.head.is_empty() {
                    self.head.extend_from_slice(bytes);
                }
                return Ok(false);
            };
            let head = Head::parse(&whole[..end])?;
            ensure!(head.status == 200, "an answer was {} instead of 200", head.status);
            ensure!(head.length == length, "a body was {} bytes long instead of {length}", head.length);
            let body = whole.len() - end - 4;
            self.head.clear();
            self.missing = length;
            body
        };
        ensure!(body <= self.missing, "more came than was asked for");
        self.missing -= body;
        Ok(self.missing == 0)
    }
}

/// What matters of a response head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) length: usize,
}

impl Head {
    /// Reads a head without the empty line at its end.
    pub(crate) fn parse(head: &[u8]) -> anyhow::Result<Self> {
        let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| number(rest.get(..3)?));
        let status = status.context("an answer does not begin with an HTTP/1.1 status")?;
        let length = head.split(|byte| *byte == b'\n').find_map(|line| {
            let (name, value) = line.split_at_checked(LENGTH.len())?;
            name.eq_ignore_ascii_case(LENGTH).then(|| number(value.trim_ascii()))
        });
        let length = length.flatten().context("an answer has no Content-Length")?;
        Ok(Self { status: u16::try_from(status)?, length })
    }
}

fn number(text: &[u8]) -> Option<usize> {
    str::from_utf8(text).ok()?.parse().ok()
}

const LENGTH: &[u8] = b"content-length:";
