//! A connection lent for one exchange.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;

use crate::{
    bearer::Bearer,
    hygiene::{Authorized, Encoded},
    origin::Origin,
    upstream::{
        Answer, Failure, LastWord, Sent, Upstream, UpstreamError, answer,
        gate::Gate,
        http1::Http1,
        http2::{self, Sender},
    },
};

/// A connection that is this caller's alone until the exchange ends. Dropped, it is closed.
#[derive(Debug)]
pub struct Lease {
    upstream: Upstream,
    origin: Arc<Origin>,
    transport: Transport,
    opened_in: Option<Duration>,
}

#[derive(Debug)]
pub(super) enum Transport {
    Http1(Box<Http1>),
    Http2(Sender),
}

impl Lease {
    pub(super) fn fresh(
        upstream: Upstream,
        origin: Arc<Origin>,
        transport: Transport,
        opened_in: Duration,
    ) -> Self {
        Self { upstream, origin, transport, opened_in: Some(opened_in) }
    }

    pub(super) fn reused(upstream: Upstream, origin: Arc<Origin>, transport: Transport) -> Self {
        Self { upstream, origin, transport, opened_in: None }
    }

    /// How long it took to open, or `None` if it has waited, and so may have been given up by upstream unnoticed.
    pub fn opened_in(&self) -> Option<Duration> {
        self.opened_in
    }

    /// Whether it leads to `origin`: the one may move between the lease and the token that is then current.
    pub fn leads_to(&self, origin: &Arc<Origin>) -> bool {
        Arc::ptr_eq(&self.origin, origin) || self.origin == *origin
    }

    /// Puts the request into the form that this connection sends, using `wire` as scratch space.
    ///
    /// # Errors
    /// When it has no form in this connection's protocol. Nothing has been sent then.
    pub fn prepare<'b>(
        self,
        request: &Authorized<'b, '_>,
        wire: &'b mut Vec<u8>,
    ) -> Result<Prepared<'b>, Failure> {
        let Self { upstream, origin, transport, .. } = self;
        let form = match transport {
            Transport::Http1(connection) => Form::Http1(connection, request.encode(wire)),
            Transport::Http2(sender) => {
                let request = request.to_http2().ok_or_else(|| UpstreamError::NoHttp2Form.not_sent())?;
                Form::Http2(sender, Box::new(request), None)
            }
        };
        Ok(Prepared { upstream, origin, form, bearer: request.bearer().clone() })
    }
}

/// A request together with the one connection that it was put into form for.
pub struct Prepared<'b> {
    upstream: Upstream,
    origin: Arc<Origin>,
    form: Form<'b>,
    bearer: Bearer,
}

enum Form<'b> {
    Http1(Box<Http1>, Encoded<'b>),
    Http2(Sender, Box<Request<Bytes>>, Option<Gate>),
}

impl Prepared<'_> {
    /// Has `may_leave` asked at the moment when the request can leave: which is now, save over HTTP/2, where it may have
    /// to wait for its turn. If it may not, the request fails, and has not been sent.
    #[must_use]
    pub fn unless_withheld(mut self, may_leave: impl FnOnce() -> LastWord) -> Self {
        if let Form::Http2(_, _, gate) = &mut self.form {
            *gate = Some(Gate::new(may_leave()));
        }
        self
    }

    /// Sends the request; over HTTP/1.1 the answer has not been waited for yet. Not cancel safe: a dropped call
    /// may or may not have been sent.
    ///
    /// # Errors
    /// When it could not be sent whole; says whether any of it was.
    pub async fn send(self) -> Result<Answer, Failure> {
        let Self { upstream, origin, form, bearer } = self;
        let (mut connection, request) = match form {
            Form::Http1(connection, request) => (connection, request),
            Form::Http2(mut sender, request, gate) => {
                let sent = http2::send(&mut sender, *request, gate, upstream.timeouts());
                let answered = Box::pin(sent).await?;
                return Ok(Answer::http2(upstream, origin, answered, bearer));
            }
        };
        let counted = upstream.count_active();
        let sent = connection.send(&request, upstream.inbox(), upstream.timeouts()).await;
        let Err(failure) = sent else {
            return Ok(Answer::awaited(upstream, origin, connection, counted, bearer));
        };
        if failure.sent == Sent::No || failure.error.is_timeout() {
            return Err(failure);
        }
        // A server may refuse a request before it has read it all, and close: its answer is then worth more than
        // our broken pipe (RFC 9112 §9.5).
        let mut answer = Answer::awaited(upstream, origin, connection, counted, bearer);
        match Box::pin(answer.head()).await {
            Ok(answer::Head::Final) => Ok(answer),
            Ok(answer::Head::Interim) | Err(_) => Err(failure),
        }
    }
}

impl fmt::Debug for Prepared<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("origin", &self.origin).finish_non_exhaustive()
    }
}
