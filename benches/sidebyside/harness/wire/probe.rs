//! One request on a connection of its own, its answer looked at closely.

use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use memchr::memmem;

use crate::harness::wire::{
    answer::Head,
    stream::{Stream, Target},
};

/// A status and a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends `request` and reads to the end of the answer. That to a `HEAD` has no body, whatever its length says.
pub(crate) fn ask(target: &Target, request: &[u8]) -> anyhow::Result<Answer> {
    let mut stream = Stream::connect(target).with_context(|| format!("nobody answers at {target}"))?;
    if let Stream::Tcp(stream) = &stream {
        stream.set_read_timeout(Some(PATIENCE))?;
    }
    ask_on(&mut stream, request)
}

/// The same on a connection that carries more than one.
pub(crate) fn ask_on(stream: &mut Stream, request: &[u8]) -> anyhow::Result<Answer> {
    stream.write_all(request)?;
    let (mut received, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
    let mut read = |received: &mut Vec<u8>| -> anyhow::Result<()> {
        let read = stream.read(&mut chunk).context("the answer does not come")?;
        ensure!(read > 0, "the connection ended early, after {:?}", String::from_utf8_lossy(received));
        received.extend_from_slice(&chunk[..read]);
        Ok(())
    };
    let end = loop {
        match memmem::find(&received, b"\r\n\r\n") {
            Some(end) => break end,
            None => read(&mut received)?,
        }
    };
    let head = Head::parse(&received[..end])?;
    let length = if request.starts_with(b"HEAD ") { 0 } else { head.length };
    while received.len() < end + 4 + length {
        read(&mut received)?;
    }
    Ok(Answer { status: head.status, body: received.split_off(end + 4) })
}

const PATIENCE: Duration = Duration::from_secs(5);
