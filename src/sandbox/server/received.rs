//! A request that has been read.

use bytes::Bytes;
use http::{HeaderMap, Request, Version, header, request::Parts, uri::Authority};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::sandbox::{
    api::call::{Call, SentTo, decode, pairs},
    control::journal::{self, Record},
    server::{
        head::{self, Head},
        tap::Wire,
    },
};

/// A request, whole or as far as it came.
pub(super) struct Received {
    pub(super) parts: Parts,
    /// Decoded, in lower case.
    pub(super) path: String,
    pub(super) body: Bytes,
    pub(super) reading: Reading,
    trailers: HeaderMap,
    head: Head,
}

/// How reading a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// At its end, or before its beginning where it is to be left unread.
    Done,
    /// At the most that is taken.
    TooLong,
    /// With the connection.
    Broken,
}

/// Takes the head of a request in; `body` is still to be read.
pub(super) fn begin(request: Request<Incoming>, wire: &Wire) -> (Received, Incoming) {
    let head = Head::of(&request, &wire.take_read());
    let (parts, body) = request.into_parts();
    let path = decode(parts.uri.path()).to_ascii_lowercase();
    let (trailers, reading) = (HeaderMap::new(), Reading::Done);
    (Received { parts, path, body: Bytes::new(), reading, trailers, head }, body)
}

impl Received {
    /// Reads the body.
    pub(super) async fn read(&mut self, body: Incoming, wire: &Wire) {
        match Limited::new(body, LARGEST_BODY).collect().await {
            Ok(collected) => {
                self.trailers = collected.trailers().cloned().unwrap_or_default();
                self.body = collected.to_bytes();
            }
            Err(error) if error.is::<LengthLimitError>() => self.reading = Reading::TooLong,
            Err(_) => self.reading = Reading::Broken,
        }
        // What was kept of it would stand before the next request's head.
        wire.take_read();
    }

    /// The path of the control API that it is meant for, without `/sandbox`, if it is.
    pub(super) fn control_path(&self) -> Option<&str> {
        self.path.strip_prefix("/sandbox").filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The request as the broker reads it.
    pub(super) fn call(&self, scheme: &'static str) -> Call<'_> {
        Call {
            path: below_v1(&self.path),
            query: pairs(self.parts.uri.query().unwrap_or_default()),
            sent_to: SentTo { scheme, authority: self.authority(), target: &self.head.target },
            headers: &self.parts.headers,
            body: &self.body,
        }
    }

    /// The request as the journal keeps it.
    pub(super) fn record(&self, connection: u64, time: Timestamp) -> Record {
        Record {
            sequence: 0,
            time,
            connection,
            version: format!("{:?}", self.parts.version),
            method: self.parts.method.to_string(),
            host: self.authority().to_owned(),
            target: self.head.target.clone(),
            headers: self.head.fields.clone(),
            trailers: head::grouped(&self.trailers),
            body: journal::body(&self.path, &self.body),
            bearer: None,
            status: None,
            is_faulted: false,
        }
    }

    /// Host and port that it is for: over HTTP/2 they are part of the URI (RFC 9113 §8.3.1).
    fn authority(&self) -> &str {
        let field = self.parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        self.parts.uri.authority().map(Authority::as_str).or(field).unwrap_or_default()
    }

    /// RFC 9112 §3.2: an HTTP/1.1 request without exactly one `Host` is a 400.
    pub(super) fn names_one_host(&self) -> bool {
        let hosts = self.parts.headers.get_all(header::HOST).iter().count();
        self.parts.version != Version::HTTP_11 || hosts == 1
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

/// The largest request body that is taken, in bytes.
const LARGEST_BODY: usize = 8 * 1024 * 1024;
