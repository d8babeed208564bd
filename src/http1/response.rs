//! A response head (RFC 9112 §4, §5, §6), read as strictly as a request's: an upstream can be wrong or hostile.

use std::mem::MaybeUninit;

use http::StatusCode;

use crate::http1::{
    MAX_FIELDS,
    body::Framing,
    fields::{Fields, Line, Persistence, Span, ends_in_crlf},
    request::parse_length,
};

/// What a response head says, as places in its bytes. Reused like [`RequestHead`](super::RequestHead).
#[derive(Debug, Default)]
pub struct ResponseHead {
    status: StatusCode,
    reason: Span,
    framing: Framing,
    length: Option<u64>,
    keep_alive: bool,
    has_options: bool,
    lines: Vec<Line>,
}

impl ResponseHead {
    /// Reads a complete head; `to_head` if it answers a HEAD request, which decides whether a body follows.
    pub fn read(&mut self, bytes: &[u8], to_head: bool) -> Result<(), BadResponse> {
        if self.parse(bytes, to_head)? == bytes.len() { Ok(()) } else { Err(BadResponse::Malformed) }
    }

    /// Reads a head that is whole at the front of `bytes`, as
    /// [`RequestHead::read_at_once`](super::RequestHead::read_at_once) does.
    pub fn read_at_once(&mut self, bytes: &[u8], to_head: bool) -> Option<usize> {
        let len = self.parse(bytes, to_head).ok()?;
        ends_in_crlf(&bytes[..len], &self.lines).then_some(len)
    }

    fn parse(&mut self, bytes: &[u8], to_head: bool) -> Result<usize, BadResponse> {
        // RFC 9112 §4: a response begins with its status line. httparse skips empty lines before one, which §2.2 allows
        // of a request alone; here they would be left over from the answer before.
        if !bytes.starts_with(b"HTTP/") {
            return Err(BadResponse::Malformed);
        }
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let len = match config.parse_response_with_uninit_headers(&mut parsed, bytes, &mut fields) {
            Ok(httparse::Status::Complete(len)) => len,
            Err(httparse::Error::TooManyHeaders) => return Err(BadResponse::TooManyFields),
            Ok(_) | Err(_) => return Err(BadResponse::Malformed),
        };
        self.status =
            StatusCode::from_u16(parsed.code.unwrap_or_default()).map_err(|_| BadResponse::Malformed)?;
        // httparse gives an empty static string for a reason it will not pass on.
        let reason = parsed.reason.filter(|reason| !reason.is_empty());
        self.reason = reason.map_or_else(Span::default, |reason| Span::of(reason.as_bytes(), bytes));
        self.lines.clear();
        self.lines.extend(parsed.headers.iter().map(|field| Line::of(field, bytes)));
        let http11 = parsed.version == Some(1);
        self.interpret(bytes, to_head, http11)?;
        Ok(len)
    }

    fn interpret(&mut self, bytes: &[u8], to_head: bool, http11: bool) -> Result<(), BadResponse> {
        let (mut length, mut chunked) = (None, false);
        let mut connection = Persistence::default();
        for line in &self.lines {
            let (name, value) = (line.name.cut(bytes), line.value.cut(bytes));
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                10 if is("connection") => connection.read(value),
                14 if is("content-length") => {
                    let earlier = length.replace(parse_length(value).ok_or(BadResponse::Framing)?);
                    earlier.map_or(Ok(()), |_| Err(BadResponse::Framing))?;
                }
                17 if is("transfer-encoding") => {
                    if chunked || !http11 || !value.eq_ignore_ascii_case(b"chunked") {
                        return Err(BadResponse::Framing);
                    }
                    chunked = true;
                }
                _ => {}
            }
        }
        // RFC 9110 §8.6: a 204 has no length to speak of.
        self.length = length.filter(|_| self.status != StatusCode::NO_CONTENT);
        // RFC 9112 §6.3, in its order.
        self.framing = match (length, chunked) {
            (Some(_), true) => return Err(BadResponse::Framing),
            _ if to_head || has_no_body(self.status) => Framing::Empty,
            (None, true) => Framing::Chunked,
            (Some(0), false) => Framing::Empty,
            (Some(length), false) => Framing::Length(length),
            (None, false) => Framing::UntilClose,
        };
        let persists = !connection.close && (http11 || connection.keep_alive);
        self.keep_alive = persists && self.framing != Framing::UntilClose;
        self.has_options = connection.has_options;
        Ok(())
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The reason phrase as it came; may be empty.
    pub fn reason<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        self.reason.cut(bytes)
    }

    /// Every field line.
    pub fn fields<'a>(&'a self, bytes: &'a [u8]) -> Fields<'a> {
        Fields::new(bytes, &self.lines, self.has_options)
    }

    /// How its body is delimited.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// `Content-Length`: also where no body follows, as for HEAD and 304 (RFC 9110 §8.6).
    pub fn content_length(&self) -> Option<u64> {
        self.length
    }

    /// Whether the connection can carry another request after this answer.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }
}

/// RFC 9110 §6.4.1.
pub fn has_no_body(status: StatusCode) -> bool {
    status.is_informational() || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Why an answer cannot be trusted to be what upstream meant; the connection it came on is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum BadResponse {
    #[error("the status line or a field line is malformed")]
    Malformed,
    #[error("Content-Length and Transfer-Encoding contradict each other or themselves")]
    Framing,
    #[error("the head has more than {MAX_FIELDS} fields")]
    TooManyFields,
    #[error("the head is longer than the limit")]
    HeadTooLong,
    #[error("too many interim (1xx) answers")]
    TooManyInterim,
    #[error("101 (Switching Protocols), which was not asked for")]
    UnaskedUpgrade,
    #[error("the chunked body is malformed")]
    Chunk,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(head: &str, method: &str) -> Result<Framing, BadResponse> {
        let mut read = ResponseHead::default();
        read.read(head.as_bytes(), method == "HEAD").map(|()| read.framing())
    }

    #[test]
    fn framing_follows_rfc_9112_section_6_3() {
        for (head, method, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", Framing::Length(5)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", Framing::Empty),
            ("HTTP/1.1 204 No Content\r\n\r\n", "GET", Framing::Empty),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", Framing::Empty),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", Framing::Chunked),
            ("HTTP/1.1 200 OK\r\n\r\n", "GET", Framing::UntilClose),
            ("HTTP/1.1 401\r\nContent-Length: 0\r\n\r\n", "GET", Framing::Empty),
        ] {
            assert_eq!(framing(head, method), Ok(expected), "{head:?}");
        }
    }

    #[test]
    fn an_answer_that_contradicts_itself_is_refused() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip\r\n",
            "Content-Length: -1\r\n",
        ] {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(framing(&head, "GET"), Err(BadResponse::Framing), "{fields:?}");
        }
        for head in [
            "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
            "HTTP/1.1 99 X\r\n\r\n",
            "HTTP/3 200 OK\r\n\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(framing(head, "GET"), Err(BadResponse::Malformed), "{head:?}");
        }
    }
}
