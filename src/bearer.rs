//! The one form in which an access token leaves the process.

use std::{fmt, sync::Arc};

use http::HeaderValue;
use memchr::memmem::Finder;
use secrecy::{ExposeSecret, SecretString};

/// `Bearer <token>`, validated and built once when the token is published, so that a request only copies it.
///
/// `Debug` prints a placeholder, there is no `Display`, and the value inside is marked sensitive, so that a
/// header map or an HTTP/2 encoder that holds it prints and indexes nothing.
#[derive(Clone)]
pub struct Bearer(Arc<Form>);

struct Form {
    value: HeaderValue,
    /// Finds the token in what comes back; nothing, if it is too short to be told from a word.
    finder: Option<Finder<'static>>,
}

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
        let finder = (token.len() >= LEAST_TELLING).then(|| Finder::new(token).into_owned());
        Ok(Self(Arc::new(Form { value, finder })))
    }

    /// The header value, for a header map.
    pub fn value(&self) -> &HeaderValue {
        &self.0.value
    }

    /// The header value as the bytes that go on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.value.as_bytes()
    }

    /// Whether the token stands in `bytes`, as it is.
    pub fn stands_in(&self, bytes: &[u8]) -> bool {
        self.0.finder.as_ref().is_some_and(|finder| finder.find(bytes).is_some())
    }

    /// How many bytes at the end of `bytes` are a beginning of the token, and so may go on to be all of it.
    pub fn begins_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let Some(finder) = &self.0.finder else { return 0 };
        let token = finder.needle();
        let (Some(&first), Some(most)) = (token.first(), token.len().checked_sub(1)) else { return 0 };
        let tail = &bytes[bytes.len().saturating_sub(most)..];
        let begins = memchr::memchr_iter(first, tail).find(|&at| token.starts_with(&tail[at..]));
        begins.map_or(0, |at| tail.len() - at)
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

/// Shortest token, in bytes, that is looked for in answers. RFC 6749 §10.10 asks for 128 bits that nobody guesses, and
/// those take 22 characters; a shorter one is somebody's placeholder.
const LEAST_TELLING: usize = 16;

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
    fn the_token_is_found_where_it_stands_and_where_it_may_begin() {
        let bearer = Bearer::new(&"abcabdabcabcabda".into()).unwrap();
        assert!(bearer.stands_in(b"x: Bearer abcabdabcabcabda."));
        assert!(!bearer.stands_in(b"abcabdabcabcabd abcabdabcabcabdA"));
        for (bytes, begun) in [
            ("", 0),
            ("x", 0),
            ("xa", 1),
            ("ab", 2),
            ("abx", 0),
            ("xabcabda", 7),
            ("abcabdabcabcabd", 15),
            ("bcabda", 1),
        ] {
            assert_eq!(bearer.begins_at_the_end_of(bytes.as_bytes()), begun, "{bytes}");
        }
        let short = Bearer::new(&"in".into()).unwrap();
        assert!(!short.stands_in(b"in"));
        assert_eq!(short.begins_at_the_end_of(b"i"), 0);
    }

    #[test]
    fn nothing_prints_the_token() {
        let bearer = Bearer::new(&"canary-token".into()).unwrap();
        assert_eq!(bearer.as_bytes(), b"Bearer canary-token");
        assert!(!format!("{bearer:?} {:?}", bearer.value()).contains("canary"));
    }
}
