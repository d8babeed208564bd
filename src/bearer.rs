//! The one form in which an access token leaves the process.

use std::fmt;

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// `Bearer <token>`, validated and built once when the token is published, so that a request only copies it.
///
/// `Debug` prints a placeholder, there is no `Display`, and the value inside is marked sensitive, so that a
/// header map or an HTTP/2 encoder that holds it prints and indexes nothing.
#[derive(Clone)]
pub struct Bearer(HeaderValue);

impl Bearer {
    /// Builds the header value, or says why this token can never be sent: empty, longer than
    /// [`MAX_TOKEN_BYTES`], or holding a byte outside `b64token` (RFC 6750 §2.1).
    pub fn new(token: &SecretString) -> Result<Self, UnusableToken> {
        let token = token.expose_secret();
        if token.is_empty() {
            return Err(UnusableToken::Empty);
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err(UnusableToken::TooLong { bytes: token.len() });
        }
        if !token.bytes().all(is_b64token) {
            return Err(UnusableToken::ForbiddenByte);
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| UnusableToken::ForbiddenByte)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }

    /// The header value, for a header map.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }

    /// The header value as the bytes that go on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(redacted)")
    }
}

/// Why a token cannot be used. Says nothing of the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnusableToken {
    /// The answer held an empty string where the token belongs.
    #[error("the access token is empty")]
    Empty,
    /// Longer than any token seen; header blocks that large are refused by servers.
    #[error("the access token has {bytes} bytes, more than {MAX_TOKEN_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// A byte that could split or end the header line, or that RFC 6750 does not allow in a token.
    #[error("the access token holds a byte that no bearer token may hold")]
    ForbiddenByte,
}

/// Longest token accepted, in bytes. Tradovate: 68 to 200 characters in old samples, JWT-like (some hundred)
/// lately.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// `b64token` of RFC 6750 §2.1.
fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_could_split_a_header_is_refused() {
        for bad in ["a\r\nX: y", "a b", "a\0", "ä", "a,b"] {
            assert_eq!(Bearer::new(&bad.into()).unwrap_err(), UnusableToken::ForbiddenByte, "{bad:?}");
        }
        assert_eq!(Bearer::new(&"".into()).unwrap_err(), UnusableToken::Empty);
        let long = "a".repeat(MAX_TOKEN_BYTES + 1);
        assert!(matches!(Bearer::new(&long.into()), Err(UnusableToken::TooLong { .. })));
    }

    #[test]
    fn nothing_prints_the_token() {
        let bearer = Bearer::new(&"canary-token".into()).unwrap();
        assert_eq!(bearer.as_bytes(), b"Bearer canary-token");
        assert!(!format!("{bearer:?} {:?}", bearer.value()).contains("canary"));
    }
}
