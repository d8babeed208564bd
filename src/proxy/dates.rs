//! The `Date` of answers that upstream has not dated.

use std::{cell::RefCell, fmt::Write as _};

use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Clock;

/// Tells the date, which is written anew once a second at most.
#[derive(Debug)]
pub(super) struct Dates {
    clock: Clock,
    last: RefCell<Written>,
}

#[derive(Debug, Default)]
struct Written {
    second: Option<i64>,
    date: String,
}

impl Dates {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: RefCell::default() }
    }

    /// RFC 9110 §5.6.7: what the wall clock shows, in the form that every recipient reads.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let now = self.clock.wall();
        let mut last = self.last.borrow_mut();
        if last.second != Some(now.as_second()) {
            let Written { second, date } = &mut *last;
            *second = Some(now.as_second());
            date.clear();
            // Only years beyond four digits have no such form, and a String takes everything.
            if let Ok(told) = DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
                let _ = write!(date, "Date: {told}\r\n");
            }
        }
        buffer.extend_from_slice(last.date.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_second_has_its_date() {
        let dates = Dates::new(Clock::simulated("2026-11-23T23:59:58.9Z".parse().unwrap()));
        let mut told = Vec::new();
        for millis in [0, 99, 1, 1000] {
            tokio::time::advance(Duration::from_millis(millis)).await;
            let mut buffer = Vec::new();
            dates.write(&mut buffer);
            told.push(String::from_utf8(buffer).unwrap());
        }
        let [first, second, third] = [
            "Date: Mon, 23 Nov 2026 23:59:58 GMT\r\n",
            "Date: Mon, 23 Nov 2026 23:59:59 GMT\r\n",
            "Date: Tue, 24 Nov 2026 00:00:00 GMT\r\n",
        ];
        assert_eq!(told, [first, first, second, third]);
    }
}
