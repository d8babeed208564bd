//! An exchange over HTTP/2, by hyper.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{
    body::{Body as _, Incoming},
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use crate::{
    http1::response::has_no_body,
    upstream::{
        Failure, Timeouts, UpstreamError,
        answer::Length,
        connect::Stream,
        gate::{Gate, GatedBody},
        metrics::Counted,
    },
};

/// A handle on a connection that carries many exchanges at once.
pub(super) type Sender = SendRequest<GatedBody>;

/// Makes a fresh connection speak HTTP/2. A task drives it until the last handle is dropped, or upstream ends it, and
/// then says that it has `ended`. Must be called within a `LocalSet`.
pub(super) async fn start(
    stream: Stream,
    counted: Counted,
    ended: impl FnOnce() + 'static,
) -> Result<Sender, UpstreamError> {
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        // One connection carries everything, so one that has died silently must be noticed, not waited for.
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(true)
        // RFC 9113 §5.2: one window for each stream, and one for all together. A caller that reads nothing fills the
        // first, and must not fill the second, on which everybody else's answers come too.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Http2)?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP/2 connection to upstream ended");
        }
        drop(counted);
        ended();
    });
    Ok(sender)
}

/// One answer, as far as it has come.
#[derive(Debug)]
pub(super) struct Http2Answer {
    pub(super) response: Response<Incoming>,
    to_head: bool,
    data: Bytes,
    /// Whether `data` has been looked at, and not yet been passed on.
    is_peeked: bool,
    trailers: Option<HeaderMap>,
}

/// Sends one request; hyper's connection-level client does not retry. Not cancel safe: a dropped call may or
/// may not have been sent.
pub(super) async fn send(
    sender: &mut Sender,
    request: Request<Bytes>,
    gate: Option<Gate>,
    timeouts: &Timeouts,
) -> Result<Http2Answer, Failure> {
    let (to_head, has_body) = (request.method() == Method::HEAD, !request.body().is_empty());
    let request = request.map(|body| GatedBody::new(body, gate.clone()));
    sender.ready().await.map_err(|error| UpstreamError::Http2(error).not_sent())?;
    // What has not left by now never will, and without its body it is no request that could be carried out.
    let has_stayed = || gate.is_some_and(|gate| gate.shut()) && has_body;
    match timeout(timeouts.response_head, sender.try_send_request(request)).await {
        Ok(Ok(response)) => {
            Ok(Http2Answer { response, to_head, data: Bytes::new(), is_peeked: false, trailers: None })
        }
        Ok(Err(mut error)) => {
            // A message that hyper hands back has never been put on the wire.
            let handed_back = error.take_message().is_some();
            let error = UpstreamError::Http2(error.into_error());
            Err(if handed_back || has_stayed() { error.not_sent() } else { error.maybe_sent() })
        }
        Err(_) if has_stayed() => Err(UpstreamError::HeadTimeout.not_sent()),
        Err(_) => Err(UpstreamError::HeadTimeout.maybe_sent()),
    }
}

impl Http2Answer {
    /// The first piece of the body, if it is known to be `whole` bytes long; they may be fewer, where upstream sends
    /// them in pieces. Takes nothing.
    pub(super) async fn peek(
        &mut self,
        whole: Option<usize>,
        timeouts: &Timeouts,
    ) -> Result<&[u8], UpstreamError> {
        if !self.is_peeked && whole.is_some_and(|whole| whole > 0) {
            self.is_peeked = self.take_data(timeouts).await?;
        }
        Ok(if self.is_peeked { &self.data } else { &[] })
    }

    /// Takes what has been looked at already; whether there is any.
    pub(super) fn take_data_at_hand(&mut self) -> bool {
        std::mem::take(&mut self.is_peeked)
    }

    /// The piece of the body that was taken last.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Takes the next piece of the body, if it has not ended. Not cancel safe.
    pub(super) async fn take_data(&mut self, timeouts: &Timeouts) -> Result<bool, UpstreamError> {
        if std::mem::take(&mut self.is_peeked) {
            return Ok(true);
        }
        loop {
            let frame = timeout(timeouts.body_idle, self.response.body_mut().frame()).await;
            match frame.map_err(|_| UpstreamError::BodyTimeout)? {
                None => return Ok(false),
                Some(Err(error)) => return Err(UpstreamError::Http2(error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.data = data;
                        return Ok(true);
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// How long the body is. An answer that ends with its head is not for that reason one that has no body: to a
    /// GET it is one of no bytes, and HTTP/1.1 has to say so (RFC 9112 §6.3).
    pub(super) fn length(&self) -> Length {
        let status = self.response.status();
        let stated = self.response.headers().get(header::CONTENT_LENGTH);
        let stated = stated.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
        if self.to_head || has_no_body(status) {
            // RFC 9110 §8.6: a 204 has no length to speak of.
            return Length::Bodiless(stated.filter(|_| status != StatusCode::NO_CONTENT));
        }
        match stated {
            None if self.response.body().is_end_stream() => Length::Known(0),
            None => Length::Unknown,
            Some(length) => Length::Known(length),
        }
    }
}

/// Bytes of an answer that a slow caller can hold up in memory.
const STREAM_WINDOW: u32 = 64 * 1024;
/// RFC 9113 §6.9.1: the most there can be. `limits.concurrent-requests` windows of a stream are far below.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
