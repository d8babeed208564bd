//! One request, from its head to its answer.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{
    api::{self, call::Call, reply::Reply},
    control::{
        Control,
        faults::{Action, Fault},
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
        if fault.as_ref().is_none_or(|fault| fault.action != Action::ResetUnread) {
            request.read(body, &self.wire).await;
        }
        let call = request.call(self.scheme);
        let record =
            Record { is_faulted: fault.is_some(), ..request.record(self.id, self.shared.clock.now()) };
        let sequence = self.note(record, &call);
        if let Some(refusal) = refusal(&request)? {
            return Ok(self.answered(sequence, plain(&refusal)));
        }
        let works = fault.as_ref().is_none_or(Fault::lets_the_broker_work);
        let reply = if works { self.work(&call) } else { Reply::empty(StatusCode::OK) };
        let Some(fault) = fault else { return Ok(self.answered(sequence, plain(&reply))) };
        let response = self.spoil(&fault, &reply, request.parts.version).await?;
        // What goes on the wire raw has no status.
        let is_raw = matches!(fault.action, Action::Raw { .. });
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

    fn note(&self, mut record: Record, call: &Call<'_>) -> u64 {
        let mut state = self.shared.lock();
        if !api::is_open(call.path) {
            record.bearer = Some(Bearer::from(api::judge(&state, call, record.time)));
        }
        let sequence = state.journal.note(record);
        drop(state);
        self.shared.announce();
        sequence
    }

    /// Lets the broker do its work, before any delay: a caller that stops waiting changes nothing.
    fn work(&self, call: &Call<'_>) -> Reply {
        let now = self.shared.clock.now();
        api::answer(&mut self.shared.lock(), call, now)
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
