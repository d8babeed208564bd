//! Answers on their way to the wire.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Body as _;
use jiff::{Timestamp, fmt::rfc2822::DateTimePrinter};

use crate::sandbox::{
    api::reply::{Content, Reply},
    control::routes::Told,
    server::body::{AnswerBody, Length},
};

/// An answer of the broker's own.
pub(super) fn plain(reply: &Reply) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::whole(reply.bytes()));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    match &reply.content {
        Content::Json(_) => drop(headers.insert(header::CONTENT_TYPE, JSON)),
        Content::Elsewhere(location) => {
            if let Ok(location) = HeaderValue::try_from(location) {
                headers.insert(header::LOCATION, location);
            }
        }
        Content::Empty | Content::Text(_) => {}
    }
    response
}

/// 200 with a body that calls itself JSON.
pub(super) fn json(text: &'static str) -> Reply {
    Reply { status: StatusCode::OK, content: Content::Json(Bytes::from_static(text.as_bytes())) }
}

/// An answer that a fault makes up.
pub(super) fn made_up(status: u16, headers: &[(String, String)], body: &str) -> Response<AnswerBody> {
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

/// An answer, chunked, with fields after it.
pub(super) fn with_trailers<'a>(
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

/// Interim responses as they go on the wire (RFC 9110 §15.2).
pub(super) fn interim(statuses: &[u16]) -> String {
    let line = |status: &u16| {
        let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
        format!("HTTP/1.1 {status} {}\r\n\r\n", reason.unwrap_or_default())
    };
    statuses.iter().map(line).collect()
}

/// What a HEAD gets of an answer (RFC 9110 §9.3.2). Over HTTP/1.1 hyper sees to that; over HTTP/2 it does not.
pub(super) fn to_head(mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    response.map(AnswerBody::without_content)
}

/// Puts on an answer what every answer of the broker carries.
pub(super) fn complete(response: &mut Response<AnswerBody>, now: Timestamp) {
    let headers = response.headers_mut();
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now)
        && let Ok(date) = HeaderValue::try_from(date)
    {
        headers.entry(header::DATE).or_insert(date);
    }
    // Tradovate: the public front end, as seen in pasted answers.
    headers.insert(header::VIA, HeaderValue::from_static("1.1 google"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
}

/// An answer of the control API.
pub(super) fn told(told: Told) -> Response<AnswerBody> {
    let (status, kind, body) = match told {
        Told::Json(status, value) => (status, JSON, AnswerBody::whole(Bytes::from(value.to_string()))),
        Told::Text(text) => (StatusCode::OK, TEXT, AnswerBody::whole(Bytes::from(text))),
        Told::Filling(bytes) => (StatusCode::OK, BYTES, AnswerBody::huge(bytes, Length::Declared)),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
