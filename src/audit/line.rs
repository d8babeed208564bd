//! One line: its place in the chain, when, and what happened. JSON, in ASCII only.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::audit::chain::{ChainName, Hash, Link};

/// A line, without its line feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) seq: u64,
    /// The digest of the line before.
    pub(super) prev: Hash,
    pub(super) at: Timestamp,
    #[serde(flatten)]
    pub(super) event: Event,
}

/// What happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Event {
    /// A file begins.
    Opened(Opened),
    /// A process begins to write.
    Started(Started),
    /// A request is about to be sent.
    Begun(Request),
    /// It has ended.
    Ended(Ended),
    /// A request was not let through.
    Refused(Refused),
    /// So many more were not, and have no line of their own.
    Suppressed { refused: u64 },
    /// Nothing could be written for a while.
    Gap(Gap),
    /// An old file is about to be removed. `link` is its last line.
    Pruned { file: String, link: Link },
    /// The process ends in order.
    Stopped,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Opened {
    /// Of this format.
    pub(super) version: u32,
    /// What the lines of this file are linked by.
    pub(super) chain: ChainName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<After>,
    /// Requests that had begun and not ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) open: Vec<Unfinished>,
}

/// The file before, as it was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct After {
    pub(super) file: String,
    /// Its last whole line.
    pub(super) link: Link,
    pub(super) ended: Ending,
    /// The half line at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) torn: Option<Torn>,
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ending {
    /// It was long enough.
    Full,
    /// The key was changed.
    Rekeyed,
    /// Its last write may not be on the disk.
    Unsynced,
    /// In half a line, which nobody had been told was written.
    Torn,
    /// Lines were missing at its end.
    Truncated,
    /// It had been changed.
    Changed,
    /// It was gone.
    Missing,
}

impl Ending {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Rekeyed => "linked with another key",
            Self::Unsynced => "unsynced",
            Self::Torn => "torn",
            Self::Truncated => "shortened",
            Self::Changed => "changed",
            Self::Missing => "missing",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Torn {
    pub(super) bytes: u64,
    pub(super) sha256: Hash,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) version: String,
    pub(super) environment: String,
    /// What the last process had begun, and was not there to see the end of: the outcome is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unfinished: Vec<Unfinished>,
}

/// A request that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// Its id, as in the log and in `X-Proxy-Request-Id`.
    pub id: String,
    /// What it asked for.
    pub operation: String,
    /// When it began.
    pub begun: Timestamp,
}

/// What was asked, by whom.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) id: String,
    pub(super) caller: String,
    pub(super) method: String,
    pub(super) operation: String,
    pub(super) effect: String,
    /// Without its query.
    pub(super) path: String,
    pub(super) fields: Map<String, Value>,
    /// Names that stood there more than once: what Tradovate makes of it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) repeated: Vec<String>,
    /// Why there are no fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unread: Option<String>,
    pub(super) body_bytes: usize,
    pub(super) body_sha256: Hash,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) outcome: String,
    /// The same in detail: the `outcome` label of the metrics.
    pub(super) how: String,
    /// What the caller was answered with, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
    /// What Tradovate's answer says, as far as it is short and plain.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) upstream: Map<String, Value>,
    /// Why nothing of it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) unread: Option<String>,
    pub(super) took_us: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Refused {
    pub(super) request: Request,
    pub(super) how: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Gap {
    pub(super) since: Timestamp,
    pub(super) why: String,
    /// Lines that follow this one, and should have been written before.
    pub(super) late: u64,
    /// Lines that there was no room to keep.
    pub(super) lost: u64,
}

impl Line {
    pub(super) fn read(raw: &[u8]) -> Option<Self> {
        serde_json::from_slice(raw).ok()
    }

    /// In bytes of ASCII without control characters, so that no text in it can be taken for another line or move a
    /// terminal's cursor.
    pub(super) fn write(&self) -> Vec<u8> {
        let json = serde_json::to_string(self).expect("every key of a line is a string");
        let mut ascii = String::with_capacity(json.len() + 1);
        for c in json.chars() {
            if matches!(c, ' '..='~') {
                ascii.push(c);
            } else {
                // Only ever inside a string: JSON's own characters are printable ASCII (RFC 8259 §7).
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(ascii, "\\u{unit:04x}");
                }
            }
        }
        ascii.into_bytes()
    }
}

/// Of the format of lines and files.
pub(super) const VERSION: u32 = 1;
