//! Writing one answer: upstream's, streamed with back-pressure, or our own.

use std::{io, io::Write as _, pin::pin, time::Duration};

use http::StatusCode;
use tokio::io::AsyncWriteExt as _;

use crate::{
    audit::RequestId,
    clock::Alarm,
    downstream::Stream,
    http1::Version,
    idempotency::Kept,
    problem,
    proxy::{
        Draining,
        dates::Dates,
        error::{Problem, outcome_name},
        heading::Heading,
        keyed::Keeping,
    },
    tradovate::Penalty,
    upstream::{Answer, Length, UpstreamError},
};

/// How answers on one connection are written.
pub(super) struct Outbound<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) alarm: &'a mut Alarm,
    pub(super) buffer: &'a mut Vec<u8>,
    pub(super) version: Version,
    /// Whether the answer is to a HEAD request, which has none of its body.
    pub(super) to_head: bool,
    /// Whether the connection is to be used again, as far as the request goes.
    pub(super) keep_alive: bool,
    /// Whether the process ends: asked when the head is written, since it may begin while upstream works.
    pub(super) draining: &'a Draining,
    /// Whose answer it is, where it is ours: `demo`, `live` or `sandbox`.
    pub(super) environment: &'static str,
    /// How long the caller may take none of it.
    pub(super) patience: Duration,
    /// For what upstream has not dated.
    pub(super) dates: &'a Dates,
    /// What ordinary requests may still be sent, if there is a limit.
    pub(super) remaining: Option<u64>,
    /// What upstream's answer says in its body that its status does not.
    pub(super) penalty: Option<Penalty>,
    /// What the request is called, if it may change something.
    pub(super) request_id: Option<RequestId>,
    /// What became of its idempotency key.
    pub(super) keeping: Keeping,
    pub(super) is_broken: bool,
}

/// Who looks on while an answer is passed on.
pub(super) trait Watches {
    /// A piece of its body is about to be handed over.
    fn saw(&mut self, data: &[u8]);

    /// Its head, and what came with it, has been handed over: all of it, if it `is_whole`.
    fn is_passed_on(&mut self, is_whole: bool);
}

/// Why an answer could not be written whole.
#[derive(Debug)]
pub(super) enum Cut {
    /// The caller took no more of it.
    Caller,
    /// Upstream did not deliver what its head promised, and nothing of it has been written.
    Unbegun(UpstreamError),
    /// Upstream did not deliver it.
    Upstream(UpstreamError),
}

/// How the end of the body will be known to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimited {
    Length,
    Chunks,
    Close,
}

impl Outbound<'_> {
    /// Passes an interim answer on, to callers that can know such (RFC 9110 §15.2).
    pub(super) async fn interim(&mut self, answer: &Answer) -> Result<(), Cut> {
        if self.version == Version::Http10 {
            return Ok(());
        }
        self.buffer.clear();
        self.status_line(answer.status().as_u16(), answer.reason());
        answer.for_each_field(|field| field.write(self.buffer));
        self.buffer.extend_from_slice(b"\r\n");
        self.flush().await
    }

    /// Passes upstream's answer on, before the eyes of `observation`. Returns whether the connection can be used
    /// again.
    pub(super) async fn answer(
        &mut self,
        answer: &mut Answer,
        observation: &mut impl Watches,
    ) -> Result<bool, Cut> {
        let (delimited, keep_alive) = self.delimited(answer.length());
        self.head_of(answer, answer.length(), delimited, keep_alive);
        let at_hand = answer.data_at_hand().map_err(Cut::Unbegun)?;
        if let Some(data) = at_hand {
            observation.saw(data);
            piece(self.buffer, delimited, data);
        }
        self.flush().await?;
        let is_whole = delimited == Delimited::Length && answer.has_ended();
        observation.is_passed_on(is_whole);
        if !is_whole {
            self.rest(answer, delimited, observation).await?;
        }
        Ok(keep_alive)
    }

    /// Passes on an answer whose head, and what its body begins with, are in `begun`. As [`answer`](Self::answer).
    pub(super) async fn answer_begun(
        &mut self,
        begun: &Kept,
        answer: &mut Answer,
        observation: &mut impl Watches,
    ) -> Result<bool, Cut> {
        let (delimited, keep_alive) = self.delimited(Length::Unknown);
        self.head_of(begun, Length::Unknown, delimited, keep_alive);
        if let Some(data) = begun.body().filter(|data| !data.is_empty()) {
            observation.saw(data);
            piece(self.buffer, delimited, data);
        }
        self.flush().await?;
        observation.is_passed_on(false);
        self.rest(answer, delimited, observation).await?;
        Ok(keep_alive)
    }

    /// Writes an answer that is here whole; `is_replayed` where it is not the first time.
    pub(super) async fn kept(&mut self, kept: &Kept, is_replayed: bool) -> Result<bool, Cut> {
        let length = match kept.body() {
            None => Length::Bodiless(kept.stated_length()),
            Some(body) => Length::Known(body.len() as u64),
        };
        let (delimited, keep_alive) = self.delimited(length);
        self.head_of(&(kept, is_replayed), length, delimited, keep_alive);
        if let Some(body) = kept.body()
            && !self.to_head
        {
            self.buffer.extend_from_slice(body);
        }
        self.flush().await?;
        Ok(keep_alive)
    }

    /// How the end of a body of this length shows, and whether the connection persists.
    fn delimited(&mut self, length: Length) -> (Delimited, bool) {
        let delimited = match length {
            Length::Bodiless(_) | Length::Known(_) => Delimited::Length,
            Length::Unknown if self.version == Version::Http11 => Delimited::Chunks,
            Length::Unknown => Delimited::Close,
        };
        self.keep_alive &= !self.draining.has_begun();
        (delimited, self.keep_alive && delimited != Delimited::Close)
    }

    /// Streams what is left of a body.
    async fn rest(
        &mut self,
        answer: &mut Answer,
        delimited: Delimited,
        observation: &mut impl Watches,
    ) -> Result<(), Cut> {
        loop {
            let data = tokio::select! {
                biased;
                data = answer.next_data() => data.map_err(Cut::Upstream)?,
                () = self.reset() => return Err(Cut::Caller),
            };
            let Some(data) = data else { break };
            self.buffer.clear();
            observation.saw(data);
            piece(self.buffer, delimited, data);
            self.flush().await?;
        }
        if delimited == Delimited::Chunks {
            self.buffer.clear();
            self.buffer.extend_from_slice(b"0\r\n");
            answer.for_each_trailer(|name, value| field(self.buffer, name, value));
            self.buffer.extend_from_slice(b"\r\n");
            self.flush().await?;
        }
        Ok(())
    }

    fn head_of(&mut self, answer: &impl Heading, length: Length, delimited: Delimited, keep_alive: bool) {
        self.buffer.clear();
        self.status_line(answer.status().as_u16(), answer.reason());
        let mut has_date = false;
        answer.for_each_field(|field| {
            has_date |= field.name.eq_ignore_ascii_case(b"date");
            field.write(self.buffer);
        });
        // RFC 9110 §6.6.1.
        if !has_date {
            self.dates.write(self.buffer);
        }
        if let Some(remaining) = self.remaining {
            self.number(BUDGET_REMAINING, remaining);
        }
        if let Some(Penalty { wait, captcha }) = self.penalty {
            let kind = if captcha { "captcha" } else { "ticket" };
            let _ = match wait {
                Some(wait) => write!(self.buffer, "X-Proxy-Penalty: {kind}; wait={wait}\r\n"),
                None => write!(self.buffer, "X-Proxy-Penalty: {kind}\r\n"),
            };
        }
        if might_be_ours(answer.status()) {
            field(self.buffer, OUTCOME, ANSWERED);
        }
        self.about_request();
        match length {
            Length::Bodiless(Some(length)) | Length::Known(length) => self.number(CONTENT_LENGTH, length),
            Length::Unknown if delimited == Delimited::Chunks => {
                field(self.buffer, b"Transfer-Encoding", b"chunked");
            }
            Length::Bodiless(None) | Length::Unknown => {}
        }
        self.end_of_head(keep_alive);
    }

    /// Writes an answer of our own. Fields besides those of every answer come from the problem.
    pub(super) async fn problem(&mut self, problem: &Problem) -> Result<(), Cut> {
        self.buffer.clear();
        let reason = problem.status.canonical_reason().unwrap_or_default();
        self.status_line(problem.status.as_u16(), reason.as_bytes());
        field(self.buffer, OUTCOME, outcome_name(problem.sent).as_bytes());
        self.about_request();
        if let Some(seconds) = problem.retry_after {
            self.number(b"Retry-After", seconds);
        }
        if let Some(allow) = problem.allow {
            field(self.buffer, b"Allow", allow.as_bytes());
        }
        if let Some(challenge) = problem.challenge {
            field(self.buffer, b"WWW-Authenticate", challenge.as_bytes());
        }
        self.own_body(problem::MEDIA_TYPE, &problem.to_json()).await
    }

    /// Writes a 200 of our own with a JSON body.
    pub(super) async fn local(&mut self, body: &[u8]) -> Result<(), Cut> {
        self.buffer.clear();
        self.status_line(200, b"OK");
        self.own_body("application/json", body).await
    }

    async fn own_body(&mut self, content_type: &str, body: &[u8]) -> Result<(), Cut> {
        self.keep_alive &= !self.draining.has_begun();
        self.dates.write(self.buffer);
        field(self.buffer, ENVIRONMENT, self.environment.as_bytes());
        field(self.buffer, b"Content-Type", content_type.as_bytes());
        field(self.buffer, b"Cache-Control", b"no-store");
        self.number(CONTENT_LENGTH, body.len() as u64);
        self.end_of_head(self.keep_alive);
        if !self.to_head {
            self.buffer.extend_from_slice(body);
        }
        self.flush().await
    }

    fn status_line(&mut self, status: u16, reason: &[u8]) {
        // RFC 9110 §2.5: our own version, whatever the request's.
        self.buffer.extend_from_slice(b"HTTP/1.1 ");
        self.buffer.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        self.buffer.push(b' ');
        self.buffer.extend_from_slice(reason);
        self.buffer.extend_from_slice(b"\r\n");
    }

    fn number(&mut self, name: &[u8], number: u64) {
        field(self.buffer, name, itoa::Buffer::new().format(number).as_bytes());
    }

    /// What an order is called in the audit log, for whoever has to ask about it later; and whether to repeat it would be
    /// to order again, for whoever is about to.
    fn about_request(&mut self) {
        if self.keeping == Keeping::NotKept {
            field(self.buffer, IDEMPOTENCY, b"not-kept");
        }
        if let Some(id) = self.request_id {
            // Writing to a Vec cannot fail.
            let _ = write!(self.buffer, "{REQUEST_ID}: {id}\r\n");
        }
    }

    fn end_of_head(&mut self, keep_alive: bool) {
        match (keep_alive, self.version) {
            (false, _) => field(self.buffer, b"Connection", b"close"),
            // RFC 9112 §9.3: HTTP/1.0 closes unless told otherwise.
            (true, Version::Http10) => field(self.buffer, b"Connection", b"keep-alive"),
            (true, Version::Http11) => {}
        }
        self.buffer.extend_from_slice(b"\r\n");
    }

    /// Waits until the caller has reset the connection, and so will read nothing more from it. Cancel safe.
    pub(super) async fn reset(&self) {
        self.stream.until_reset().await;
    }

    /// Whether it has done so already: asked of the kernel, since the runtime knows only what it last heard.
    pub(super) fn is_reset(&self) -> bool {
        self.stream.is_reset()
    }

    /// Hands the buffer over, as fast as the caller takes it. Once that has failed nothing more is written: what
    /// followed half a message would be taken for its other half.
    async fn flush(&mut self) -> Result<(), Cut> {
        let mut rest = &self.buffer[..];
        while !rest.is_empty() && !self.is_broken {
            let written = self.alarm.within(self.patience, pin!(self.stream.write(rest))).await;
            match written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(0) | Err(_) => self.is_broken = true,
                Ok(written) => rest = &rest[written..],
            }
        }
        if self.stream.must_be_flushed() && !self.is_broken {
            let flushed = self.alarm.within(self.patience, self.stream.flush()).await;
            self.is_broken = !matches!(flushed, Ok(Ok(())));
        }
        if self.is_broken { Err(Cut::Caller) } else { Ok(()) }
    }
}

/// Whether a caller might take upstream's answer for one that the proxy made in its place, and so for a request
/// that was not sent: a proxy may want credentials, or lead elsewhere, by itself.
fn might_be_ours(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    )
}

const BUDGET_REMAINING: &[u8] = b"X-Proxy-Budget-Remaining";
const CONTENT_LENGTH: &[u8] = b"Content-Length";
const ENVIRONMENT: &[u8] = b"X-Proxy-Environment";
const IDEMPOTENCY: &[u8] = b"X-Proxy-Idempotency";
const OUTCOME: &[u8] = b"X-Proxy-Outcome";
const REQUEST_ID: &str = "X-Proxy-Request-Id";
const ANSWERED: &[u8] = b"answered";

fn field(buffer: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    buffer.extend_from_slice(name);
    buffer.extend_from_slice(b": ");
    buffer.extend_from_slice(value);
    buffer.extend_from_slice(b"\r\n");
}

/// One piece of a body, in the framing that the head announced.
fn piece(buffer: &mut Vec<u8>, delimited: Delimited, data: &[u8]) {
    if delimited == Delimited::Chunks {
        let _ = write!(buffer, "{:x}\r\n", data.len());
        buffer.extend_from_slice(data);
        buffer.extend_from_slice(b"\r\n");
    } else {
        buffer.extend_from_slice(data);
    }
}
