//! HTTP/1.1 messages, read as strictly as RFC 9112 allows: whatever a lenient reader would forgive fails the test.

use serde_json::Value;

/// A start line and its fields.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    /// In the order and case in which they came.
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// Reads a whole head, `bytes` ending with its empty line.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = str::from_utf8(bytes).expect("a head in ASCII");
        let text = text.strip_suffix("\r\n\r\n").expect("a head that ends with an empty line");
        let mut lines = text.split("\r\n");
        let start = lines.next().expect("a start line").to_owned();
        let fields = lines.map(field).collect();
        Self { start, fields }
    }

    /// The values of a field, in order, whatever the case of its name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.fields.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The value of a field that stands there once, or not at all.
    pub(crate) fn only<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        let mut values = self.all(name);
        let first = values.next();
        assert_eq!(values.next(), None, "{name} stands there twice: {self:?}");
        first
    }

    /// How the body is delimited, unless the message kind says that there is none.
    pub(crate) fn framing(&self) -> Framing {
        match (self.only("content-length"), self.only("transfer-encoding")) {
            (Some(_), Some(_)) => panic!("two framings (RFC 9112 §6.3): {self:?}"),
            (Some(length), None) => Framing::Length(length.parse().expect("a length")),
            (None, Some(coding)) => {
                assert_eq!(coding, "chunked");
                Framing::Chunked
            }
            (None, None) => Framing::None,
        }
    }
}

/// Where a head ends, if it does.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// Splits a field line. RFC 9112 §5.1: no space before the colon; §5.2: no folding.
pub(crate) fn field(line: &str) -> (String, String) {
    assert!(!line.contains(['\r', '\n', '\0']), "a stray control character in {line:?}");
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field line: {line:?}"));
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    assert!(!name.is_empty() && name.bytes().all(is_token), "no field name: {name:?}");
    (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// The head does not say.
    None,
    Length(usize),
    Chunked,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Interim answers before it.
    pub(crate) interim: Vec<Head>,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        status(&self.head)
    }

    /// The value of a field that stands there once, or not at all.
    pub(crate) fn header<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.head.only(name)
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("a body that is text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The `code` of a problem (RFC 9457) that the proxy made; fails if it is none.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        self.json()["code"].as_str().expect("a code").to_owned()
    }

    /// What the proxy says of a request that it could not pass on.
    pub(crate) fn outcome(&self) -> Option<&str> {
        self.header("x-proxy-outcome")
    }
}

/// The status in a status line. RFC 9112 §4: three digits, and a space even before an empty reason.
pub(crate) fn status(head: &Head) -> u16 {
    let rest = head.start.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("no status line: {head:?}"));
    let (digits, _reason) = rest.split_once(' ').unwrap_or_else(|| panic!("no reason phrase: {head:?}"));
    assert_eq!(digits.len(), 3, "{head:?}");
    digits.parse().expect("a status")
}
