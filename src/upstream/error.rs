//! What can go wrong on the way to upstream, and what is then known of the request.

use std::io;

use crate::{http1::BadResponse, hygiene::Echoed};

/// A request that got no whole answer.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// What went wrong.
    #[source]
    pub error: UpstreamError,
    /// What is known of the request.
    pub sent: Sent,
}

/// Whether upstream can have seen any of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it left this process, or over HTTP/2 no byte of the body without which it cannot be carried out: it is
    /// certain that nothing happened.
    No,
    /// At least one byte was handed to the network: what came of it is unknown.
    Maybe,
}

/// What went wrong between us and upstream.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum UpstreamError {
    #[error("cannot connect ({0})")]
    Connect(#[source] io::Error),
    #[error("no connection within the time allowed")]
    ConnectTimeout,
    #[error("the TLS handshake failed ({0})")]
    Tls(#[source] io::Error),
    #[error("the TLS handshake took longer than allowed")]
    TlsTimeout,
    #[error("the request could not be written")]
    Write(#[source] io::Error),
    #[error("the request could not be written within the time allowed")]
    WriteTimeout,
    #[error("the connection closed before an answer began")]
    ClosedEarly,
    #[error("the connection broke")]
    Read(#[source] io::Error),
    #[error("no answer within the time allowed")]
    HeadTimeout,
    #[error("the answer is not valid HTTP: {0}")]
    BadResponse(#[from] BadResponse),
    #[error("the answer holds the access token that the request was sent with, so it is withheld")]
    TokenEchoed,
    #[error("the answer stalled")]
    BodyTimeout,
    #[error("the answer ended before it was complete")]
    Truncated,
    #[error("HTTP/2 failed")]
    Http2(#[source] hyper::Error),
    #[error("the request has no form in HTTP/2")]
    NoHttp2Form,
}

impl From<Echoed> for UpstreamError {
    fn from(Echoed: Echoed) -> Self {
        tracing::error!(
            "upstream's answer held the access token that the request was sent with, so the caller got none; an API that \
             repeats credentials should not be behind this proxy"
        );
        Self::TokenEchoed
    }
}

impl UpstreamError {
    /// Whether upstream was too slow, rather than broken.
    pub fn is_timeout(&self) -> bool {
        matches!(
            self,
            Self::ConnectTimeout
                | Self::TlsTimeout
                | Self::WriteTimeout
                | Self::HeadTimeout
                | Self::BodyTimeout
        )
    }

    /// Whether no connection came about.
    pub fn is_connect(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::ConnectTimeout | Self::Tls(_) | Self::TlsTimeout)
    }

    /// Whether the connection died before a byte of the answer: on a connection that was used before, the mark
    /// of one that upstream had already given up.
    pub fn is_stale_connection(&self) -> bool {
        matches!(self, Self::Write(_) | Self::ClosedEarly)
    }

    pub(super) fn not_sent(self) -> Failure {
        Failure { error: self, sent: Sent::No }
    }

    pub(super) fn maybe_sent(self) -> Failure {
        Failure { error: self, sent: Sent::Maybe }
    }
}
