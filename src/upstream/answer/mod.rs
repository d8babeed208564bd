//! An answer from upstream, whichever protocol it came by.

use std::sync::Arc;

use http::{
    StatusCode,
    header::{LOCATION, RETRY_AFTER},
};
use tokio::time::Instant;

use crate::{
    bearer::Bearer,
    http1::{BadResponse, Field, Framing},
    hygiene::{
        EchoFilter,
        names::{crosses_downstream, may_be_answered, may_be_trailed},
    },
    origin::Origin,
    upstream::{Failure, Upstream, UpstreamError, http1::Http1, http2::Http2Answer, metrics::Counted},
};

/// An answer under way: first its [head](Self::head), then its body piece by piece, then
/// [finish](Self::finish). Dropped before that, its connection is closed.
#[derive(Debug)]
pub struct Answer {
    upstream: Upstream,
    origin: Arc<Origin>,
    transport: Transport,
    interim: u8,
    /// When the final head must have come; interim ones do not put it off.
    deadline: Instant,
    /// Whether the head that was read last is the answer's own.
    has_head: bool,
    /// HTTP/2 counts the connection, which is not this exchange's alone.
    counted: Option<Counted>,
    /// What keeps our token from coming back.
    echo: EchoFilter,
}

#[derive(Debug)]
enum Transport {
    Http1(Box<Http1>),
    Http2(Box<Http2Answer>),
}

impl Transport {
    /// The piece of the body that was taken last.
    fn data(&self) -> &[u8] {
        match self {
            Self::Http1(connection) => connection.data(),
            Self::Http2(answer) => answer.data(),
        }
    }
}

/// What kind of head has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// A 1xx that the caller is owed (RFC 9110 §15.2); another head follows.
    Interim,
    /// The answer's own.
    Final,
}

/// How long the body is, as far as its head tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// No body follows; the head may still name the length that a GET would have had.
    Bodiless(Option<u64>),
    /// So many bytes.
    Known(u64),
    /// The end will show.
    Unknown,
}

impl Answer {
    pub(super) fn awaited(
        upstream: Upstream,
        origin: Arc<Origin>,
        connection: Box<Http1>,
        counted: Counted,
        bearer: Bearer,
    ) -> Self {
        let echo = EchoFilter::new(bearer);
        let deadline = Instant::now() + upstream.timeouts().response_head;
        let (transport, counted) = (Transport::Http1(connection), Some(counted));
        Self { upstream, origin, transport, interim: 0, deadline, has_head: false, counted, echo }
    }

    pub(super) fn http2(
        upstream: Upstream,
        origin: Arc<Origin>,
        answer: Http2Answer,
        bearer: Bearer,
    ) -> Self {
        let echo = EchoFilter::new(bearer);
        let transport = Transport::Http2(Box::new(answer));
        let deadline = Instant::now();
        Self { upstream, origin, transport, interim: 0, deadline, has_head: true, counted: None, echo }
    }

    /// Waits for the next head; once the final one has been read, returns at once. Not cancel safe.
    ///
    /// # Errors
    /// When none comes, or what comes is no answer. The request has been sent.
    pub async fn head(&mut self) -> Result<Head, Failure> {
        while !self.has_head {
            // HTTP/2 answers come with their head; hyper takes care of interim ones.
            let Transport::Http1(connection) = &mut self.transport else { break };
            connection
                .read_head(self.upstream.head_limit(), self.deadline)
                .await
                .map_err(UpstreamError::maybe_sent)?;
            self.echo
                .check(connection.head_bytes())
                .map_err(|echoed| UpstreamError::from(echoed).maybe_sent())?;
            let status = connection.head().status();
            if !status.is_informational() {
                self.has_head = true;
                break;
            }
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(UpstreamError::from(BadResponse::UnaskedUpgrade).maybe_sent());
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(UpstreamError::from(BadResponse::TooManyInterim).maybe_sent());
            }
            // 100 would answer an `Expect` that we never send: the body goes along with the head.
            if status != StatusCode::CONTINUE {
                return Ok(Head::Interim);
            }
        }
        if let Transport::Http2(answer) = &self.transport {
            for value in answer.response.headers().values() {
                self.echo
                    .check(value.as_bytes())
                    .map_err(|echoed| UpstreamError::from(echoed).maybe_sent())?;
            }
        }
        Ok(Head::Final)
    }

    /// The status of the head that was read last.
    pub fn status(&self) -> StatusCode {
        match &self.transport {
            Transport::Http1(connection) => connection.head().status(),
            Transport::Http2(answer) => answer.response.status(),
        }
    }

    /// Its reason phrase, as upstream worded it; HTTP/2 has none, so the usual one.
    pub fn reason(&self) -> &[u8] {
        match &self.transport {
            Transport::Http1(connection) => connection.reason(),
            Transport::Http2(_) => self.status().canonical_reason().unwrap_or_default().as_bytes(),
        }
    }

    /// Shows every field that may cross to the caller, in the order they came.
    pub fn for_each_field(&self, mut show: impl FnMut(Field<'_>)) {
        match &self.transport {
            Transport::Http1(connection) => {
                let fields = connection.fields();
                for field in fields.lines().filter(|field| crosses_downstream(field.name, &fields)) {
                    show(field);
                }
            }
            Transport::Http2(answer) => {
                for (name, value) in answer.response.headers() {
                    if may_be_answered(name.as_ref()) {
                        show(Field::new(name.as_ref(), value.as_bytes()));
                    }
                }
            }
        }
    }

    /// How long its body is.
    pub fn length(&self) -> Length {
        match &self.transport {
            Transport::Http1(connection) => match connection.head().framing() {
                Framing::Empty => Length::Bodiless(connection.head().content_length()),
                Framing::Length(length) => Length::Known(length),
                Framing::Chunked | Framing::UntilClose => Length::Unknown,
            },
            Transport::Http2(answer) => answer.length(),
        }
    }

    /// Whether it says nothing beyond its head: no body, nor, to a HEAD, the length of one. One whose end has still
    /// to show counts as saying something.
    pub fn is_wordless(&self) -> bool {
        match (self.length(), &self.transport) {
            (Length::Bodiless(length), _) => length.is_none_or(|length| length == 0),
            (Length::Known(length), _) => length == 0,
            (Length::Unknown, Transport::Http1(connection)) => connection.has_ended_empty(),
            (Length::Unknown, Transport::Http2(_)) => false,
        }
    }

    /// Where a redirect leads (RFC 9110 §10.2.2), if its head says so once and legibly.
    pub fn location(&self) -> Option<&str> {
        let value = match &self.transport {
            Transport::Http1(connection) => connection.fields().only("location"),
            Transport::Http2(answer) => {
                let mut values = answer.response.headers().get_all(LOCATION).iter();
                values.next().filter(|_| values.next().is_none()).map(http::HeaderValue::as_bytes)
            }
        };
        value.and_then(|value| str::from_utf8(value).ok())
    }

    /// Seconds to wait before another request (RFC 9110 §10.2.3), if its head says so once, and as a number.
    pub fn retry_after(&self) -> Option<u64> {
        let value = match &self.transport {
            Transport::Http1(connection) => connection.fields().only("retry-after"),
            Transport::Http2(answer) => {
                answer.response.headers().get(RETRY_AFTER).map(http::HeaderValue::as_bytes)
            }
        };
        str::from_utf8(value?).ok()?.trim().parse().ok()
    }

    /// The first piece of the body, which stays to be passed on: a look at what a short answer says. One of up to
    /// `limit` bytes is waited for until it is whole; of one whose length is not known there is what came with its
    /// head. Not cancel safe.
    ///
    /// # Errors
    /// When it stalls, breaks, or ends before it is complete.
    pub async fn peek(&mut self, limit: usize) -> Result<&[u8], UpstreamError> {
        let whole = match self.length() {
            Length::Known(length) => usize::try_from(length).ok().filter(|&length| length <= limit),
            Length::Unknown => None,
            Length::Bodiless(_) => return Ok(&[]),
        };
        let timeouts = self.upstream.timeouts();
        match &mut self.transport {
            Transport::Http1(connection) => connection.peek(whole, timeouts).await,
            Transport::Http2(answer) => answer.peek(whole, timeouts).await,
        }
    }

    /// Whether nothing more of its body is to come, as far as what was read tells.
    pub fn has_ended(&self) -> bool {
        match &self.transport {
            Transport::Http1(connection) => connection.has_ended() && !self.echo.holds_back(),
            Transport::Http2(_) => matches!(self.length(), Length::Bodiless(_)),
        }
    }

    /// The piece of the body that is here already, so that it can be passed on together with the head.
    ///
    /// # Errors
    /// When the body's framing is broken, or our token is in it.
    pub fn data_at_hand(&mut self) -> Result<Option<&[u8]>, UpstreamError> {
        let is_here = match &mut self.transport {
            Transport::Http1(connection) => connection.take_data_at_hand()?,
            Transport::Http2(answer) => answer.take_data_at_hand(),
        };
        if !is_here {
            return Ok(None);
        }
        let cleared = self.echo.admit(self.transport.data())?;
        let data = self.echo.cleared(cleared, self.transport.data());
        Ok((!data.is_empty()).then_some(data))
    }

    /// The next piece of the body, or `None` at its proper end. Not cancel safe.
    ///
    /// # Errors
    /// When it stalls, breaks, ends before it is complete, or holds our token.
    pub async fn next_data(&mut self) -> Result<Option<&[u8]>, UpstreamError> {
        let timeouts = self.upstream.timeouts();
        loop {
            let has_more = match &mut self.transport {
                Transport::Http1(connection) => connection.take_data(timeouts).await?,
                Transport::Http2(answer) => answer.take_data(timeouts).await?,
            };
            if !has_more {
                self.check_trailers()?;
                return Ok(self.echo.rest());
            }
            let cleared = self.echo.admit(self.transport.data())?;
            if !cleared.is_empty() {
                return Ok(Some(self.echo.cleared(cleared, self.transport.data())));
            }
        }
    }

    fn check_trailers(&self) -> Result<(), UpstreamError> {
        match &self.transport {
            Transport::Http1(connection) => self.echo.check(connection.trailers())?,
            Transport::Http2(answer) => {
                for value in answer.trailers().into_iter().flat_map(http::HeaderMap::values) {
                    self.echo.check(value.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    /// Shows every trailer field that may cross, once the body has ended.
    pub fn for_each_trailer(&self, mut show: impl FnMut(&[u8], &[u8])) {
        match &self.transport {
            Transport::Http1(connection) => {
                for line in connection.trailers().split(|&byte| byte == b'\n') {
                    if let Some((name, value)) = trailer(line) {
                        show(name, value);
                    }
                }
            }
            Transport::Http2(answer) => {
                for (name, value) in answer.trailers().into_iter().flatten() {
                    if may_be_trailed(name.as_ref()) {
                        show(name.as_ref(), value.as_bytes());
                    }
                }
            }
        }
    }

    /// Ends the exchange: the connection waits for another if it can, and is closed if not.
    pub fn finish(self) {
        let Self { upstream, origin, transport, counted, .. } = self;
        drop(counted);
        match transport {
            Transport::Http1(connection) if connection.is_reusable() => {
                upstream.put_back(&origin, connection);
            }
            Transport::Http1(_) | Transport::Http2(_) => {}
        }
    }
}

/// A trailer line that is well formed and may cross (RFC 9110 §6.5.1: the rest is discarded).
fn trailer(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\r")?;
    let (name, value) = line.split_at_checked(line.iter().position(|&byte| byte == b':')?)?;
    let value = value[1..].trim_ascii();
    let clean = http::HeaderName::from_bytes(name).is_ok() && http::HeaderValue::from_bytes(value).is_ok();
    (clean && may_be_trailed(name)).then_some((name, value))
}

/// Interim answers before the final one; a server that sends more is not going to send that.
const MAX_INTERIM: u8 = 32;

#[cfg(test)]
mod tests;
