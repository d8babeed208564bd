//! A request head (RFC 9112 §3, §5, §6), read once and strictly.

use std::mem::MaybeUninit;

use crate::http1::{
    MAX_FIELDS,
    body::Framing,
    fields::{Fields, Line, Persistence, Span, ends_in_crlf},
};

/// The minor versions of HTTP/1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

/// What a request head says, as places in its bytes. Reused from request to request on a connection, so that
/// reading one allocates nothing.
#[derive(Debug, Default)]
pub struct RequestHead {
    method: Span,
    /// The method, if it is one of those that nearly all are.
    usual_method: Option<&'static str>,
    target: Span,
    host: Option<Span>,
    version: Version,
    framing: Framing,
    expects_continue: bool,
    connection: Persistence,
    upgrade: bool,
    lines: Vec<Line>,
}

impl RequestHead {
    /// Reads a complete head (as the [scanner](super::HeadScanner) found it: `bytes` ends with its empty line).
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), BadRequest> {
        if self.parse(bytes)? == bytes.len() { Ok(()) } else { Err(BadRequest::Malformed) }
    }

    /// Reads a head that is whole at the front of `bytes`, and returns how long it is: what searching it first and
    /// [reading](Self::read) it then would come to, at less cost. `None` where that would not be a head: they say why.
    pub fn read_at_once(&mut self, bytes: &[u8]) -> Option<usize> {
        let len = self.parse(bytes).ok()?;
        // Nothing stands before its first line, either.
        let is_first = self.method.starts_at(0);
        (is_first && ends_in_crlf(&bytes[..len], &self.lines)).then_some(len)
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<usize, BadRequest> {
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Request::new(&mut []);
        let len = match parsed.parse_with_uninit_headers(bytes, &mut fields) {
            Ok(httparse::Status::Complete(len)) => len,
            Err(httparse::Error::TooManyHeaders) => return Err(BadRequest::TooManyFields),
            // Whatever stands behind the target is a version to httparse, be it the rest of a target with a blank in it.
            Err(httparse::Error::Version) if names_a_version(bytes) => return Err(BadRequest::Version),
            Ok(_) | Err(_) => return Err(BadRequest::Malformed),
        };
        let target = parsed.path.unwrap_or_default();
        // RFC 9112 §3.2 with RFC 3986: visible ASCII, no fragment.
        if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(BadRequest::Target);
        }
        let method = parsed.method.unwrap_or_default();
        self.usual_method = USUAL_METHODS.into_iter().find(|&usual| usual == method);
        self.method = Span::of(method.as_bytes(), bytes);
        self.target = Span::of(target.as_bytes(), bytes);
        self.version = if parsed.version == Some(0) { Version::Http10 } else { Version::Http11 };
        self.lines.clear();
        self.lines.extend(parsed.headers.iter().map(|field| Line::of(field, bytes)));
        self.interpret(bytes)?;
        Ok(len)
    }

    /// What the fields say of framing and of the connection.
    fn interpret(&mut self, bytes: &[u8]) -> Result<(), BadRequest> {
        let (mut length, mut chunked) = (None, false);
        let mut connection = Persistence::default();
        self.host = None;
        self.expects_continue = false;
        self.upgrade = false;
        for line in &self.lines {
            let (name, value) = (line.name.cut(bytes), line.value.cut(bytes));
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                4 if is("host") => {
                    if !value.iter().all(|&byte| is_host_byte(byte)) {
                        return Err(BadRequest::Host);
                    }
                    let earlier = self.host.replace(line.value);
                    // RFC 9112 §3.2: more than one is answered with 400.
                    earlier.map_or(Ok(()), |_| Err(BadRequest::HostTwice))?;
                }
                6 if is("expect") => {
                    // RFC 9110 §10.1.1: the only expectation there is.
                    if !value.eq_ignore_ascii_case(b"100-continue") {
                        return Err(BadRequest::Expectation);
                    }
                    // RFC 9110 §10.1.1: ignored in a HTTP/1.0 request.
                    self.expects_continue = self.version == Version::Http11;
                }
                7 if is("upgrade") => self.upgrade = true,
                10 if is("connection") => connection.read(value),
                14 if is("content-length") => {
                    // RFC 9112 §6.3 lets equal copies pass; a sender that needs two lengths is not one to trust.
                    let earlier = length.replace(parse_length(value).ok_or(BadRequest::Length)?);
                    earlier.map_or(Ok(()), |_| Err(BadRequest::LengthTwice))?;
                }
                17 if is("transfer-encoding") => {
                    // RFC 9112 §6.1: any other coding, or chunked twice, cannot be read safely.
                    if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(BadRequest::TransferCoding);
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        self.framing = match (length, chunked) {
            // RFC 9112 §6.1: "ought to be handled as an error".
            (Some(_), true) => return Err(BadRequest::LengthAndTransferCoding),
            // RFC 9112 §6.1: a HTTP/1.0 message with Transfer-Encoding has faulty framing.
            (None, true) if self.version == Version::Http10 => return Err(BadRequest::TransferCoding),
            (None, true) => Framing::Chunked,
            (Some(0) | None, false) => Framing::Empty,
            (Some(length), false) => Framing::Length(length),
        };
        if self.version == Version::Http11 && self.host.is_none() {
            return Err(BadRequest::HostMissing);
        }
        self.connection = connection;
        Ok(())
    }

    /// The method; methods are case-sensitive.
    pub fn method<'a>(&self, bytes: &'a [u8]) -> &'a str {
        self.usual_method.unwrap_or_else(|| str::from_utf8(self.method.cut(bytes)).unwrap_or_default())
    }

    /// The request target as it came: visible ASCII.
    pub fn target<'a>(&self, bytes: &'a [u8]) -> &'a str {
        str::from_utf8(self.target.cut(bytes)).unwrap_or_default()
    }

    /// The one `Host` field's value.
    pub fn host<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.host.map(|host| host.cut(bytes))
    }

    /// Every field line.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields::new(bytes, &self.lines, self.connection.has_options)
    }

    /// The version it was sent in.
    pub fn version(&self) -> Version {
        self.version
    }

    /// How its body is delimited.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the sender waits for 100 (Continue) before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the sender would use the connection again.
    pub fn keep_alive(&self) -> bool {
        !self.connection.close && (self.version == Version::Http11 || self.connection.keep_alive)
    }

    /// Whether it asks for another protocol.
    pub fn wants_upgrade(&self) -> bool {
        self.upgrade
    }
}

/// Why a request was refused by its framing or form alone. Each ends the connection, since where the next
/// request would start is no longer sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum BadRequest {
    #[error("a line ends in LF without CR")]
    BareLf,
    #[error("the request line or a field line is malformed")]
    Malformed,
    #[error("the request target holds a byte that may not stand there")]
    Target,
    #[error("the HTTP version is neither 1.0 nor 1.1")]
    Version,
    #[error("the head has more than {MAX_FIELDS} fields")]
    TooManyFields,
    #[error("the head is longer than the limit")]
    HeadTooLong,
    #[error("the request line is longer than the limit")]
    TargetTooLong,
    #[error("Host is missing")]
    HostMissing,
    #[error("Host stands there more than once")]
    HostTwice,
    #[error("Host is neither a name nor an address, with or without a port")]
    Host,
    #[error("Content-Length is not a plain number")]
    Length,
    #[error("Content-Length stands there more than once")]
    LengthTwice,
    #[error("Content-Length and Transfer-Encoding stand together")]
    LengthAndTransferCoding,
    #[error("Transfer-Encoding is not exactly one `chunked` in HTTP/1.1")]
    TransferCoding,
    #[error("Expect asks for something other than 100-continue")]
    Expectation,
    #[error("the chunked body is malformed")]
    Chunk,
    #[error("the body ended before it was complete")]
    Incomplete,
}

/// RFC 9110 §9.3 and RFC 5789, as far as an API is asked with them.
const USUAL_METHODS: [&str; 4] = ["GET", "POST", "HEAD", "PUT"];

/// Whether the request line is one, but for which version it names (RFC 9112 §2.3).
fn names_a_version(bytes: &[u8]) -> bool {
    let line =
        bytes.strip_prefix(b"\r\n").unwrap_or(bytes).split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    words.next().is_some_and(|version| version.starts_with(b"HTTP/")) && words.next().is_none()
}

/// RFC 9112 §3.2 with RFC 3986 §3.2.2; no comma, since a list of hosts is none.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&byte)
}

/// RFC 9110 §8.6: digits only, so no sign, no list, no space; and no number that overflows.
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let (&first, rest) = value.split_first()?;
    rest.iter()
        .try_fold(digit(first)?, |length: u64, &byte| length.checked_mul(10)?.checked_add(digit(byte)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::{HeadScanner, Scanned};

    proptest! {
        /// Reading at once is a short cut, never another way.
        #[test]
        fn what_is_read_at_once_is_what_is_searched_and_read(
            lines in proptest::collection::vec(
                ("[A-Za-z:\r\n -]{0,4}(Host|A|Content-Length|Connection)?", "[: ]{0,2}[0-9a\r\n]{0,3}", "\r\n|\n|\r|\r\r\n|"),
                0..4,
            ),
            first in "(\r?\n)?(GET|POST|X) /a HTTP/1.[01](\r\n|\n)",
            end in "\r\n\r\n|\n\r\n|\n\n|\r\n|",
            behind in "[a\r\n]{0,6}",
        ) {
            let lines: String = lines.into_iter().map(|(name, value, end)| name + &value + &end).collect();
            let bytes = format!("{first}Host: a\r\n{lines}{end}{behind}");
            let bytes = bytes.as_bytes();
            let searched = match HeadScanner::default().scan(bytes) {
                Scanned::Complete(len) => Some(len),
                Scanned::Partial | Scanned::BareLf => None,
            };
            let mut slow = RequestHead::default();
            let expected = searched.filter(|&len| slow.read(&bytes[..len]).is_ok());
            let mut fast = RequestHead::default();
            let at_once = fast.read_at_once(bytes);
            // Empty lines before the first belong to no head.
            if bytes.starts_with(b"\r\n") {
                prop_assert_eq!(at_once, None);
            } else {
                prop_assert_eq!(at_once, expected);
                if at_once.is_some() {
                    prop_assert_eq!(format!("{fast:?}"), format!("{slow:?}"));
                }
            }
        }
    }

    fn read(head: &str) -> Result<RequestHead, BadRequest> {
        let mut read = RequestHead::default();
        read.read(head.as_bytes()).map(|()| read)
    }

    #[test]
    fn a_plain_head_is_read() {
        let bytes = "POST /v1/order/placeorder?a=%20b HTTP/1.1\r\nHost: x\r\nX-A:  1 \r\nx-a: 2\r\nContent-Length: 3\r\n\r\n";
        let head = read(bytes).unwrap();
        let bytes = bytes.as_bytes();
        assert_eq!(head.method(bytes), "POST");
        assert_eq!(head.target(bytes), "/v1/order/placeorder?a=%20b");
        assert_eq!(head.framing(), Framing::Length(3));
        assert!(head.keep_alive());
        let values: Vec<_> = head.fields(bytes).all("x-A").collect();
        assert_eq!(values, [b"1", b"2"]);
    }

    #[test]
    fn whatever_two_parsers_could_read_differently_is_refused() {
        for (fields, refused) in [
            ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", BadRequest::LengthAndTransferCoding),
            ("Transfer-Encoding: chunked\r\ncontent-length: 0\r\n", BadRequest::LengthAndTransferCoding),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", BadRequest::LengthTwice),
            ("Content-Length: 1, 1\r\n", BadRequest::Length),
            ("Content-Length: +1\r\n", BadRequest::Length),
            ("Content-Length: -1\r\n", BadRequest::Length),
            ("Content-Length: 0x1\r\n", BadRequest::Length),
            ("Content-Length:\r\n", BadRequest::Length),
            ("Content-Length: 18446744073709551616\r\n", BadRequest::Length),
            ("Transfer-Encoding: gzip, chunked\r\n", BadRequest::TransferCoding),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", BadRequest::TransferCoding),
            ("Transfer-Encoding: chunked, chunked\r\n", BadRequest::TransferCoding),
            ("Transfer-Encoding: identity\r\n", BadRequest::TransferCoding),
            ("Transfer-Encoding: xchunked\r\n", BadRequest::TransferCoding),
            ("Transfer-Encoding:\x0bchunked\r\n", BadRequest::Malformed),
            ("Transfer-Encoding : chunked\r\n", BadRequest::Malformed),
            ("A: b\r\n c\r\n", BadRequest::Malformed),
            ("A\0: b\r\n", BadRequest::Malformed),
            ("A: b\0\r\n", BadRequest::Malformed),
            ("A: b\rc\r\n", BadRequest::Malformed),
            ("Host: x\r\n", BadRequest::HostTwice),
            ("Expect: 200-ok\r\n", BadRequest::Expectation),
            ("Host: a b\r\n", BadRequest::Host),
            ("Host: a/b\r\n", BadRequest::Host),
            ("Host: a@b\r\n", BadRequest::Host),
            ("Host: a, b\r\n", BadRequest::Host),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            assert_eq!(read(&head).unwrap_err(), refused, "{fields:?}");
        }
        for (head, refused) in [
            ("GET / HTTP/1.1\r\n\r\n", BadRequest::HostMissing),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", BadRequest::Version),
            ("\r\nGET / HTTP/2\r\nHost: a\r\n\r\n", BadRequest::Version),
            ("GET / / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest::Malformed),
            ("GET / HTTPS/1.1\r\nHost: a\r\n\r\n", BadRequest::Malformed),
            ("GET / HTTP/2 \r\nHost: a\r\n\r\n", BadRequest::Malformed),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest::Malformed),
            ("GET /\r\n\r\n", BadRequest::Malformed),
            ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest::Target),
            ("GET /ä HTTP/1.1\r\nHost: a\r\n\r\n", BadRequest::Target),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", BadRequest::TransferCoding),
        ] {
            assert_eq!(read(head).unwrap_err(), refused, "{head:?}");
        }
    }

    #[test]
    fn connections_persist_as_the_version_says() {
        for (version, connection, persists) in [
            ("1.1", "", true),
            ("1.1", "Connection: Close\r\n", false),
            ("1.1", "Connection: a\r\nConnection: b, close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
        ] {
            let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
            assert_eq!(read(&head).unwrap().keep_alive(), persists, "{head:?}");
        }
    }
}
