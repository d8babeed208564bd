//! Who is not let in, and what they are told.

use http::StatusCode;

use crate::callers::{CHALLENGE, Listener};

/// Why a request is nobody's who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// Nothing can be made of `Host`.
    #[error("Host is not exactly one name or address, with or without a port")]
    BadHost,
    /// It was led here under a name that is not ours: DNS rebinding, or a name nobody configured.
    #[error("Host names another host than this listener")]
    UnknownHost,
    /// A browser sends it for a page.
    #[error("the request comes from a web page: it has {header}")]
    Page {
        /// What gives it away.
        header: &'static str,
    },
    /// Keys are asked for, and it has none.
    #[error("a caller's key is needed, and the request has none")]
    NoKey,
    /// It has one that nobody has (any more).
    #[error("the request's key is nobody's")]
    WrongKey,
}

/// What a 401 must carry.
pub(super) type Challenge = &'static str;

impl Stranger {
    /// What it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadHost => StatusCode::BAD_REQUEST,
            // RFC 9110 §15.5.20. A client may try again elsewhere, which is harmless: nothing was sent.
            Self::UnknownHost => StatusCode::MISDIRECTED_REQUEST,
            Self::Page { .. } => StatusCode::FORBIDDEN,
            Self::NoKey | Self::WrongKey => StatusCode::UNAUTHORIZED,
        }
    }

    /// Stable: the last part of the problem's `type`, and the label of the metric.
    pub fn code(self) -> &'static str {
        match self {
            Self::BadHost => "bad-host",
            Self::UnknownHost => "unknown-host",
            Self::Page { .. } => "web-page",
            Self::NoKey | Self::WrongKey => "caller-key",
        }
    }

    /// For `WWW-Authenticate`, which a 401 must carry (RFC 9110 §15.5.2).
    pub fn challenge(self) -> Option<&'static str> {
        (self.status() == StatusCode::UNAUTHORIZED).then_some(CHALLENGE)
    }

    /// What to do.
    pub fn help(self, listener: Listener) -> &'static str {
        match (self, listener) {
            (Self::BadHost, _) => "send one Host header that names the proxy, such as localhost",
            (Self::UnknownHost, Listener::Proxy) => {
                "use localhost, a loopback address or the address that the proxy listens on; other names it may be \
                 called by go into TRADOVATE_PROXY_HOSTS"
            }
            (Self::UnknownHost, Listener::Admin) => {
                "use localhost, a loopback address or the address that the admin listener is on; other names it may be \
                 called by go into TRADOVATE_PROXY_ADMIN_HOSTS"
            }
            (Self::Page { .. }, Listener::Proxy) => {
                "call the proxy from a program, not from a page in a browser; for a browser extension or a desktop app \
                 of yours, put the origin that it sends into TRADOVATE_PROXY_ALLOW_ORIGINS"
            }
            (Self::Page { .. }, Listener::Admin) => {
                "type the address into the browser yourself, or use curl; orders are given with `tradovate-proxy session`, \
                 `kill` and `release`"
            }
            (Self::NoKey | Self::WrongKey, Listener::Proxy) => {
                "send the key as `X-Proxy-Key: …` or `Authorization: Bearer …`; `tradovate-proxy key NAME` makes one, \
                 whose digest goes into TRADOVATE_PROXY_CALLER_KEYS"
            }
            (Self::NoKey | Self::WrongKey, Listener::Admin) => {
                "send the key as `X-Proxy-Key: …` or `Authorization: Bearer …` (for status, session, kill, release and healthcheck: set \
                 TRADOVATE_PROXY_ADMIN_KEY_FILE); its digest goes into TRADOVATE_PROXY_ADMIN_KEYS"
            }
        }
    }
}
