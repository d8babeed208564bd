//! What will be written down of one request.

use std::{fmt, sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{sync::oneshot, time::timeout};
use uuid::{Builder, Uuid};

use crate::audit::{
    AuditLog, NotRecorded,
    chain::Hash,
    desk::{Desk, Lost},
    fields::{self, LONGEST_ANSWER, Unread},
    line::{Ended, Event, Refused, Request},
    options::OnFailure,
};
use crate::tradovate::{Effect, Endpoint};

/// One request from being read to its end. Its owner tells how it ended ([`end`](Self::end)), also when it is dropped
/// half-way.
#[derive(Debug)]
pub struct Entry {
    id: RequestId,
    relief: bool,
    desk: Option<Arc<Desk>>,
    stage: Stage,
    answer: Glimpse,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    /// Nothing is written of it yet.
    Read(Box<Request>),
    /// It is written that it begins.
    Begun,
}

/// What is seen of an answer while it passes.
#[derive(Debug, Default)]
struct Glimpse {
    is_coded: bool,
    bytes: Vec<u8>,
}

/// Names one request in the log of orders, in that of the process and to its caller: a time-ordered UUID (RFC 9562
/// §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A request as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// What it asks for.
    pub endpoint: &'a Endpoint,
    /// Who asks.
    pub caller: &'a str,
    /// By which method.
    pub method: &'a str,
    /// Path and query, as they will be sent.
    pub target: &'a str,
    /// The body, whole.
    pub body: &'a [u8],
}

/// What is known of a request at its end.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Whether upstream can have seen it, and has answered.
    pub outcome: Outcome,
    /// The same in detail: the `outcome` label of the metrics.
    pub how: &'static str,
    /// What the caller was answered with, if it was.
    pub status: Option<StatusCode>,
    /// How long it took.
    pub took: Duration,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No byte of it left.
    NotSent,
    /// Upstream has answered.
    Answered,
    /// It may have been carried out.
    Unknown,
}

impl Outcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not-sent",
            Self::Answered => "answered",
            Self::Unknown => "unknown",
        }
    }
}

impl AuditLog {
    /// The entry for a request; none for what changes nothing.
    pub fn entry(&self, asked: Asked<'_>) -> Option<Entry> {
        let matters = matches!(asked.endpoint.effect, Effect::Order | Effect::Write);
        matters.then(|| {
            let id = self.next_id();
            let request = if self.desk.is_some() { asked.request(id) } else { Request::default() };
            Entry {
                id,
                relief: asked.endpoint.relief,
                desk: self.desk.clone(),
                stage: Stage::Read(Box::new(request)),
                answer: Glimpse::default(),
            }
        })
    }

    fn next_id(&self) -> RequestId {
        let millis = u64::try_from(self.clock.wall().as_millisecond()).unwrap_or(0);
        let mut random = [0; 10];
        fastrand::fill(&mut random);
        RequestId(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }
}

impl Asked<'_> {
    fn request(&self, id: RequestId) -> Request {
        let (path, query) =
            self.target.split_once('?').map_or((self.target, None), |(path, query)| (path, Some(query)));
        let (fields, unread) = fields::of_request(query, self.body);
        Request {
            id: id.to_string(),
            caller: self.caller.to_owned(),
            method: self.method.to_owned(),
            operation: self.endpoint.operation.to_owned(),
            effect: self.endpoint.effect.name().to_owned(),
            path: path.chars().take(LONGEST_PATH).collect(),
            fields: fields.known,
            repeated: fields.repeated,
            unread: unread.map(|unread| unread.to_string()),
            body_bytes: self.body.len(),
            body_sha256: Hash::plain(self.body),
        }
    }
}

impl Entry {
    /// What it is called.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Writes down that it begins, and waits until that is as durable as the settings want it: a bounded time. What
    /// takes risk away is waited for only briefly, and goes on whatever comes of it. Cancel safe: a call that is
    /// dropped may have written it, and [`end`](Self::end) writes the rest.
    ///
    /// # Errors
    /// When it could not be written, and is not to be sent without.
    pub async fn begin(&mut self) -> Result<(), NotRecorded> {
        let Some(desk) = &self.desk else { return Ok(()) };
        let must_go_on = self.relief || desk.on_failure() == OnFailure::GoOn;
        let trouble = desk.trouble();
        if let (Some(why), false) = (&trouble, must_go_on) {
            return Err(NotRecorded { why: why.clone() });
        }
        let Stage::Read(request) = std::mem::replace(&mut self.stage, Stage::Begun) else { return Ok(()) };
        let (written, ack) = oneshot::channel();
        let handed_in = desk.write(Event::Begun(*request), Some(written));
        // It is known that there will be no acknowledgement worth waiting for.
        if trouble.is_some() {
            return Ok(());
        }
        if let (Err(lost), false) = (handed_in, must_go_on) {
            return Err(NotRecorded { why: lost.to_string() });
        }
        let patience = patience(must_go_on);
        match timeout(patience, ack).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) | Err(_) if must_go_on => Ok(()),
            // The disk has failed, or the writer has ended with the line in its hands.
            Ok(_) => Err(NotRecorded { why: desk.trouble().unwrap_or_else(|| Lost::NoWriter.to_string()) }),
            Err(_) => Err(NotRecorded { why: desk.is_slow(patience) }),
        }
    }

    /// Nothing is written down of it: nothing is asked of upstream, and what was asked before has its lines.
    pub fn withdraw(&mut self) {
        self.desk = None;
    }

    /// Upstream's answer has begun; a content coding makes it unreadable here.
    pub fn is_answered(&mut self, is_coded: bool) {
        self.answer = Glimpse { is_coded, bytes: Vec::new() };
    }

    /// A piece of the answer passes by.
    pub fn saw(&mut self, data: &[u8]) {
        let Glimpse { is_coded: false, bytes } = &mut self.answer else { return };
        // One byte too many tells that it was too long.
        let room = (LONGEST_ANSWER + 1).saturating_sub(bytes.len());
        bytes.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// Writes down how it ended, and waits for nothing.
    pub fn end(self, end: &End) {
        let Some(desk) = &self.desk else { return };
        let status = end.status.map(|status| status.as_u16());
        let how = end.how.to_owned();
        match self.stage {
            Stage::Read(request) => {
                desk.write_some(Event::Refused(Refused { request: *request, how, status }));
            }
            Stage::Begun => {
                let answer = if end.outcome == Outcome::NotSent { Ok(None) } else { self.answer.read() };
                let (upstream, unread) = match answer {
                    Ok(upstream) => (upstream.unwrap_or_default(), None),
                    Err(unread) => (serde_json::Map::new(), Some(unread)),
                };
                let ended = Ended {
                    id: self.id.to_string(),
                    outcome: end.outcome.name().to_owned(),
                    how,
                    status,
                    upstream,
                    unread,
                    took_us: u64::try_from(end.took.as_micros()).unwrap_or(u64::MAX),
                };
                // Lost, it is counted, and the request is one without an end.
                let _ = desk.write(Event::Ended(ended), None);
            }
        }
    }
}

impl Glimpse {
    fn read(&self) -> Result<Option<serde_json::Map<String, serde_json::Value>>, String> {
        if self.is_coded {
            return Err("it is compressed".to_owned());
        }
        if self.bytes.is_empty() {
            return Ok(None);
        }
        fields::of_answer(&self.bytes).map(Some).map_err(|unread: Unread| unread.to_string())
    }
}

/// How long a request waits for a disk, to be written down. What must go on, as a cancel must, waits no longer than a
/// disk takes that is merely busy: its caller may have little patience of its own.
pub fn patience(must_go_on: bool) -> Duration {
    Duration::from_millis(if must_go_on { 100 } else { 2000 })
}

const LONGEST_PATH: usize = 256;
