//! One request, from its head to its answer.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{
    api::{self, call::Call, reply::Reply},
    control::{
        Control,
        faults::Action,
        journal::{Bearer, Record},
        routes,
    },
    server::{
        body::AnswerBody,
        received::{self, Reading, Received},
        response::{complete, plain, to_head, told},
        tap::Wire,
    },
    state::Shared,
};

/// What the exchanges of one connection share.
pub(super) struct Connection {
    pub(super) id: u64,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    pub(super) wire: Wire,
    pub(super) shared: Arc<Shared>,
    pub(super) ca_pem: Arc<str>,
    pub(super) stop: CancellationToken,
}

/// There is no answer: the connection ends here.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is severed on purpose")]
pub(super) struct Severed;

impl Connection {
    /// Answers a request, or severs the connection if that is its fate.
    pub(super) async fn serve(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Severed> {
        let is_head = request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        let response = self.respond(request).await?;
        Ok(if is_head { to_head(response) } else { response })
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Severed> {
        let (mut request, body) = received::begin(request, &self.wire);
        if request.control_path().is_some() {
            request.read(body, &self.wire).await;
            return self.control(&request);
        }
        let fault = self.shared.lock().faults.take(&request.path);
        if fault.as_ref().is_none_or(|taken| taken.fault.action != Action::ResetUnread) {
            request.read(body, &self.wire).await;
        }
        let call = request.call(self.scheme);
        let record =
            Record { is_faulted: fault.is_some(), ..request.record(self.id, self.shared.clock.now()) };
        let refusal = refusal(&request);
        let works = matches!(refusal, Ok(None))
            && fault.as_ref().is_none_or(|taken| taken.fault.lets_the_broker_work());
        let (sequence, reply) = self.take_in(record, &call, works);
        if let Some(refusal) = refusal? {
            return Ok(self.answered(sequence, plain(&refusal)));
        }
        let Some(taken) = fault else { return Ok(self.answered(sequence, plain(&reply))) };
        let response = self.spoil(&taken, &reply, request.parts.version).await?;
        // What goes on the wire raw has no status.
        let is_raw = matches!(taken.fault.action, Action::Raw { .. });
        Ok(if is_raw { response } else { self.answered(sequence, response) })
    }

    fn control(&self, request: &Received) -> Result<Response<AnswerBody>, Severed> {
        if let Some(refusal) = refusal(request)? {
            return Ok(plain(&refusal));
        }
        let control = Control::new(Arc::clone(&self.shared));
        let path = request.control_path().unwrap_or_default();
        let query = request.parts.uri.query().unwrap_or_default();
        let target = (&request.parts.method, path, query);
        Ok(told(routes::answer(&control, &self.ca_pem, target, &request.body)))
    }

    /// Notes a request and, if it is to be worked on, lets the broker do its work: before any delay, so that a caller
    /// that stops waiting changes nothing; and all at one moment, so that what the journal says its bearer was worth is
    /// what it was answered for.
    fn take_in(&self, mut record: Record, call: &Call<'_>, works: bool) -> (u64, Reply) {
        let mut state = self.shared.lock();
        let now = record.time;
        let verdict = (!api::is_open(call.path)).then(|| api::judge(&state, call, now));
        record.bearer = verdict.map(Bearer::from);
        let is_astray = api::is_astray(call, &state.rules);
        state.tally.count(verdict, is_astray);
        let sequence = state.journal.note(record);
        let reply = if works { api::answer(&mut state, call, now) } else { Reply::empty(StatusCode::OK) };
        drop(state);
        self.shared.announce();
        (sequence, reply)
    }

    /// Completes an answer, and tells the journal.
    fn answered(&self, sequence: u64, mut response: Response<AnswerBody>) -> Response<AnswerBody> {
        complete(&mut response, self.shared.clock.now());
        if let Some(record) = self.shared.lock().journal.get_mut(sequence) {
            record.status = Some(response.status().as_u16());
        }
        self.shared.announce();
        response
    }
}

/// The answer to a request that is none, or none that was ever made.
fn refusal(request: &Received) -> Result<Option<Reply>, Severed> {
    match request.reading {
        Reading::Broken => Err(Severed),
        Reading::TooLong => Ok(Some(Reply::empty(StatusCode::PAYLOAD_TOO_LARGE))),
        Reading::Done if !request.names_one_host() => Ok(Some(Reply::empty(StatusCode::BAD_REQUEST))),
        Reading::Done => Ok(None),
    }
}
