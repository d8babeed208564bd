//! Where a head ends, without reading any byte twice.

use memchr::memchr;

/// Remembers how far a growing buffer has been searched, so that a head that trickles in costs no more than one
/// that comes at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScanner {
    searched: usize,
    line_start: usize,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    /// The empty line has not come yet.
    Partial,
    /// The head ends here: so many bytes, empty line included.
    Complete(usize),
    /// A line ended in LF without CR. RFC 9112 §2.2 lets a recipient take it; parsers that disagree on that
    /// are what smuggling lives on, so this one does not.
    BareLf,
}

impl HeadScanner {
    /// Searches what has been added to `bytes` since the last call. `bytes` may only grow in between.
    pub fn scan(&mut self, bytes: &[u8]) -> Scanned {
        while let Some(found) = bytes.get(self.searched..).and_then(|rest| memchr(b'\n', rest)) {
            let lf = self.searched + found;
            let line = &bytes[self.line_start..lf];
            if line.last() != Some(&b'\r') {
                return Scanned::BareLf;
            }
            self.searched = lf + 1;
            let at_start = self.line_start == 0;
            self.line_start = self.searched;
            if line.len() == 1 && !at_start {
                return Scanned::Complete(self.searched);
            }
        }
        self.searched = bytes.len();
        Scanned::Partial
    }

    /// Whether the first line has not ended yet.
    pub fn in_first_line(&self) -> bool {
        self.line_start == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_ends_with_its_empty_line() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n";
        assert_eq!(HeadScanner::default().scan(head), Scanned::Complete(head.len() - 8));
        assert_eq!(HeadScanner::default().scan(&head[..20]), Scanned::Partial);
        assert_eq!(HeadScanner::default().scan(b"GET / HTTP/1.1\n"), Scanned::BareLf);
        assert_eq!(HeadScanner::default().scan(b"GET / HTTP/1.1\r\nHost: a\n\r\n"), Scanned::BareLf);
        assert_eq!(HeadScanner::default().scan(b"GET / HTTP/1.1\r\nHost: a\r\n\n"), Scanned::BareLf);
    }

    proptest! {
        #[test]
        fn arriving_in_pieces_changes_nothing(bytes in "[a\r\n]{0,40}", cut in 0_usize..40) {
            let bytes = bytes.as_bytes();
            let whole = HeadScanner::default().scan(bytes);
            let mut scanner = HeadScanner::default();
            let first = scanner.scan(&bytes[..cut.min(bytes.len())]);
            let pieces = if first == Scanned::Partial { scanner.scan(bytes) } else { first };
            prop_assert_eq!(whole, pieces);
        }
    }
}
