//! The field lines of a head, as places in its bytes.

use std::fmt;

/// A range of a head's bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    /// Where `part` lies in `whole`; `part` must be a piece of it, as tokens of a parser are.
    pub(super) fn of(part: &[u8], whole: &[u8]) -> Self {
        let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
        Self { start, end: start + part.len() }
    }

    /// Whether it begins at that place.
    pub(super) fn starts_at(self, place: usize) -> bool {
        self.start == place
    }

    pub(super) fn cut(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }
}

/// One field line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) name: Span,
    pub(super) value: Span,
}

/// Whether each line of `head`, which begins with its first line and ends behind its empty one, ends in CRLF: so before
/// each field line, and twice at the end. RFC 9112 §2.2 lets a recipient take a bare LF; see
/// [`Scanned::BareLf`](super::Scanned::BareLf).
pub(super) fn ends_in_crlf(head: &[u8], lines: &[Line]) -> bool {
    let is_ended = |line: &Line| head[..line.name.start].ends_with(b"\r\n");
    head.ends_with(b"\r\n\r\n") && lines.iter().all(is_ended)
}

impl Line {
    /// Where `field`, which was parsed from `bytes`, lies in them.
    pub(super) fn of(field: &httparse::Header<'_>, bytes: &[u8]) -> Self {
        Self { name: Span::of(field.name.as_bytes(), bytes), value: Span::of(field.value, bytes) }
    }
}

/// The field lines of a head, in the order they came, repetitions included.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    lines: &'a [Line],
    have_options: bool,
}

impl<'a> Fields<'a> {
    /// `have_options` where `Connection` is among them, and says more than that it persists or closes.
    pub(super) fn new(bytes: &'a [u8], lines: &'a [Line], have_options: bool) -> Self {
        Self { bytes, lines, have_options }
    }

    /// Whether `Connection` may name any of them as its own (RFC 9110 §7.6.1).
    pub fn have_options(&self) -> bool {
        self.have_options
    }

    /// Every line: name as it was spelled, value without the white space around it.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        // Names are tokens (RFC 9110 §5.6.2), so they are ASCII; the parser has checked.
        self.lines.iter().map(move |line| {
            (str::from_utf8(line.name.cut(bytes)).unwrap_or_default(), line.value.cut(bytes))
        })
    }

    /// The same, names in bytes: for the way of a request, which does not ask twice whether they are ASCII.
    pub fn raw(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.lines.iter().map(move |line| (line.name.cut(bytes), line.value.cut(bytes)))
    }

    /// Every line, to be written to the other side as it is.
    pub fn lines(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let bytes = self.bytes;
        self.lines.iter().map(move |line| {
            // A colon, and one byte of white space.
            let is_plain = line.value.start == line.name.end + 2;
            let plain = if is_plain { bytes.get(line.name.start..line.value.end) } else { None };
            Field { name: line.name.cut(bytes), value: line.value.cut(bytes), plain }
        })
    }

    /// The values of every line with this name.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let name = name.as_bytes();
        self.raw().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value, if there is exactly one line with this name.
    pub fn only(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.all(name);
        values.next().filter(|_| values.next().is_none())
    }
}

/// One field.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// As it was spelled.
    pub name: &'a [u8],
    /// Without the white space around it.
    pub value: &'a [u8],
    /// Both as they stand side by side, where they do.
    plain: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    /// One that stands in no head of HTTP/1.1.
    pub fn new(name: &'a [u8], value: &'a [u8]) -> Self {
        Self { name, value, plain: None }
    }

    /// Writes it as a line (RFC 9112 §5).
    pub fn write(&self, buffer: &mut Vec<u8>) {
        if let Some(plain) = self.plain {
            buffer.extend_from_slice(plain);
        } else {
            buffer.extend_from_slice(self.name);
            buffer.extend_from_slice(b": ");
            buffer.extend_from_slice(self.value);
        }
        buffer.extend_from_slice(b"\r\n");
    }
}

/// The name only: the value may be a credential.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Field").field(&String::from_utf8_lossy(self.name)).finish()
    }
}

/// Names only: values may be credentials.
impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// What the `Connection` lines of a head say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Persistence {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    /// Any other option: the name of a field that is this connection's own.
    pub(super) has_options: bool,
}

impl Persistence {
    /// Takes in one of them.
    pub(super) fn read(&mut self, value: &[u8]) {
        for option in list_members(value) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else {
                self.has_options = true;
            }
        }
    }
}

/// The members of a comma-separated list (RFC 9110 §5.6.1), empty ones left out.
pub fn list_members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
}
