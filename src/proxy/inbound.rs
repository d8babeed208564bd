//! Reading one request whole, within bounds of size and time.

use std::io;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    downstream::Stream,
    http1::{BadRequest, BodyDecoder, Framing, HeadScanner, RequestHead, Scanned},
    proxy::{
        Buffered, Limits, ProxyError, Timeouts,
        buffered::{FREE, Share},
        error::Slow,
    },
};

/// What arrives on one connection.
#[derive(Default)]
pub(super) struct Inbound {
    /// Bytes read and not yet taken: of this request, and of those sent behind it without waiting.
    inbox: Vec<u8>,
    body: Vec<u8>,
    /// What `body` takes of the memory that all may take together.
    share: Share,
    progress: Progress,
}

/// How much of the current request has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Progress {
    #[default]
    Nothing,
    Head,
    Whole,
}

/// A request head beside the bytes it points into.
#[derive(Default)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) read: RequestHead,
}

/// Why a request goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The caller is to be told.
    Error(ProxyError),
    /// There is nobody to tell.
    Gone,
}

impl<E: Into<ProxyError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Inbound {
    /// Waits for the first bytes of a request, unless they came behind the last one; `false` if the caller
    /// leaves instead. Cancel safe.
    pub(super) async fn begin(&mut self, stream: &mut Stream) -> bool {
        while self.inbox.is_empty() {
            if stream.readable().await.is_err() {
                return false;
            }
            // Not `try_read_buf`: that leaves the socket marked readable, so that the wait for the next request
            // would begin with a read in vain.
            if !matches!(fill(stream, &mut self.inbox).await, Ok(1..)) {
                return false;
            }
            self.skip_empty_lines();
        }
        true
    }

    /// Whether bytes of the next request are here.
    pub(super) fn has_begun(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Whether the current request's head has been read.
    pub(super) fn has_head(&self) -> bool {
        self.progress != Progress::Nothing
    }

    /// Whether the current request has been read to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.progress == Progress::Whole
    }

    /// RFC 9112 §2.2: old clients end a body with a line end that belongs to nothing. However many there are, and however
    /// they are cut into packets, they are nothing. Returns whether there were any.
    fn skip_empty_lines(&mut self) -> bool {
        let before = self.inbox.len();
        while self.inbox.starts_with(b"\r\n") {
            self.inbox.drain(..2);
        }
        self.inbox.len() < before
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Reads a head. Not cancel safe.
    pub(super) async fn read_head(
        &mut self,
        stream: &mut Stream,
        head: &mut Head,
        limits: &Limits,
        timeouts: &Timeouts,
    ) -> Result<(), Stop> {
        self.body.clear();
        self.progress = Progress::Nothing;
        // Most heads come whole.
        if let Some(len) = head.read.read_at_once(&self.inbox).filter(|&len| len <= limits.head_bytes) {
            self.take_head(head, len);
            self.has_read(head);
            return Ok(());
        }
        let deadline = Instant::now() + timeouts.head;
        let mut scanner = HeadScanner::default();
        head.bytes.clear();
        loop {
            if scanner.in_first_line() && self.skip_empty_lines() {
                scanner = HeadScanner::default();
            }
            match scanner.scan(&self.inbox) {
                Scanned::Complete(len) if len <= limits.head_bytes => {
                    self.take_head(head, len);
                    head.read.read(&head.bytes)?;
                    self.has_read(head);
                    return Ok(());
                }
                Scanned::Partial if self.inbox.len() < limits.head_bytes => {}
                Scanned::Complete(_) | Scanned::Partial => {
                    // More than the limit may have come at once: by where the first line ends, not by how far it was read.
                    let line_fits = self.inbox[..limits.head_bytes].contains(&b'\n');
                    let error = if line_fits { BadRequest::HeadTooLong } else { BadRequest::TargetTooLong };
                    return Err(error.into());
                }
                Scanned::BareLf => return Err(BadRequest::BareLf.into()),
            }
            match timeout_at(deadline, fill(stream, &mut self.inbox)).await {
                Ok(Ok(0) | Err(_)) => return Err(Stop::Gone),
                Ok(Ok(_)) => {}
                Err(_) => return Err(ProxyError::SlowRequest(Slow::Head(timeouts.head)).into()),
            }
        }
    }

    /// Moves the head's bytes to where what is read of it points.
    fn take_head(&mut self, head: &mut Head, len: usize) {
        head.bytes.clear();
        head.bytes.extend_from_slice(&self.inbox[..len]);
        self.inbox.drain(..len);
    }

    fn has_read(&mut self, head: &Head) {
        let is_whole = head.read.framing() == Framing::Empty;
        self.progress = if is_whole { Progress::Whole } else { Progress::Head };
    }

    /// Reads the body that the head announced, whole, so that upstream never sees half a request and is never
    /// blamed for a caller's broken one. Not cancel safe.
    pub(super) async fn read_body(
        &mut self,
        stream: &mut Stream,
        head: &Head,
        limits: &Limits,
        buffered: &Buffered,
        timeouts: &Timeouts,
    ) -> Result<(), Stop> {
        let limit = limits.body_bytes;
        let framing = head.read.framing();
        // How much may come, as far as can be known now.
        let mut most = limit;
        if let Framing::Length(length) = framing {
            let length = usize::try_from(length).ok().filter(|&length| length <= limit);
            most = length.ok_or(ProxyError::BodyTooLarge { limit })?;
            if !buffered.has_room_for(most) {
                return Err(ProxyError::BuffersFull { limit: buffered.limit() }.into());
            }
        }
        // RFC 9110 §10.1.1: not needed once some of the body is here.
        if head.read.expects_continue() && framing != Framing::Empty && self.inbox.is_empty() {
            let go_on = async {
                stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                stream.flush().await
            };
            let told = timeout(timeouts.body_idle, go_on).await;
            told.map_err(|_| Stop::Gone)?.map_err(|_| Stop::Gone)?;
        }
        let mut decoder = BodyDecoder::new(framing);
        let mut pace = Pace::new(timeouts);
        while !decoder.is_done() {
            let step = decoder.step(&self.inbox).map_err(|_| BadRequest::Chunk)?;
            let data = &self.inbox[step.skip..step.skip + step.take];
            if self.body.len() + data.len() > limit {
                return Err(ProxyError::BodyTooLarge { limit }.into());
            }
            make_room(&mut self.body, &mut self.share, data.len(), most, buffered)?;
            self.body.extend_from_slice(data);
            self.inbox.drain(..step.skip + step.take);
            if step.skip + step.take > 0 {
                continue;
            }
            let (deadline, slow) = pace.next();
            match timeout_at(deadline, fill(stream, &mut self.inbox)).await {
                Ok(Ok(0)) => return Err(BadRequest::Incomplete.into()),
                Ok(Ok(_)) => {}
                Ok(Err(_)) => return Err(Stop::Gone),
                Err(_) => return Err(ProxyError::SlowRequest(slow).into()),
            }
        }
        self.progress = Progress::Whole;
        Ok(())
    }

    /// Gives back what a large body took, once it is not needed any more.
    pub(super) fn release_body(&mut self) {
        self.body.clear();
        self.body.shrink_to(FREE);
        self.share = Share::default();
    }

    /// Gives back what a large request took; what came behind it stays.
    pub(super) fn rest(&mut self) {
        self.release_body();
        self.progress = Progress::Nothing;
        self.inbox.shrink_to(KEPT);
    }
}

/// Until when the next byte of a body must come.
#[derive(Clone, Copy, Debug)]
struct Pace<'a> {
    timeouts: &'a Timeouts,
    /// Known from the first wait on: most bodies come along with their head, and nobody waits for them.
    end: Option<Instant>,
}

impl<'a> Pace<'a> {
    fn new(timeouts: &'a Timeouts) -> Self {
        Self { timeouts, end: None }
    }

    /// The sooner of two bounds, and which it is.
    fn next(&mut self) -> (Instant, Slow) {
        let Timeouts { body, body_idle, .. } = *self.timeouts;
        let now = Instant::now();
        let end = *self.end.get_or_insert_with(|| now + body);
        if now + body_idle < end {
            (now + body_idle, Slow::Pause(body_idle))
        } else {
            (end, Slow::Body(body))
        }
    }
}

/// Lets `body` grow by `more` bytes that are here: twofold, so that it is copied seldom, and never beyond the `most`
/// that may come. What was only announced takes no memory.
fn make_room(
    body: &mut Vec<u8>,
    share: &mut Share,
    more: usize,
    most: usize,
    buffered: &Buffered,
) -> Result<(), ProxyError> {
    let needed = body.len() + more;
    if needed <= body.capacity() {
        return Ok(());
    }
    let capacity = needed.max(2 * body.capacity()).max(FIRST).min(most.max(needed));
    share.cover(capacity, buffered).map_err(|_| ProxyError::BuffersFull { limit: buffered.limit() })?;
    body.reserve_exact(capacity - body.len());
    Ok(())
}

async fn fill(stream: &mut Stream, inbox: &mut Vec<u8>) -> io::Result<usize> {
    inbox.reserve(READ);
    stream.read_buf(inbox).await
}

const READ: usize = 2 * 1024;
/// Most bodies fit.
const FIRST: usize = 4 * 1024;
/// A buffer that grew beyond this is not kept.
const KEPT: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_byte_every_so_often_puts_off_one_bound_and_not_the_other() {
        let timeouts = Timeouts::default();
        let begun = Instant::now();
        let mut pace = Pace::new(&timeouts);
        for passed in [0, 29] {
            tokio::time::advance(Duration::from_secs(passed)).await;
            assert_eq!(pace.next(), (Instant::now() + timeouts.body_idle, Slow::Pause(timeouts.body_idle)));
        }
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(pace.next(), (begun + timeouts.body, Slow::Body(timeouts.body)));
    }

    #[test]
    fn room_is_made_for_what_is_here_and_not_for_what_is_announced() {
        let gauge = prometheus::IntGauge::new("taken", "taken").unwrap();
        let buffered = Buffered::new(1 << 20, gauge.clone());
        let (mut body, mut share) = (Vec::new(), Share::default());
        let most = 1 << 20;
        for _ in 0..1024 {
            make_room(&mut body, &mut share, 1024, most, &buffered).unwrap();
            body.extend_from_slice(&[b' '; 1024]);
            assert!(body.capacity() <= most.min(2 * body.len()).max(FIRST));
            assert_eq!(gauge.get(), i64::try_from(body.capacity().saturating_sub(FREE)).unwrap());
        }
    }
}
