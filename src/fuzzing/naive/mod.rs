//! The strict readings of RFC 9112 once more, made independently, slowly and in the plainest way: what the product's
//! own reading is compared with. Nothing here is shared with it. Below, the same of other formats.

pub(super) mod host;
pub(super) mod json;

/// A head taken apart: the words of its first line, and its fields in their order.
#[derive(Debug)]
pub(in crate::fuzzing) struct Head<'a> {
    pub(in crate::fuzzing) first: [&'a [u8]; 3],
    pub(in crate::fuzzing) fields: Vec<(&'a [u8], &'a [u8])>,
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fuzzing) enum Body {
    Nothing,
    Bytes(u64),
    Chunks,
    /// Whatever comes until the connection ends: answers only.
    Rest,
}

impl<'a> Head<'a> {
    /// The one reading of a request head, if it has one (RFC 9112 §3, §5).
    pub(in crate::fuzzing) fn of_request(bytes: &'a [u8]) -> Option<Self> {
        let head = Self::split(bytes, |line| line.split(|&byte| byte == b' ').collect())?;
        let [method, target, version] = head.first;
        let plain = is_token(method)
            && !target.is_empty()
            && target.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#')
            && [&b"HTTP/1.0"[..], b"HTTP/1.1"].contains(&version);
        plain.then_some(head)
    }

    /// The one reading of a response head, if it has one (RFC 9112 §4, §5); the reason phrase may be left out
    /// together with the space in front of it.
    pub(in crate::fuzzing) fn of_response(bytes: &'a [u8]) -> Option<Self> {
        let head = Self::split(bytes, |line| {
            let mut words: Vec<_> = line.splitn(3, |&byte| byte == b' ').collect();
            words.resize(3, b"");
            words
        })?;
        let [version, status, reason] = head.first;
        let plain = [&b"HTTP/1.0"[..], b"HTTP/1.1"].contains(&version)
            && status.len() == 3
            && status.iter().all(u8::is_ascii_digit)
            && reason.iter().all(|&byte| is_text(byte));
        plain.then_some(head)
    }

    fn split(bytes: &'a [u8], words: fn(&'a [u8]) -> Vec<&'a [u8]>) -> Option<Self> {
        let text = bytes.strip_suffix(b"\r\n\r\n")?;
        // RFC 9112 §2.2: one empty line in front is to be ignored.
        let text = text.strip_prefix(b"\r\n").unwrap_or(text);
        let mut lines = lines(text).into_iter();
        let first = words(lines.next()?).try_into().ok()?;
        let mut fields = Vec::new();
        for line in lines {
            fields.push(field(line)?);
        }
        Some(Self { first, fields })
    }

    /// The values of every field with this name, in any case.
    pub(in crate::fuzzing) fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| *value).collect()
    }

    /// The options of every `Connection` line, in lower case.
    pub(in crate::fuzzing) fn connection_options(&self) -> Vec<Vec<u8>> {
        let lines = self.all("connection");
        let options = lines.iter().flat_map(|line| line.split(|&byte| byte == b','));
        options
            .map(|option| trimmed(option).to_ascii_lowercase())
            .filter(|option| !option.is_empty())
            .collect()
    }

    /// How the body of an answer with this head is delimited, if it has one; `None` where that is in doubt.
    fn answers_body(&self) -> Option<Body> {
        let says_nothing = self.all("content-length").is_empty() && self.all("transfer-encoding").is_empty();
        if says_nothing { Some(Body::Rest) } else { self.body() }
    }

    fn answered(
        self,
        status: u16,
        interim: usize,
        content: Vec<u8>,
        length: usize,
        is_delimited: bool,
    ) -> Answered<'a> {
        let options = self.connection_options();
        let says = |word: &[u8]| options.iter().any(|option| option == word);
        let persists = self.first[0] == b"HTTP/1.1" || says(b"keep-alive");
        let keeps_connection = is_delimited && persists && !says(b"close");
        Answered { head: self, status, interim, content, length, is_delimited, keeps_connection }
    }

    /// How the body of a request with this head is delimited (RFC 9112 §6.3); `None` where that is in doubt.
    pub(in crate::fuzzing) fn body(&self) -> Option<Body> {
        match (&self.all("content-length")[..], &self.all("transfer-encoding")[..]) {
            ([], []) => Some(Body::Nothing),
            ([], [coding]) if self.first.contains(&&b"HTTP/1.1"[..]) => {
                coding.eq_ignore_ascii_case(b"chunked").then_some(Body::Chunks)
            }
            ([length], []) => match number(length, 10)? {
                0 => Some(Body::Nothing),
                length => Some(Body::Bytes(length)),
            },
            _ => None,
        }
    }
}

/// An answer taken apart.
#[derive(Debug)]
pub(in crate::fuzzing) struct Answered<'a> {
    /// The head of the answer itself.
    pub(in crate::fuzzing) head: Head<'a>,
    pub(in crate::fuzzing) status: u16,
    /// How many interim heads came before it.
    pub(in crate::fuzzing) interim: usize,
    pub(in crate::fuzzing) content: Vec<u8>,
    /// Bytes of all of it.
    pub(in crate::fuzzing) length: usize,
    /// Whether its end can be told from what follows.
    pub(in crate::fuzzing) is_delimited: bool,
    /// Whether another request may follow on the connection.
    pub(in crate::fuzzing) keeps_connection: bool,
}

/// The answer at the front of `input`, which ends with the connection; `None` where it has no one reading, or is not
/// all there (RFC 9112 §6.3).
pub(in crate::fuzzing) fn answered(input: &[u8], to_head: bool) -> Option<Answered<'_>> {
    let (mut at, mut interim) = (0, 0);
    let (head, status) = loop {
        let rest = &input[at..];
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = Head::of_response(&rest[..end])?;
        at += end;
        match number(head.first[1], 10)? {
            100 | 102..=199 => interim += 1,
            status @ 200.. => break (head, u16::try_from(status).ok()?),
            // 101 was not asked for, and below 100 there is no status.
            _ => return None,
        }
        // An interim answer has no body, and must not contradict itself about that either.
        head.answers_body()?;
    };
    let rest = &input[at..];
    let said = head.answers_body()?;
    let body = if to_head || [204, 304].contains(&status) { Body::Nothing } else { said };
    let (content, length) = match body {
        Body::Nothing => (Vec::new(), 0),
        Body::Bytes(length) => {
            let length = usize::try_from(length).ok()?;
            (rest.get(..length)?.to_vec(), length)
        }
        Body::Chunks => {
            let Chunked { content, length, .. } = chunked(rest)?;
            (content, length)
        }
        Body::Rest => (rest.to_vec(), rest.len()),
    };
    Some(head.answered(status, interim, content, at + length, body != Body::Rest))
}

/// What a chunked body (RFC 9112 §7.1) comes to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fuzzing) struct Chunked {
    pub(in crate::fuzzing) content: Vec<u8>,
    pub(in crate::fuzzing) trailers: Vec<u8>,
    /// Bytes that it takes up.
    pub(in crate::fuzzing) length: usize,
}

/// The chunked body at the front of `input`; `None` where it is broken or not all there.
pub(in crate::fuzzing) fn chunked(input: &[u8]) -> Option<Chunked> {
    let (mut content, mut trailers, mut at, mut extensions) = (Vec::new(), Vec::new(), 0, 0);
    loop {
        let line = line_at(input, &mut at)?;
        let end = line.iter().position(|&byte| byte == b';').unwrap_or(line.len());
        // §7.1.1: white space may stand before an extension; bytes of those are counted and limited.
        let extension = line.get(end + 1..).unwrap_or_default();
        extensions += extension.len();
        let digits = line[..end].trim_ascii_end();
        let clean = line[digits.len()..end].iter().all(|byte| b" \t".contains(byte))
            && extension.iter().all(|&byte| is_text(byte));
        if digits.len() > 16 || !clean || extensions > 1024 {
            return None;
        }
        let size = usize::try_from(number(digits, 16)?).ok()?;
        if size == 0 {
            break;
        }
        content.extend_from_slice(input.get(at..at.checked_add(size)?)?);
        at += size;
        if !line_at(input, &mut at)?.is_empty() {
            return None;
        }
    }
    loop {
        let line = line_at(input, &mut at)?;
        if line.is_empty() {
            return Some(Chunked { content, trailers, length: at });
        }
        if !line.iter().all(|&byte| is_text(byte)) {
            return None;
        }
        trailers.extend_from_slice(line);
        trailers.extend_from_slice(b"\r\n");
    }
}

/// Where a path leads for a server that takes every liberty: whatever is encoded is decoded, as often as it takes;
/// letters in lower case, whatever the alphabet; parameters, empty and dot segments resolved; blanks and dots at the
/// end of a segment dropped.
pub(in crate::fuzzing) fn most_lenient_path(path: &str) -> String {
    let text = decoded(path);
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split(['?', '#']).next().unwrap_or_default().split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => {
                segments.push(
                    segment.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control()),
                );
            }
        }
    }
    segments.retain(|segment| !segment.is_empty());
    format!("/{}", segments.join("/"))
}

/// A path with nothing encoded any more, and in lower case.
pub(in crate::fuzzing) fn decoded(path: &str) -> String {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let decoded = percent_decoded(&bytes);
        if decoded == bytes {
            break;
        }
        bytes = decoded;
    }
    // Upper case first: the long s has a lower case of its own, and the upper case of `s`.
    String::from_utf8_lossy(&bytes).to_uppercase().to_lowercase().replace('\\', "/")
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let (mut decoded, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let value = bytes.get(at + 1..at + 3).filter(|_| byte == b'%').and_then(|digits| number(digits, 16));
        let value = value.and_then(|value| u8::try_from(value).ok());
        decoded.push(value.unwrap_or(byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

/// The line at `at`, which moves behind its CRLF.
fn line_at<'a>(input: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &input[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

/// Split at each CRLF.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(line) = line_at(text, &mut at) {
        lines.push(line);
    }
    lines.push(&text[at..]);
    lines
}

/// A field line's name and value (RFC 9112 §5).
pub(in crate::fuzzing) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
    (is_token(name) && value.iter().all(|&byte| is_text(byte))).then_some((name, value))
}

/// Digits and nothing else, without overflow.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let mut number = 0_u64;
    for &digit in digits {
        let digit = char::from(digit).to_digit(radix)?;
        number = number.checked_mul(radix.into())?.checked_add(digit.into())?;
    }
    (!digits.is_empty()).then_some(number)
}

/// Optional white space (RFC 9110 §5.6.3) around a value taken off.
pub(in crate::fuzzing) fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 §5.6.2.
fn is_token(word: &[u8]) -> bool {
    !word.is_empty()
        && word.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// No control byte but the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_reading_is_awake() {
        let head =
            Head::of_request(b"\r\nGET /a HTTP/1.1\r\nHost: \ta \r\nConnection: b,, C\r\n\r\n").unwrap();
        assert_eq!(head.first, [&b"GET"[..], b"/a", b"HTTP/1.1"]);
        assert_eq!((head.all("host"), head.body()), (vec![&b"a"[..]], Some(Body::Nothing)));
        assert_eq!(head.connection_options(), [b"b", b"c"]);
        for bad in
            ["GET /a HTTP/1.1\n\r\n\r\n", "GET  /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\nA : b\r\n\r\n"]
        {
            assert!(Head::of_request(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert!(Head::of_response(b"HTTP/1.1 200\r\n\r\n").is_some());
        assert!(Head::of_response(b"HTTP/1.1 2000 OK\r\n\r\n").is_none());
        let body = chunked(b"3 ;a\r\nabc\r\n0\r\nA: b\r\n\r\nrest").unwrap();
        assert_eq!(body, Chunked { content: b"abc".to_vec(), trailers: b"A: b\r\n".to_vec(), length: 22 });
        for bad in ["3\r\nabcd\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "3\r\nab"] {
            assert_eq!(chunked(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn the_most_lenient_server_sees_through_everything() {
        for path in [
            "/v1/auth/renewaccesstoken",
            "//V1/./x/%2e%2E/Auth/renewAccessToken/",
            "/v1/auth%2frenewaccesstoken;a=b",
            "/v1\\auth/%2572enewaccesstoken%20",
            "/v1/auth./renewacce%C5%BFsto%E2%84%AAen",
        ] {
            assert_eq!(most_lenient_path(path), "/v1/auth/renewaccesstoken", "{path}");
        }
    }
}
