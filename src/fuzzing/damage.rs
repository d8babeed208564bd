//! One change to lines of text, which a few bytes of the input choose.

/// What is done, where, and with what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Damage {
    how: u8,
    at: usize,
    with: u8,
}

impl Damage {
    /// The change that the first bytes ask for, and what is behind them.
    pub(super) fn of(input: &[u8]) -> (Self, &[u8]) {
        let [how, low, high, with] = input.first_chunk().copied().unwrap_or_default();
        let at = usize::from(u16::from_le_bytes([low, high]));
        (Self { how, at, with }, input.get(4..).unwrap_or_default())
    }

    /// Changes `bytes`, unless there are none, or what it comes to is the same.
    pub(super) fn inflict(self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let (at, with) = (self.at % bytes.len(), usize::from(self.with));
        match self.how % 8 {
            0 => bytes[at] ^= 1 << (self.with % 8),
            1 => bytes[at] = self.with,
            2 => bytes.insert(at, self.with),
            3 => drop(bytes.drain(at..bytes.len().min(at + 1 + with))),
            4 => bytes.truncate(at),
            how => {
                let mut lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
                let (line, other) = (self.at % lines.len(), with % lines.len());
                match how {
                    5 => drop(lines.remove(line)),
                    6 => lines.insert(other, lines[line]),
                    _ => lines.swap(line, other),
                }
                *bytes = lines.concat();
            }
        }
    }
}
