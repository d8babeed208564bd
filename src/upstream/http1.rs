//! One HTTP/1.1 connection to upstream, and one exchange on it.

use std::{
    fmt,
    future::poll_fn,
    io, mem,
    ops::Range,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf},
    time::Instant,
};

use crate::{
    clock::Alarm,
    http1::{BadResponse, BodyDecoder, Fields, Framing, HeadScanner, ResponseHead, Scanned},
    hygiene::Encoded,
    upstream::{Failure, Sent, Timeouts, UpstreamError, connect::Stream},
};

/// A connection, and what has been read from it.
pub(super) struct Http1 {
    stream: Stream,
    /// Bounds every wait for upstream.
    alarm: Alarm,
    opened_at: Instant,
    /// Bytes read; those before `start` are done with. A head stays where it is until the exchange ends, since
    /// `head` points into it.
    inbox: Vec<u8>,
    start: usize,
    /// Where in it the piece of the body is that was taken last.
    data: Range<usize>,
    head_len: usize,
    head: ResponseHead,
    decoder: BodyDecoder,
    /// Whether the request under way is a HEAD.
    to_head: bool,
    /// Whether a head, if only an interim one, has answered it.
    has_answered: bool,
    /// Whether it could not be written whole: what upstream takes for the next request is then not ours to say.
    is_torn: bool,
}

/// Bytes in it may be credentials or somebody's account.
impl fmt::Debug for Http1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Http1 {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            alarm: Alarm::default(),
            opened_at: Instant::now(),
            inbox: Vec::new(),
            start: 0,
            data: 0..0,
            head_len: 0,
            head: ResponseHead::default(),
            decoder: BodyDecoder::of_response(Framing::Empty),
            to_head: false,
            has_answered: false,
            is_torn: false,
        }
    }

    /// One on which a request has been sent.
    #[cfg(any(test, fuzzing))]
    pub(super) fn awaiting(stream: Stream, to_head: bool) -> Self {
        Self { to_head, ..Self::new(stream) }
    }

    pub(super) fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// Whether an idle connection can still carry a request: open, and silent. Bytes that nobody asked for
    /// would be taken for the answer to the next request.
    pub(super) async fn is_fresh(&mut self) -> bool {
        // Where the kernel has something, it may be no content: see below.
        self.stream.is_silent()
            || poll_fn(|cx| Poll::Ready(self.poll_noise(cx).is_pending() && self.stream.is_silent())).await
    }

    /// Ready once an idle connection has an end, an error or a byte that nobody asked for, as far as the runtime has
    /// been told.
    pub(super) fn poll_noise(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        // A read, so that TLS takes in what is no content (RFC 8446 §4.6: a ticket for the next session).
        Pin::new(&mut self.stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).map(drop)
    }

    /// Writes the request whole; its answer will be read into `inbox`. Not cancel safe.
    pub(super) async fn send(
        &mut self,
        request: &Encoded<'_>,
        inbox: Vec<u8>,
        timeouts: &Timeouts,
    ) -> Result<(), Failure> {
        let before = self.stream.written();
        self.to_head = request.method() == "HEAD";
        self.has_answered = false;
        self.inbox = inbox;
        self.inbox.clear();
        self.start = 0;
        self.data = 0..0;
        let written = {
            let write = pin!(write(&mut self.stream, request));
            self.alarm.within(timeouts.response_head, write).await
        };
        let error = match written {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => UpstreamError::Write(error),
            Err(_) => UpstreamError::WriteTimeout,
        };
        self.is_torn = true;
        let sent = if self.stream.written() == before { Sent::No } else { Sent::Maybe };
        Err(Failure { error, sent })
    }

    /// Reads the next head: an interim one, or the answer itself. Not cancel safe.
    pub(super) async fn read_head(&mut self, limit: usize, deadline: Instant) -> Result<(), UpstreamError> {
        // What an interim head left behind starts the next one.
        self.inbox.drain(..self.start);
        self.start = 0;
        if self.inbox.is_empty() {
            self.fill_head(deadline).await?;
        }
        // Most heads come whole.
        let at_once = self.head.read_at_once(&self.inbox, self.to_head).filter(|&len| len <= limit);
        self.head_len = if let Some(len) = at_once {
            len
        } else {
            let len = self.search_head(limit, deadline).await?;
            self.head.read(&self.inbox[..len], self.to_head)?;
            len
        };
        self.has_answered = true;
        self.start = self.head_len;
        self.decoder = BodyDecoder::of_response(self.head.framing());
        Ok(())
    }

    /// Reads until a head is here whole, and says how long it is.
    async fn search_head(&mut self, limit: usize, deadline: Instant) -> Result<usize, UpstreamError> {
        let mut scanner = HeadScanner::default();
        loop {
            match scanner.scan(&self.inbox) {
                Scanned::Complete(len) if len <= limit => return Ok(len),
                Scanned::Partial if self.inbox.len() < limit => {}
                Scanned::Complete(_) | Scanned::Partial => return Err(BadResponse::HeadTooLong.into()),
                Scanned::BareLf => return Err(BadResponse::Malformed.into()),
            }
            self.fill_head(deadline).await?;
        }
    }

    /// Reads more of a head.
    async fn fill_head(&mut self, deadline: Instant) -> Result<(), UpstreamError> {
        let began = self.has_answered || !self.inbox.is_empty();
        let read = self.alarm.until(deadline, pin!(fill(&mut self.stream, &mut self.inbox))).await;
        match read.map_err(|_| UpstreamError::HeadTimeout)? {
            // A reset before a byte of the answer means the same as a close.
            Ok(0) | Err(_) if !began => Err(UpstreamError::ClosedEarly),
            Ok(0) => Err(UpstreamError::Truncated),
            Ok(_) => Ok(()),
            Err(error) => Err(UpstreamError::Read(error)),
        }
    }

    pub(super) fn head(&self) -> &ResponseHead {
        &self.head
    }

    pub(super) fn reason(&self) -> &[u8] {
        self.head.reason(&self.inbox[..self.head_len])
    }

    pub(super) fn fields(&self) -> Fields<'_> {
        self.head.fields(&self.inbox[..self.head_len])
    }

    /// The head that was read last, as it came.
    pub(super) fn head_bytes(&self) -> &[u8] {
        &self.inbox[..self.head_len]
    }

    /// The piece of the body that was taken last.
    pub(super) fn data(&self) -> &[u8] {
        &self.inbox[self.data.clone()]
    }

    /// Takes the next piece of the body, if it has not ended. Not cancel safe.
    pub(super) async fn take_data(&mut self, timeouts: &Timeouts) -> Result<bool, UpstreamError> {
        loop {
            if self.take_data_at_hand()? {
                return Ok(true);
            }
            if self.decoder.is_done() {
                return Ok(false);
            }
            // Everything read so far is consumed, the head too: by now it has been passed on.
            self.inbox.clear();
            self.start = 0;
            self.data = 0..0;
            self.head_len = 0;
            if self.fill(timeouts).await? == 0 {
                let proper = self.decoder.may_end_with_connection();
                return if proper { Ok(false) } else { Err(UpstreamError::Truncated) };
            }
        }
    }

    /// The first piece of the body, all of it if it is `whole` bytes long. Takes nothing. Not cancel safe.
    pub(super) async fn peek(
        &mut self,
        whole: Option<usize>,
        timeouts: &Timeouts,
    ) -> Result<&[u8], UpstreamError> {
        while let Some(whole) = whole
            && self.inbox.len() - self.start < whole
        {
            if self.fill(timeouts).await? == 0 {
                return Err(UpstreamError::Truncated);
            }
        }
        let rest = &self.inbox[self.start..];
        let step = self.decoder.clone().step(rest).map_err(|_| BadResponse::Chunk)?;
        Ok(&rest[step.skip..step.skip + step.take])
    }

    /// Takes the framing off what has been read already, such as came along with the head; whether there is any data.
    pub(super) fn take_data_at_hand(&mut self) -> Result<bool, UpstreamError> {
        let step = self.decoder.step(&self.inbox[self.start..]).map_err(|_| BadResponse::Chunk)?;
        self.data = self.start + step.skip..self.start + step.skip + step.take;
        self.start = self.data.end;
        Ok(!self.data.is_empty())
    }

    /// Whether the body has ended already without a byte, as far as what has been read tells. Takes nothing.
    pub(super) fn has_ended_empty(&self) -> bool {
        let mut ahead = self.decoder.clone();
        ahead.step(&self.inbox[self.start..]).is_ok_and(|step| step.take == 0) && ahead.is_done()
    }

    /// Whether the body has been taken to its end.
    pub(super) fn has_ended(&self) -> bool {
        self.decoder.is_done()
    }

    pub(super) fn trailers(&self) -> &[u8] {
        self.decoder.trailers()
    }

    /// Whether another request may follow on this connection: the answer ended where it said, the connection
    /// persists, and nothing came behind it.
    pub(super) fn is_reusable(&self) -> bool {
        !self.is_torn && self.decoder.is_done() && self.head.keep_alive() && self.start == self.inbox.len()
    }

    /// Gives up the memory that answers are read into, before the connection waits.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.start = 0;
        self.data = 0..0;
        self.head_len = 0;
        mem::take(&mut self.inbox)
    }

    /// Reads more of a body.
    async fn fill(&mut self, timeouts: &Timeouts) -> Result<usize, UpstreamError> {
        let read = self.alarm.within(timeouts.body_idle, pin!(fill(&mut self.stream, &mut self.inbox))).await;
        read.map_err(|_| UpstreamError::BodyTimeout)?.map_err(UpstreamError::Read)
    }
}

async fn write(stream: &mut Stream, request: &Encoded<'_>) -> io::Result<()> {
    for part in request.parts() {
        stream.write_all(part).await?;
    }
    stream.flush().await
}

async fn fill(stream: &mut Stream, inbox: &mut Vec<u8>) -> io::Result<usize> {
    if inbox.capacity() - inbox.len() < LEAST_READ {
        inbox.reserve(READ);
    }
    stream.read_buf(inbox).await
}

/// Most answers fit, and the largest record of TLS (RFC 8446 §5.2) with a head before it. It is also what a slow reader
/// can hold up in memory.
const READ: usize = 20 * 1024;
/// What there must be room for.
const LEAST_READ: usize = 2 * 1024;
