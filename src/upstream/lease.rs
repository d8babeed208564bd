//! A connection lent for one exchange.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::{
    hygiene::{Authorized, Encoded},
    origin::Origin,
    upstream::{
        Answer, Failure, Sent, Upstream, UpstreamError, answer,
        http1::Http1,
        http2::{self, Sender},
        metrics::Counted,
    },
};

/// A connection that is this caller's alone until the exchange ends. Dropped, it is closed.
#[derive(Debug)]
pub struct Lease {
    upstream: Upstream,
    origin: Arc<Origin>,
    transport: Transport,
    reused: bool,
    counted: Counted,
}

#[derive(Debug)]
pub(super) enum Transport {
    Http1(Box<Http1>),
    Http2(Sender),
}

/// A request in the form that one particular connection sends.
#[derive(Debug)]
pub struct Prepared<'b>(Form<'b>);

#[derive(Debug)]
enum Form<'b> {
    Http1(Encoded<'b>),
    Http2(Box<Request<Full<Bytes>>>),
}

impl Lease {
    pub(super) fn fresh(upstream: Upstream, origin: Arc<Origin>, transport: Transport) -> Self {
        let counted = upstream.count_active();
        Self { upstream, origin, transport, reused: false, counted }
    }

    pub(super) fn reused(upstream: Upstream, origin: Arc<Origin>, transport: Transport) -> Self {
        Self { reused: true, ..Self::fresh(upstream, origin, transport) }
    }

    /// Whether it has carried a request before, and so may have been given up by upstream unnoticed.
    pub fn is_reused(&self) -> bool {
        self.reused
    }

    /// Whether it leads to `origin`: the one may move between the lease and the token that is then current.
    pub fn leads_to(&self, origin: &Origin) -> bool {
        *self.origin == *origin
    }

    /// Puts the request into the bytes that will be sent, using `wire` as scratch space.
    ///
    /// # Errors
    /// When it has no form in this connection's protocol. Nothing has been sent then.
    pub fn prepare<'b>(
        &self,
        request: &Authorized<'b, '_>,
        wire: &'b mut Vec<u8>,
    ) -> Result<Prepared<'b>, Failure> {
        Ok(Prepared(match &self.transport {
            Transport::Http1(_) => Form::Http1(request.encode(wire)),
            Transport::Http2(_) => Form::Http2(Box::new(
                request.to_http2().ok_or_else(|| UpstreamError::NoHttp2Form.not_sent())?,
            )),
        }))
    }

    /// Sends the request; the answer has not been waited for yet. Not cancel safe: a dropped call may or may
    /// not have been sent.
    ///
    /// # Errors
    /// When it could not be sent whole; says whether any of it was.
    pub async fn send(self, request: Prepared<'_>) -> Result<Answer, Failure> {
        let Self { upstream, origin, transport, counted, .. } = self;
        match (transport, request.0) {
            (Transport::Http1(mut connection), Form::Http1(request)) => {
                match connection.send(&request, upstream.timeouts()).await {
                    Ok(()) => Ok(Answer::awaited(upstream, origin, connection, counted)),
                    // A server may refuse a request before it has read it all, and close: its answer is then
                    // worth more than our broken pipe (RFC 9112 §9.5).
                    Err(failure) if failure.sent == Sent::Maybe && !failure.error.is_timeout() => {
                        let mut answer = Answer::awaited(upstream, origin, connection, counted);
                        match answer.head().await {
                            Ok(answer::Head::Final) => Ok(answer),
                            Ok(answer::Head::Interim) | Err(_) => Err(failure),
                        }
                    }
                    Err(failure) => Err(failure),
                }
            }
            (Transport::Http2(mut sender), Form::Http2(request)) => {
                let answered = http2::send(&mut sender, *request, upstream.timeouts()).await?;
                Ok(Answer::http2(upstream, origin, answered, counted))
            }
            // `prepare` makes the form that fits this lease; another lease's is refused unsent.
            (Transport::Http1(_) | Transport::Http2(_), _) => Err(UpstreamError::NoHttp2Form.not_sent()),
        }
    }
}
