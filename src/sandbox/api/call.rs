//! A request as the simulated broker reads it.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use crate::sandbox::api::reply::Reply;

/// A request: method is not part of it, since Tradovate does not insist on methods. Not
/// `Debug`: it holds the bearer.
pub(crate) struct Call<'a> {
    /// Decoded, in lower case, without `/v1/`. Tradovate: paths are case-insensitive.
    pub(crate) path: &'a str,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) sent_to: SentTo<'a>,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// Where a request was sent, as it says itself.
#[derive(Clone, Copy)]
pub(crate) struct SentTo<'a> {
    pub(crate) scheme: &'static str,
    /// Host, and port if it is not the usual one.
    pub(crate) authority: &'a str,
    /// Path and query, byte for byte.
    pub(crate) target: &'a str,
}

impl SentTo<'_> {
    /// The host alone.
    pub(crate) fn host(&self) -> &str {
        self.split().0
    }

    /// The same place at another host, as a URL.
    pub(crate) fn at(&self, host: &str) -> String {
        let Self { scheme, target, .. } = self;
        format!("{scheme}://{host}{}{target}", self.split().1)
    }

    /// Host, and port with its colon. An IPv6 address stands in brackets (RFC 3986 §3.2.2).
    fn split(&self) -> (&str, &str) {
        let colon = self.authority.rfind(':').filter(|&at| !self.authority[at..].contains(']'));
        self.authority.split_at(colon.unwrap_or(self.authority.len()))
    }
}

impl Call<'_> {
    /// The body as JSON, or the answer to one that is not. Tradovate: 400 for malformed JSON or a wrong type.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Reply> {
        serde_json::from_slice(self.body).map_err(|_| Reply::empty(StatusCode::BAD_REQUEST))
    }

    /// A query parameter. Tradovate: names are case-insensitive, as paths are.
    pub(crate) fn parameter(&self, name: &str) -> Result<&str, Reply> {
        let parameter = self.query.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        parameter.map(|(_, value)| value.as_str()).ok_or_else(|| Reply::empty(StatusCode::BAD_REQUEST))
    }

    /// A query parameter that is a number.
    pub(crate) fn id(&self, name: &str) -> Result<i64, Reply> {
        self.parameter(name)?.parse().map_err(|_| Reply::empty(StatusCode::BAD_REQUEST))
    }

    /// A query parameter that is a list of numbers.
    pub(crate) fn ids(&self, name: &str) -> Result<Vec<i64>, Reply> {
        let ids = self.parameter(name)?.split(',').map(|id| id.trim().parse());
        ids.collect::<Result<_, _>>().map_err(|_| Reply::empty(StatusCode::BAD_REQUEST))
    }
}

/// `name=value&…`, decoded.
pub(crate) fn pairs(encoded: &str) -> Vec<(String, String)> {
    let pairs = encoded.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| decode(&text.replace('+', " ")).into_owned();
        (plain(name), plain(value))
    });
    pairs.collect()
}

/// Percent-decodes (RFC 3986 §2.1); what does not decode to UTF-8 stays as it is.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_at_another_host() {
        let at = |authority| SentTo { scheme: "http", authority, target: "/v1/order/list?a=b" };
        assert_eq!(at("a.localhost:9000").at("b.localhost"), "http://b.localhost:9000/v1/order/list?a=b");
        assert_eq!(at("[::1]").at("b.localhost"), "http://b.localhost/v1/order/list?a=b");
        assert_eq!((at("[::1]:9000").host(), at("a").host(), at("a:1").host()), ("[::1]", "a", "a"));
    }

    #[test]
    fn queries_are_decoded() {
        let expected = [("t", "E S"), ("l", "3"), ("x", "100%"), ("", "y"), ("z", "")];
        let expected: Vec<_> = expected.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        assert_eq!(pairs("t=E+S&l=%33&x=100%&=y&&z"), expected);
        assert_eq!(decode("/v1/%6Frder/%zz"), "/v1/order/%zz");
    }
}
