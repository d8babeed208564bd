//! The bytes of HTTP/1.1, both ways, read strictly.
//!
//! The proxy reads request and response heads itself. An HTTP library hides what safety turns on: that a
//! `Content-Length` stood beside a `Transfer-Encoding`, that a line ended in a bare LF, whether one byte of a
//! request had left. And a request that two parsers can read in two ways is how a second request is smuggled
//! behind the first. So every head here is either plain or refused; nothing is repaired.
//!
//! [`scan`] finds where a head ends, [`request`] and [`response`] read it (httparse splits it into tokens),
//! [`body`] decides on framing and takes it off. All are functions on bytes: no I/O, no clock.

pub mod body;
pub mod fields;
pub mod request;
pub mod response;
pub mod scan;

pub use body::{BodyDecoder, Framing, Step};
pub use fields::{Field, Fields};
pub use request::{BadRequest, RequestHead, Version};
pub use response::{BadResponse, ResponseHead};
pub use scan::{HeadScanner, Scanned};

/// Most field lines in one head. Real requests have a dozen.
pub const MAX_FIELDS: usize = 100;
