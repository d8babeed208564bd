//! The head of an answer of upstream's, whether it has just come or is given again.

use http::StatusCode;

use crate::{http1::Field, idempotency::Kept, upstream::Answer};

/// What an answer of upstream's begins with, wherever it is.
pub(super) trait Heading {
    fn status(&self) -> StatusCode;
    fn reason(&self) -> &[u8];
    fn for_each_field(&self, show: impl FnMut(Field<'_>));
}

impl Heading for Answer {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn reason(&self) -> &[u8] {
        Self::reason(self)
    }

    fn for_each_field(&self, show: impl FnMut(Field<'_>)) {
        Self::for_each_field(self, show);
    }
}

impl Heading for Kept {
    fn status(&self) -> StatusCode {
        Self::status(self)
    }

    fn reason(&self) -> &[u8] {
        Self::reason(self)
    }

    fn for_each_field(&self, mut show: impl FnMut(Field<'_>)) {
        self.fields().for_each(|(name, value)| show(Field::new(name.as_bytes(), value)));
    }
}

/// One that is kept, and whether it is given again.
impl Heading for (&Kept, bool) {
    fn status(&self) -> StatusCode {
        self.0.status()
    }

    fn reason(&self) -> &[u8] {
        self.0.reason()
    }

    fn for_each_field(&self, mut show: impl FnMut(Field<'_>)) {
        let (kept, is_replayed) = *self;
        kept.fields().for_each(|(name, value)| show(Field::new(name.as_bytes(), value)));
        if is_replayed {
            show(Field::new(b"Idempotency-Replayed", b"true"));
        }
    }
}
