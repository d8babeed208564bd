//! What is to go wrong, with which requests, and how often.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// A fault waiting for the requests it is meant for. In JSON, all but `action` may be left out:
/// `{"path": "order/placeorder", "times": 1, "handled": true, "action": "reset"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The end of the path, in any case, without a query; empty for every path.
    #[serde(default)]
    pub path: String,
    /// How many matching requests pass before it begins.
    #[serde(default)]
    pub skip: u32,
    /// How many it hits.
    #[serde(default = "once")]
    pub times: u32,
    /// Whether the broker does its work before the answer is spoilt: an order that is `handled` and `reset` was
    /// placed, and nobody was told.
    #[serde(default)]
    pub handled: bool,
    /// How long the request waits before anything is answered, in milliseconds, unless the faults are cleared first.
    #[serde(default)]
    pub delay_ms: u64,
    /// Interim responses (RFC 9110 §15.2) before the answer, by status; HTTP/1.1 only.
    #[serde(default)]
    pub informational: Vec<u16>,
    /// What happens.
    pub action: Action,
}

impl Fault {
    /// A fault that hits the next request whose path ends with `path`.
    pub fn next(path: impl Into<String>, action: Action) -> Self {
        Self {
            path: path.into(),
            skip: 0,
            times: 1,
            handled: false,
            delay_ms: 0,
            informational: Vec::new(),
            action,
        }
    }

    /// The same, with the broker doing its work first.
    #[must_use]
    pub fn handled(mut self) -> Self {
        self.handled = true;
        self
    }

    /// The same, hitting `times` requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Whether the broker works on the request.
    pub(crate) fn lets_the_broker_work(&self) -> bool {
        self.handled || self.action.keeps_the_answer()
    }

    /// What cannot be sent of it, if anything: a status that ends no exchange, a field that is none.
    pub fn problem(&self) -> Option<String> {
        let interim = self.informational.iter().find(|status| !(102..200).contains(*status));
        if let Some(status) = interim {
            return Some(format!("{status} is no interim response that can be made up"));
        }
        if let Action::Respond { status, headers, .. } = &self.action {
            if !(200..=999).contains(status) {
                return Some(format!("{status} cannot end an exchange"));
            }
            return headers.iter().find_map(|(name, value)| not_a_field(name, value));
        }
        if let Action::Trailers { fields } = &self.action {
            return fields.iter().find_map(|(name, value)| not_a_field(name, value));
        }
        if let Action::Redirect { location } = &self.action {
            return not_a_field("location", location);
        }
        None
    }

    /// The same, after waiting.
    #[must_use]
    pub fn delayed_ms(mut self, delay: u64) -> Self {
        self.delay_ms = delay;
        self
    }
}

/// What happens to a request.
///
/// Those from [`Pass`](Self::Pass) to [`Huge`](Self::Huge) change how the broker's own answer travels,
/// so it always does its work; the others take the answer's place, and it works only if
/// [`handled`](Fault::handled).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Nothing: for a delay or an interim response alone.
    Pass,
    /// The first half of the answer's body, as a whole message.
    TruncatedJson,
    /// The answer's head, so many bytes of its body, and then the connection closes.
    CutBody {
        /// Bytes of the body.
        after_bytes: u64,
    },
    /// The answer's body in pieces.
    Drip {
        /// Bytes in a piece.
        bytes: usize,
        /// Milliseconds between two.
        pause_ms: u64,
    },
    /// The answer chunked, with trailer fields after it.
    Trailers {
        /// Their names and values.
        fields: BTreeMap<String, String>,
    },
    /// So many bytes, made as they are sent, in place of an answer that is a 200; another stays.
    Huge {
        /// Bytes of the body.
        bytes: u64,
        /// Whether it goes chunked, without a declared length.
        #[serde(default)]
        chunked: bool,
    },
    /// This answer.
    Respond {
        /// Its status.
        status: u16,
        /// Its header fields, in order.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Its body.
        #[serde(default)]
        body: String,
    },
    /// 307 to another place.
    Redirect {
        /// `Location`
        location: String,
    },
    /// 200 with a penalty: wait, and send it again with the ticket.
    Penalty {
        /// `p-time`, in seconds.
        seconds: u64,
        /// `p-captcha`
        #[serde(default)]
        captcha: bool,
    },
    /// 200 without a body.
    Empty,
    /// 200 with `{}`.
    EmptyJson,
    /// 200 with a body that says it is JSON and is not.
    GarbageJson,
    /// 200 with a page of HTML.
    Html,
    /// These bytes in place of the answer, HTTP or not, and then the connection closes.
    Raw {
        /// What is written.
        text: String,
    },
    /// No answer, for as long as the caller waits.
    Hang,
    /// The connection closes (FIN) without an answer.
    Close,
    /// The connection is reset (RST) without an answer.
    Reset,
    /// The connection is reset as soon as the head of the request is there, with the body unread.
    ResetUnread,
}

impl Action {
    /// Whether the broker works on the request whatever [`Fault::handled`] says.
    fn keeps_the_answer(&self) -> bool {
        match self {
            Self::Pass
            | Self::TruncatedJson
            | Self::CutBody { .. }
            | Self::Drip { .. }
            | Self::Trailers { .. }
            | Self::Huge { .. } => true,
            Self::Respond { .. }
            | Self::Redirect { .. }
            | Self::Penalty { .. }
            | Self::Empty
            | Self::EmptyJson
            | Self::GarbageJson
            | Self::Html
            | Self::Raw { .. }
            | Self::Hang
            | Self::Close
            | Self::Reset
            | Self::ResetUnread => false,
        }
    }
}

/// A fault on its way to the one request that it hits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Taken {
    pub(crate) fault: Fault,
    /// How often the faults had been cleared by then: once more, and its delay is over.
    pub(crate) clearings: u64,
}

/// The faults that wait.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
    clearings: u64,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.waiting.push(fault);
        }
    }

    /// The first fault that is meant for a request to `path` (decoded, in lower case), counted as used.
    pub(crate) fn take(&mut self, path: &str) -> Option<Taken> {
        let matches = |fault: &Fault| path.ends_with(&fault.path.to_ascii_lowercase());
        for fault in self.waiting.iter_mut().filter(|fault| matches(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
                continue;
            }
            fault.times -= 1;
            let taken = Taken { fault: fault.clone(), clearings: self.clearings };
            self.waiting.retain(|fault| fault.times > 0);
            return Some(taken);
        }
        None
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.waiting
    }

    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.clearings = self.clearings.wrapping_add(1);
    }

    /// How often they were cleared.
    pub(crate) fn clearings(&self) -> u64 {
        self.clearings
    }
}

fn not_a_field(name: &str, value: &str) -> Option<String> {
    let parses = HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
    (!parses).then(|| format!("{name:?}: {value:?} is no header field"))
}

fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_only_its_path_and_only_so_often() {
        let mut faults = Faults::default();
        faults.add(Fault { skip: 1, ..Fault::next("Order/PlaceOrder", Action::Hang).times(2) });
        assert_eq!(faults.take("/v1/order/list"), None);
        let hits: Vec<bool> = (0..4).map(|_| faults.take("/v1/order/placeorder").is_some()).collect();
        assert_eq!(hits, [false, true, true, false]);
        assert!(faults.list().is_empty());
    }

    #[test]
    fn the_short_forms_are_understood_and_misspellings_are_not() {
        let fault: Fault = serde_json::from_str(r#"{"path": "a", "action": "reset"}"#).unwrap();
        assert_eq!(fault, Fault::next("a", Action::Reset));
        let fault: Fault =
            serde_json::from_str(r#"{"action": {"respond": {"status": 500}}, "delay_ms": 5}"#).unwrap();
        let respond = Action::Respond { status: 500, headers: Vec::new(), body: String::new() };
        assert_eq!(fault, Fault::next("", respond).delayed_ms(5));
        assert!(serde_json::from_str::<Fault>(r#"{"action": "rest"}"#).is_err());
        assert!(serde_json::from_str::<Fault>(r#"{"action": "reset", "time": 1}"#).is_err());
    }
}
