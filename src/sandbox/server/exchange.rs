//! One request, from its head to its answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio_util::sync::CancellationToken;

use crate::sandbox::{
    api::{
        self,
        call::{Call, decode, pairs},
        reply::{Content, Reply},
    },
    control::{
        Control,
        faults::{Action, Fault},
        journal::{self, Bearer, Record},
        routes::{self, Told},
    },
    server::{
        body::{AnswerBody, Length},
        head::{self, Head},
        tap::{Break, Wire},
    },
    sessions::later,
    state::Shared,
};

/// What the exchanges of one connection share.
pub(super) struct Connection {
    pub(super) id: u64,
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
        let Head { target, fields } = Head::of(&request, &self.wire.take_read());
        let (parts, body) = request.into_parts();
        let path = decode(parts.uri.path()).to_ascii_lowercase();
        if let Some(rest) =
            path.strip_prefix("/sandbox").filter(|rest| rest.is_empty() || rest.starts_with('/'))
        {
            return self.control(&parts, rest, body).await;
        }
        let fault = self.shared.lock().faults.take(&path);
        let unread = fault.as_ref().is_some_and(|fault| fault.action == Action::ResetUnread);
        let read = if unread { Ok((Bytes::new(), HeaderMap::new())) } else { read(body).await };
        self.wire.take_read();
        let (body, trailers) = match &read {
            Ok((body, trailers)) => (body.clone(), trailers.clone()),
            Err(_) => (Bytes::new(), HeaderMap::new()),
        };
        let call = Call {
            path: below_v1(&path),
            query: pairs(parts.uri.query().unwrap_or_default()),
            headers: &parts.headers,
            body: &body,
        };
        let now = self.shared.clock.now();
        let record = Record {
            sequence: 0,
            time: now,
            connection: self.id,
            version: format!("{:?}", parts.version),
            method: parts.method.to_string(),
            target,
            headers: fields,
            trailers: head::grouped(&trailers),
            body: journal::body(&path, &body),
            bearer: None,
            status: None,
            is_faulted: fault.is_some(),
        };
        let sequence = self.note(record, &call);
        match read {
            Ok(_) => {}
            Err(Unread::TooLong) => {
                return Ok(self.answered(sequence, plain(&Reply::empty(StatusCode::PAYLOAD_TOO_LARGE))));
            }
            // A request that ends before its body does was never made.
            Err(Unread::Broken) => return Err(Severed),
        }
        if !names_one_host(&parts) {
            return Ok(self.answered(sequence, plain(&Reply::empty(StatusCode::BAD_REQUEST))));
        }
        let works = fault.as_ref().is_none_or(|fault| fault.handled || fault.action.keeps_the_answer());
        let reply = works.then(|| self.work(&call));
        let Some(fault) = fault else {
            let reply = reply.unwrap_or_else(Reply::not_found);
            return Ok(self.answered(sequence, plain(&reply)));
        };
        let response = self.spoil(&fault, reply, parts.version).await?;
        Ok(if matches!(fault.action, Action::Raw { .. }) {
            response
        } else {
            self.answered(sequence, response)
        })
    }

    async fn control(
        &self,
        parts: &http::request::Parts,
        rest: &str,
        body: Incoming,
    ) -> Result<Response<AnswerBody>, Severed> {
        let (body, _) = read(body).await.map_err(|_| Severed)?;
        let control = Control::new(Arc::clone(&self.shared));
        let query = parts.uri.query().unwrap_or_default();
        let told = routes::answer(&control, &self.ca_pem, (&parts.method, rest, query), &body);
        let (status, kind, body) = match told {
            Told::Json(status, value) => (status, JSON, AnswerBody::whole(Bytes::from(value.to_string()))),
            Told::Text(text) => (StatusCode::OK, TEXT, AnswerBody::whole(Bytes::from(text))),
            Told::Filling(bytes) => (StatusCode::OK, BYTES, AnswerBody::huge(bytes, Length::Declared)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
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

    async fn spoil(
        &self,
        fault: &Fault,
        reply: Option<Reply>,
        version: Version,
    ) -> Result<Response<AnswerBody>, Severed> {
        if fault.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
        if version <= Version::HTTP_11 && !fault.informational.is_empty() {
            self.wire.put_before(Bytes::from(interim(&fault.informational)));
        }
        let reply = reply.unwrap_or_else(|| Reply::empty(StatusCode::OK));
        let length = reply.bytes().len();
        Ok(match &fault.action {
            Action::Pass => plain(&reply),
            Action::TruncatedJson => plain(&Reply {
                status: reply.status,
                content: Content::Json(reply.bytes().slice(..length / 2)),
            }),
            Action::CutBody { after_bytes } => {
                let mut response = plain(&reply).map(|body| body.cut(*after_bytes));
                response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                response
            }
            Action::Drip { bytes, pause_ms } => {
                plain(&reply).map(|body| body.dripping(*bytes, Duration::from_millis(*pause_ms)))
            }
            Action::Trailers { fields } => with_trailers(&reply, fields.iter()),
            Action::Respond { status, headers, body } => made_up(*status, headers, body),
            Action::Redirect { location } => {
                let location = [("location".to_owned(), location.clone())];
                made_up(StatusCode::TEMPORARY_REDIRECT.as_u16(), &location, "")
            }
            Action::Penalty { seconds, captcha } => plain(&self.penalty(*seconds, *captcha)),
            Action::Empty => plain(&Reply::empty(StatusCode::OK)),
            Action::EmptyJson => plain(&json("{}")),
            Action::GarbageJson => plain(&json("{\"accessToken\": \"SIM-")),
            Action::Html => {
                let kind = [("content-type".to_owned(), "text/html; charset=utf-8".to_owned())];
                made_up(200, &kind, "<!doctype html><title>Service</title><p>Please try again later.")
            }
            Action::Huge { .. } if reply.status != StatusCode::OK => plain(&reply),
            Action::Huge { bytes, chunked } => {
                let length = if *chunked { Length::Chunked } else { Length::Declared };
                let mut response = plain(&json("")).map(|_| AnswerBody::huge(*bytes, length));
                response.headers_mut().insert(header::CONTENT_TYPE, BYTES);
                response
            }
            Action::Raw { text } => {
                self.wire.put_instead(Bytes::from(text.clone()));
                // Never written: it only makes the HTTP stack end the connection.
                made_up(200, &[("connection".to_owned(), "close".to_owned())], "")
            }
            Action::Hang => {
                self.stop.cancelled().await;
                return Err(self.sever(Break::Close));
            }
            Action::Close => return Err(self.sever(Break::Close)),
            Action::Reset | Action::ResetUnread => return Err(self.sever(Break::Reset)),
        })
    }

    fn sever(&self, how: Break) -> Severed {
        self.wire.sever(how);
        Severed
    }

    fn penalty(&self, seconds: u64, captcha: bool) -> Reply {
        let now = self.shared.clock.now();
        let until = later(now, Duration::from_secs(seconds));
        Reply::penalty(&self.shared.lock().sessions.limits.penalty(until, now, captcha))
    }

    /// Completes an answer with what every answer of the broker carries, and tells the journal.
    fn answered(&self, sequence: u64, mut response: Response<AnswerBody>) -> Response<AnswerBody> {
        let now = self.shared.clock.now();
        let headers = response.headers_mut();
        if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)
            && let Ok(date) = HeaderValue::try_from(date)
        {
            headers.entry(header::DATE).or_insert(date);
        }
        headers.insert(header::VIA, HeaderValue::from_static("1.1 google"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if let Some(record) = self.shared.lock().journal.get_mut(sequence) {
            record.status = Some(response.status().as_u16());
        }
        self.shared.announce();
        response
    }
}

/// Tradovate: everything is below `/v1`; only the OAuth token endpoint answers outside it too.
fn below_v1(path: &str) -> &str {
    match path.strip_prefix("/v1/") {
        Some(below) => below,
        None if path == "/auth/oauthtoken" => "auth/oauthtoken",
        None => "",
    }
}

/// RFC 9112 §3.2: an HTTP/1.1 request without exactly one `Host` is a 400.
fn names_one_host(parts: &http::request::Parts) -> bool {
    parts.version != Version::HTTP_11 || parts.headers.get_all(header::HOST).iter().count() == 1
}

enum Unread {
    TooLong,
    Broken,
}

async fn read(body: Incoming) -> Result<(Bytes, HeaderMap), Unread> {
    let collected = Limited::new(body, LARGEST_BODY).collect().await;
    let collected = collected
        .map_err(|error| if error.is::<LengthLimitError>() { Unread::TooLong } else { Unread::Broken })?;
    let trailers = collected.trailers().cloned().unwrap_or_default();
    Ok((collected.to_bytes(), trailers))
}

fn plain(reply: &Reply) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(reply.bytes()));
    *response.status_mut() = reply.status;
    if let Content::Json(_) = reply.content {
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    }
    response
}

fn json(text: &'static str) -> Reply {
    Reply { status: StatusCode::OK, content: Content::Json(Bytes::from_static(text.as_bytes())) }
}

fn made_up(status: u16, headers: &[(String, String)], body: &str) -> Response<AnswerBody> {
    let declares_length = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body = Bytes::from(body.to_owned());
    // A length that the fault states itself is the one that is sent, right or wrong.
    let body = if declares_length { AnswerBody::whole(body).cut(u64::MAX) } else { AnswerBody::whole(body) };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn with_trailers<'a>(
    reply: &Reply,
    fields: impl Iterator<Item = (&'a String, &'a String)>,
) -> Response<AnswerBody> {
    let mut trailers = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            trailers.append(name, value);
        }
    }
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    let names = HeaderValue::try_from(names.join(", "));
    let mut response = plain(reply).map(|body| body.with_trailers(trailers));
    if let Ok(names) = names {
        response.headers_mut().insert(header::TRAILER, names);
    }
    response
}

fn interim(statuses: &[u16]) -> String {
    let line = |status: &u16| {
        let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        format!("HTTP/1.1 {status} {}\r\n\r\n", reason.unwrap_or_default())
    };
    statuses.iter().map(line).collect()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The largest request body that is taken, in bytes.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
