//! One request about a token, put on the wire once, and its whole answer.
//!
//! Every [`TokenSource`](crate::auth::TokenSource) speaks through this and through nothing else. It is apart from what
//! forwards callers' requests: no pool, no redirects, no proxy from the environment, no retries, and an answer of
//! bounded length. A login or a refresh token is put on the wire once per call, so every convenience that might put
//! it there twice, or carry it elsewhere, is off.

mod failure;
mod resolver;

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{Response, redirect, retry};
use secrecy::zeroize::Zeroizing;
use serde::de::DeserializeOwned;

use crate::{
    auth::source::{ErrorText, SourceError},
    bearer::Bearer,
};

/// Carries requests that hold credentials. Holds none itself: clones are as good.
#[derive(Clone, Debug)]
pub struct Courier {
    http: reqwest::Client,
}

/// How long one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS handshake.
    pub connect: Duration,
    /// The whole call, from the first step to the answer's last byte. Must exceed `connect`, or an attempt that
    /// sent nothing could not be told from one whose fate is unknown.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(15) }
    }
}

impl Courier {
    /// Makes one; sends nothing. `tls` says which roots are trusted.
    ///
    /// # Errors
    /// When the HTTP client cannot be built, which says something about this program and not about its user.
    pub fn new(mut tls: rustls::ClientConfig, timeouts: Timeouts) -> Result<Self, reqwest::Error> {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(resolver::LocalFirst)
            .referer(false)
            .retry(retry::never())
            // A connection that was idle may be dead, and what was sent on it neither here nor there.
            .pool_max_idle_per_host(0)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total.max(timeouts.connect + Duration::from_secs(1)))
            .user_agent(concat!("tradovate-proxy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http })
    }

    /// Asks `url`, with `bearer`'s permission.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read.
    pub async fn ask(&self, url: &str, bearer: &Bearer) -> Result<Answer, SourceError> {
        let request = Request::get(url)
            .header(header::ACCEPT, JSON)
            .header(header::AUTHORIZATION, bearer.value().clone())
            .body(Bytes::new())
            .map_err(|_| UNWRITABLE)?;
        self.carry(request).await
    }

    /// Sends `body` to `url`.
    ///
    /// # Errors
    /// When there is no answer, or none that can be read.
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer, SourceError> {
        let mut request = Request::post(url).body(body).map_err(|_| UNWRITABLE)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::ACCEPT, JSON);
        self.carry(request).await
    }

    /// Whether there is an answer at `url` that is no server's error. Asks without credentials, and waits less
    /// than for an answer that matters.
    pub async fn is_answered(&self, url: &str) -> bool {
        let answered = self.http.get(url).timeout(PROBE_PATIENCE).send().await;
        answered.is_ok_and(|response| !response.status().is_server_error())
    }

    async fn carry(&self, request: Request<Bytes>) -> Result<Answer, SourceError> {
        let request = reqwest::Request::try_from(request).map_err(|_| UNWRITABLE)?;
        let response = self.http.execute(request).await.map_err(failure::classify)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = match read(response).await {
            Ok(body) => body,
            // An error status says enough without its body.
            Err(_) if !status.is_success() => Zeroizing::default(),
            Err(error) => return Err(error),
        };
        Ok(Answer { status, date: headers.get(header::DATE).cloned(), body })
    }
}

/// What came back. `Debug` shows the status alone: the rest may hold a token.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its `Date`, as it came.
    pub date: Option<HeaderValue>,
    /// Its body; empty where the status is an error's and the body cannot be read.
    pub body: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// Upstream's clock when it answered (RFC 9110 §6.6.1), if it says so legibly.
    pub fn server_date(&self) -> Option<Timestamp> {
        let date = self.date.as_ref()?;
        DateTimeParser::new().parse_timestamp(date.as_bytes()).ok()
    }

    /// The JSON object in the body.
    ///
    /// # Errors
    /// When it is no object, or not of this form.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, SourceError> {
        let malformed = SourceError::Malformed { what: "it is not the JSON expected" };
        // Serde would read a list as a struct, field by field.
        if !self.body.trim_ascii_start().starts_with(b"{") {
            return Err(malformed);
        }
        serde_json::from_slice(&self.body).map_err(|_| malformed)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Upstream's words as they may be told: none of them where they repeat one of `secrets`.
pub fn words(text: &str, secrets: &[&str]) -> ErrorText {
    ErrorText::new(if repeats(text, secrets) { REPEATING } else { text })
}

/// Whether `text` repeats one of `secrets`.
pub fn repeats(text: &str, secrets: &[&str]) -> bool {
    secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret))
}

async fn read(mut response: Response) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let mut body = Zeroizing::new(Vec::with_capacity(LARGEST_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(failure::classify)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(SourceError::Malformed { what: "it is longer than 64 KiB" });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What cannot happen to addresses that were checked when they were read.
const UNWRITABLE: SourceError = SourceError::Malformed { what: "the request cannot be written" };

/// What stands for words that would carry a secret into the log.
const REPEATING: &str = "(upstream's words repeat a secret and are left out)";

/// In bytes. Real answers have one kilobyte.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How long upstream may take to show that it is there: twice this and the wait between must stay below the 15 s in
/// which service is to be back.
const PROBE_PATIENCE: Duration = Duration::from_secs(4);
