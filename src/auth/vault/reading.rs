//! What bytes come to, as a pure function: any bytes at all, since nobody knows who or what wrote them.

use crate::auth::vault::{
    record::{Record, Unusable},
    remains::Remains,
    seal::{self, Content, StoreKey},
};

/// What is to become of content.
#[derive(Debug)]
pub(super) enum Reading {
    /// It is used.
    Good(Record),
    /// It is used, and is in clear although there is a key.
    InClear(Record),
    /// It is set aside, or what remains of it is, and `record` takes its place.
    Unusable {
        /// Why.
        why: Unusable,
        /// What may be set aside of it; `None` where nobody can tell what is in it, and it is kept whole.
        remains: Option<Box<Remains>>,
        /// What still counts.
        record: Record,
    },
    /// It takes a key that we do not have.
    Closed {
        /// The id of that key.
        key: String,
    },
}

/// The record that comes of any bytes at all, if they can be read: for fuzzing.
#[cfg(any(test, fuzzing))]
pub(crate) fn salvage(bytes: &[u8], key: Option<&StoreKey>, seat: &str) -> Option<Record> {
    match read(bytes, key, seat) {
        Reading::Good(record) | Reading::InClear(record) | Reading::Unusable { record, .. } => Some(record),
        Reading::Closed { .. } => None,
    }
}

/// Reads `bytes` as the record of `seat`.
pub(super) fn read(bytes: &[u8], key: Option<&StoreKey>, seat: &str) -> Reading {
    match seal::open(bytes, key) {
        Content::Clear => match (judge(bytes, seat), key) {
            (Reading::Good(record), Some(_)) => Reading::InClear(record),
            (reading, _) => reading,
        },
        Content::Opened(record) => judge(&record, seat),
        Content::Damaged => {
            Reading::Unusable { why: Unusable::Damaged, remains: None, record: Record::new(seat) }
        }
        Content::Closed { key } => Reading::Closed { key },
    }
}

fn judge(bytes: &[u8], seat: &str) -> Reading {
    let remains = || Remains::of(bytes).map(Box::new);
    match Record::parse(bytes) {
        Ok(record) if record.seat == seat => Reading::Good(record),
        Ok(record) => {
            Reading::Unusable { why: Unusable::Seat, remains: remains(), record: record.reseated(seat) }
        }
        Err(why) => {
            let remains = remains();
            let record =
                remains.as_ref().map_or_else(|| Record::new(seat), |remains| remains.to_record(seat));
            Reading::Unusable { why, remains, record }
        }
    }
}
