//! How a body is delimited (RFC 9112 §6, §7), and taking that framing off.

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// There is no body, or an empty one.
    #[default]
    Empty,
    /// So many bytes; never zero.
    Length(u64),
    /// The chunked coding says.
    Chunked,
    /// It ends with the connection: responses only.
    UntilClose,
}

/// Takes the framing off a body that arrives in pieces.
#[derive(Clone, Debug)]
pub struct BodyDecoder(State);

#[derive(Clone, Debug)]
enum State {
    Done,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// What one piece of input amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// So many bytes of framing come first: skip them.
    pub skip: usize,
    /// Behind them, so many bytes of content. May be none, if the piece held only framing.
    pub take: usize,
}

/// The framing is broken: what follows on this connection cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenFraming;

impl BodyDecoder {
    /// A decoder for one body, of a request's strictness.
    pub fn new(framing: Framing) -> Self {
        Self::of(framing, Chunked::default())
    }

    /// A decoder for a response's body. Some servers pad the size of a chunk with blanks; an answer that says what became
    /// of an order is not thrown away for that.
    pub fn of_response(framing: Framing) -> Self {
        Self::of(framing, Chunked { may_be_padded: true, ..Chunked::default() })
    }

    fn of(framing: Framing, chunked: Chunked) -> Self {
        Self(match framing {
            Framing::Empty => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(chunked),
            Framing::UntilClose => State::UntilClose,
        })
    }

    /// Whether the body has ended. One that lasts until the connection closes never says so.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            State::Done => true,
            State::Length(left) => *left == 0,
            State::Chunked(chunked) => chunked.at == At::End,
            State::UntilClose => false,
        }
    }

    /// Whether the connection's end is a proper end of this body here.
    pub fn may_end_with_connection(&self) -> bool {
        matches!(self.0, State::UntilClose) || self.is_done()
    }

    /// Reads framing from the front of `input` and says how much content follows. Call again with what is left
    /// until it takes and skips nothing, or is [done](Self::is_done).
    pub fn step(&mut self, input: &[u8]) -> Result<Step, BrokenFraming> {
        match &mut self.0 {
            State::Done => Ok(Step { skip: 0, take: 0 }),
            State::UntilClose => Ok(Step { skip: 0, take: input.len() }),
            State::Length(left) => {
                let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= take as u64;
                Ok(Step { skip: 0, take })
            }
            State::Chunked(chunked) => chunked.step(input),
        }
    }

    /// The trailer lines that ended a chunked body, each with its CRLF; empty before the end.
    pub fn trailers(&self) -> &[u8] {
        match &self.0 {
            State::Chunked(chunked) if chunked.at == At::End => &chunked.trailers,
            State::Done | State::Length(_) | State::Chunked(_) | State::UntilClose => &[],
        }
    }
}

/// The chunked coding (RFC 9112 §7.1), one byte of framing at a time.
#[derive(Clone, Debug, Default)]
struct Chunked {
    at: At,
    /// Size of the chunk being read, then what is left of it.
    left: u64,
    digits: u8,
    may_be_padded: bool,
    /// Bytes of chunk extensions seen in the whole body.
    extensions: usize,
    trailers: Vec<u8>,
    trailer_line: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    /// White space behind the size: RFC 9112 §7.1.1 has it before an extension.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailer,
    TrailerLf,
    End,
}

impl Chunked {
    fn step(&mut self, input: &[u8]) -> Result<Step, BrokenFraming> {
        let mut skip = 0;
        while self.at != At::End {
            if self.at == At::Data {
                let rest = input.len() - skip;
                let take = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                self.left -= take as u64;
                if self.left == 0 {
                    self.at = At::DataCr;
                }
                return Ok(Step { skip, take });
            }
            let Some(&byte) = input.get(skip) else { break };
            skip += 1;
            self.framing_byte(byte)?;
        }
        Ok(Step { skip, take: 0 })
    }

    fn framing_byte(&mut self, byte: u8) -> Result<(), BrokenFraming> {
        self.at = match (self.at, byte) {
            (At::Size, digit) if digit.is_ascii_hexdigit() => {
                // 16 digits fill a u64; more could only be padding or an overflow (RFC 9112 §7.1).
                if self.digits == 16 {
                    return Err(BrokenFraming);
                }
                self.digits += 1;
                let value = char::from(digit).to_digit(16).ok_or(BrokenFraming)?;
                self.left = self.left << 4 | u64::from(value);
                At::Size
            }
            (At::Size, b'\r') if self.digits > 0 => At::SizeLf,
            (At::Size | At::Blank, b' ' | b'\t') if self.digits > 0 => At::Blank,
            (At::Size | At::Blank, b';') if self.digits > 0 => At::Extension,
            (At::Extension, b'\r') => At::SizeLf,
            (At::Blank, b'\r') if self.may_be_padded => At::SizeLf,
            // RFC 9112 §7.1.1: unknown extensions are ignored, and their length ought to be limited.
            (At::Extension, byte) if is_text(byte) && self.extensions < MAX_EXTENSION_BYTES => {
                self.extensions += 1;
                At::Extension
            }
            (At::SizeLf, b'\n') => {
                self.digits = 0;
                if self.left == 0 { At::Trailer } else { At::Data }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size,
            (At::Trailer, b'\r') => At::TrailerLf,
            (At::Trailer, byte) if is_text(byte) && self.trailers.len() < MAX_TRAILER_BYTES => {
                self.trailers.push(byte);
                self.trailer_line += 1;
                At::Trailer
            }
            (At::TrailerLf, b'\n') if self.trailer_line == 0 => At::End,
            // RFC 9112 §7.1.2: a trailer section is made of field lines. What looks like a request line here is one to
            // whoever ends the body at the last chunk.
            (At::TrailerLf, b'\n')
                if is_field_line(&self.trailers[self.trailers.len() - self.trailer_line..]) =>
            {
                self.trailers.extend_from_slice(b"\r\n");
                self.trailer_line = 0;
                At::Trailer
            }
            _ => return Err(BrokenFraming),
        };
        Ok(())
    }
}

/// What may stand in a line: no control byte but the tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// RFC 9110 §5.1, §5.6.2: a name that is a token, and right behind it the colon.
fn is_field_line(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    let is_token = |&byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    name.len() < line.len() && !name.is_empty() && name.iter().all(is_token)
}

const MAX_EXTENSION_BYTES: usize = 1024;
const MAX_TRAILER_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `input` in pieces of `piece` bytes; returns content, trailers, and how much was left over.
    fn decode(
        framing: Framing,
        input: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, usize), BrokenFraming> {
        decode_with(BodyDecoder::new(framing), input, piece)
    }

    fn decode_with(
        mut decoder: BodyDecoder,
        input: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, usize), BrokenFraming> {
        let mut content = Vec::new();
        let (mut done, mut buffered) = (0, 0);
        while buffered < input.len() && !decoder.is_done() {
            buffered = (buffered + piece).min(input.len());
            loop {
                let step = decoder.step(&input[done..buffered])?;
                content.extend_from_slice(&input[done + step.skip..done + step.skip + step.take]);
                done += step.skip + step.take;
                if step.skip + step.take == 0 || decoder.is_done() {
                    break;
                }
            }
        }
        Ok((content, decoder.trailers().to_vec(), input.len() - done))
    }

    #[test]
    fn chunks_and_trailers_come_apart_wherever_they_are_cut() {
        let input = b"5;a=b\r\nhello\r\n00A\r\n, world!!!\r\n0\r\nX-Sum: 1\r\n\r\nGET";
        for piece in 1..input.len() {
            let (content, trailers, left) = decode(Framing::Chunked, input, piece).unwrap();
            assert_eq!(content, b"hello, world!!!");
            assert_eq!(trailers, b"X-Sum: 1\r\n");
            assert_eq!(left, 3, "bytes of the next message stay");
        }
    }

    #[test]
    fn sloppy_chunks_are_broken() {
        for bad in [
            "\r\n",
            "g\r\n",
            "+5\r\nhello\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhelloX\r\n",
            "5\r\nhello\n0\r\n\r\n",
            " 5\r\nhello\r\n",
            "11111111111111111\r\n",
            "5\r\rhello",
            "0\r\nA: b\n\r\n",
            "5;a\nhello\r\n",
            "5;a\x01\r\nhello\r\n",
            "5 garbage\r\nhello\r\n",
            "5 \r\nhello\r\n",
            "0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
            "0\r\n A: folded\r\n\r\n",
            "0\r\nA : b\r\n\r\n",
            "0\r\n: b\r\n\r\n",
            "00000000000000005\r\nhello\r\n",
        ] {
            assert_eq!(decode(Framing::Chunked, bad.as_bytes(), 3), Err(BrokenFraming), "{bad:?}");
        }
        let endless = format!("1;{}\r\na\r\n", "x".repeat(MAX_EXTENSION_BYTES + 1));
        assert_eq!(decode(Framing::Chunked, endless.as_bytes(), 100), Err(BrokenFraming));
        let endless = format!("0\r\n{}\r\n\r\n", "x".repeat(MAX_TRAILER_BYTES + 1));
        assert_eq!(decode(Framing::Chunked, endless.as_bytes(), 100), Err(BrokenFraming));
    }

    #[test]
    fn a_response_may_pad_the_size_of_a_chunk() {
        let input = b"2 \t\r\nok\r\n0  \r\n\r\n";
        let decoded = decode_with(BodyDecoder::of_response(Framing::Chunked), input, 1);
        assert_eq!(decoded.unwrap(), (b"ok".to_vec(), Vec::new(), 0));
    }

    proptest! {
        #[test]
        fn whatever_is_framed_comes_back(chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..5), piece in 1_usize..60) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                wire.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            wire.extend_from_slice(b"0\r\n\r\n");
            let (content, _, left) = decode(Framing::Chunked, &wire, piece).unwrap();
            prop_assert_eq!(content, chunks.concat());
            prop_assert_eq!(left, 0);
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
            for framing in [Framing::Chunked, Framing::Length(100), Framing::UntilClose] {
                let _ = decode(framing, &bytes, piece);
            }
        }
    }
}
