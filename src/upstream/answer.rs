//! An answer from upstream, whichever protocol it came by.

use std::sync::Arc;

use http::{
    StatusCode,
    header::{LOCATION, RETRY_AFTER},
};
use tokio::time::Instant;

use crate::{
    http1::{BadResponse, Framing},
    hygiene::names::{crosses_downstream, may_be_answered},
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
}

#[derive(Debug)]
enum Transport {
    Http1(Box<Http1>),
    Http2(Box<Http2Answer>),
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
    ) -> Self {
        let deadline = Instant::now() + upstream.timeouts().response_head;
        let (transport, counted) = (Transport::Http1(connection), Some(counted));
        Self { upstream, origin, transport, interim: 0, deadline, has_head: false, counted }
    }

    pub(super) fn http2(upstream: Upstream, origin: Arc<Origin>, answer: Http2Answer) -> Self {
        let transport = Transport::Http2(Box::new(answer));
        let deadline = Instant::now();
        Self { upstream, origin, transport, interim: 0, deadline, has_head: true, counted: None }
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
    pub fn for_each_field(&self, mut show: impl FnMut(&str, &[u8])) {
        match &self.transport {
            Transport::Http1(connection) => {
                let fields = connection.fields();
                for (name, value) in fields.iter().filter(|(name, _)| crosses_downstream(name, &fields)) {
                    show(name, value);
                }
            }
            Transport::Http2(answer) => {
                for (name, value) in answer.response.headers() {
                    if may_be_answered(name.as_str()) {
                        show(name.as_str(), value.as_bytes());
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

    /// The piece of the body that is here already, so that it can be passed on together with the head.
    ///
    /// # Errors
    /// When the body's framing is broken.
    pub fn data_at_hand(&mut self) -> Result<Option<&[u8]>, UpstreamError> {
        match &mut self.transport {
            Transport::Http1(connection) => connection.data_at_hand(),
            Transport::Http2(answer) => Ok(answer.data_at_hand()),
        }
    }

    /// The next piece of the body, or `None` at its proper end. Not cancel safe.
    ///
    /// # Errors
    /// When it stalls, breaks, or ends before it is complete.
    pub async fn next_data(&mut self) -> Result<Option<&[u8]>, UpstreamError> {
        let timeouts = self.upstream.timeouts();
        match &mut self.transport {
            Transport::Http1(connection) => connection.next_data(timeouts).await,
            Transport::Http2(answer) => answer.next_data(timeouts).await,
        }
    }

    /// Shows every trailer field that may cross, once the body has ended.
    pub fn for_each_trailer(&self, mut show: impl FnMut(&str, &[u8])) {
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
                    if may_be_answered(name.as_str()) {
                        show(name.as_str(), value.as_bytes());
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
fn trailer(line: &[u8]) -> Option<(&str, &[u8])> {
    let line = line.strip_suffix(b"\r")?;
    let (name, value) = line.split_at_checked(line.iter().position(|&byte| byte == b':')?)?;
    let name =
        str::from_utf8(name).ok().filter(|name| http::HeaderName::from_bytes(name.as_bytes()).is_ok())?;
    let value = value[1..].trim_ascii();
    let clean = http::HeaderValue::from_bytes(value).is_ok();
    (clean && may_be_answered(name)).then_some((name, value))
}

/// Interim answers before the final one; a server that sends more is not going to send that.
const MAX_INTERIM: u8 = 32;

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::LocalSet,
    };

    use super::*;
    use crate::{
        bearer::Bearer,
        http1::RequestHead,
        hygiene::Received,
        upstream::{Choice, Connector, Metrics, Timeouts, tls},
    };

    /// Whether an answer, whole and in these bytes, is found wordless, and where it leads.
    async fn judge(method: &str, answer: &'static str) -> (bool, Option<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin: Arc<Origin> =
            Arc::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let connector =
            Connector::new(Arc::new(tls::client_config(&[], tls::Alpn::Http1).unwrap()), Timeouts::default());
        let upstream =
            Upstream::new(connector, 1024, Metrics::register(&prometheus::Registry::new()).unwrap());
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let bearer = Bearer::new(&"token".into()).unwrap();
        let request = Received::new(&head, bytes.as_bytes(), "/", b"").scrub();
        let lease = upstream.lease(&origin, Choice::Any).await.unwrap();
        let mut wire = Vec::new();
        let prepared = lease.prepare(&request.authorize(&bearer, &origin), &mut wire).unwrap();
        let mut answer = prepared.send().await.unwrap();
        assert_eq!(answer.head().await.unwrap(), Head::Final);
        (answer.is_wordless(), answer.location().map(str::to_owned))
    }

    #[tokio::test]
    async fn an_answer_is_wordless_when_it_is_known_to_have_no_body() {
        let judged = LocalSet::new();
        let judged = judged.run_until(async {
            for (method, answer, expected) in [
                ("GET", "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", true),
                ("GET", "HTTP/1.1 204 No\r\n\r\n", true),
                ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true),
                ("HEAD", "HTTP/1.1 401 No\r\n\r\n", true),
                ("HEAD", "HTTP/1.1 401 No\r\nContent-Length: 16\r\n\r\n", false),
                ("GET", "HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\n", false),
                ("GET", "HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\nx", false),
                ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", false),
                ("GET", "HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n", false),
                ("GET", "HTTP/1.1 401 No\r\nConnection: close\r\n\r\nx", false),
            ] {
                assert_eq!(judge(method, answer).await.0, expected, "{method} {answer:?}");
            }
        });
        judged.await;
    }

    #[tokio::test]
    async fn a_location_counts_where_it_stands_once_and_is_text() {
        let judged = LocalSet::new();
        let judged = judged.run_until(async {
            for (fields, expected) in [
                (
                    "HTTP/1.1 307 A\r\nLocation: https://b.example/v1/x\r\n\r\n",
                    Some("https://b.example/v1/x"),
                ),
                ("HTTP/1.1 307 A\r\nlocation: /v1/x\r\n\r\n", Some("/v1/x")),
                ("HTTP/1.1 307 A\r\n\r\n", None),
                ("HTTP/1.1 307 A\r\nLocation: a\r\nLocation: b\r\n\r\n", None),
            ] {
                assert_eq!(judge("GET", fields).await.1.as_deref(), expected, "{fields:?}");
            }
        });
        judged.await;
    }
}
