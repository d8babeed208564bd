//! What is taken over from a body, a query or an answer: known names only, and of those only short, plain values. A
//! list of what may be written down needs no list of what is secret.

use std::fmt;

use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// What was found.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) known: Map<String, Value>,
    /// Names that stood there more than once.
    pub(super) repeated: Vec<String>,
}

/// Why nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unread {
    #[error("it is longer than {0} bytes")]
    Long(usize),
    #[error("it is no JSON object")]
    NotAnObject,
}

/// The fields of a request: of its JSON body, and of its query where the body has none of that name.
pub(super) fn of_request(query: Option<&str>, body: &[u8]) -> (Fields, Option<Unread>) {
    let (mut fields, unread) = match of_json(body, REQUEST, LONGEST_BODY) {
        Ok(fields) => (fields, None),
        Err(_) if body.is_empty() => Default::default(),
        Err(unread) => (Fields::default(), Some(unread)),
    };
    let query = query.filter(|query| query.len() <= LONGEST_BODY).unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if REQUEST.contains(&&*name) {
            fields.take(&name, Value::String(shortened(&value)));
        }
    }
    (fields, unread)
}

/// What an answer says of what it did.
pub(super) fn of_answer(body: &[u8]) -> Result<Map<String, Value>, Unread> {
    of_json(body, ANSWER, LONGEST_ANSWER).map(|fields| fields.known)
}

fn of_json(bytes: &[u8], names: &'static [&'static str], longest: usize) -> Result<Fields, Unread> {
    if bytes.len() > longest {
        return Err(Unread::Long(longest));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let fields = reader.deserialize_any(Object(names)).map_err(|_| Unread::NotAnObject)?;
    // Two values are not one.
    reader.end().map_err(|_| Unread::NotAnObject)?;
    Ok(fields)
}

impl Fields {
    /// Notes a value. A name that stands there twice keeps its first value, and is told: which of them counts is for
    /// whoever reads it to say.
    fn take(&mut self, name: &str, value: Value) {
        if !self.known.contains_key(name) {
            self.known.insert(name.to_owned(), value);
        } else if !self.repeated.iter().any(|repeated| repeated == name) {
            self.repeated.push(name.to_owned());
        }
    }
}

/// Reads an object and keeps what is known of it, by these names.
struct Object(&'static [&'static str]);

impl<'de> Visitor<'de> for Object {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        while let Some(name) = map.next_key::<String>()? {
            if LEGS.contains(&&*name) {
                let value = leg(map.next_value()?, self.0);
                fields.take(&name, value);
            } else if self.0.contains(&&*name) {
                let value = plain(map.next_value()?);
                fields.take(&name, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields)
    }
}

/// The same of a leg, which has no legs of its own.
fn leg(value: Value, names: &[&str]) -> Value {
    let Value::Object(fields) = value else { return plain(value) };
    let known = fields.into_iter().filter(|(name, _)| names.contains(&&**name));
    known.map(|(name, value)| (name, plain(value))).collect()
}

/// A value as it is, if it is short and plain; else what it is instead.
fn plain(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
        Value::String(text) => Value::String(shortened(&text)),
        Value::Array(items) if items.len() <= MOST_ITEMS && items.iter().all(Value::is_number) => {
            Value::Array(items)
        }
        Value::Array(items) => Value::String(format!("({} items)", items.len())),
        Value::Object(_) => Value::String("(an object)".to_owned()),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Tradovate: the fields of the calls that place, change, cancel and flatten.
const REQUEST: &[&str] = &[
    "accountId",
    "accountSpec",
    "action",
    "activationTime",
    "admin",
    "clOrdId",
    "commandId",
    "contractId",
    "customTag50",
    "expireTime",
    "id",
    "isAutomated",
    "linkedOrderId",
    "maxShow",
    "orderId",
    "orderQty",
    "orderStrategyId",
    "orderStrategyTypeId",
    "orderType",
    "pegDifference",
    "positions",
    "price",
    "stopPrice",
    "symbol",
    "text",
    "timeInForce",
];

/// Tradovate: what the answers to those say of what was done, or why not. `p-ticket` is not among them: whoever has it
/// can send it back.
const ANSWER: &[&str] = &[
    "commandId",
    "errorText",
    "failureReason",
    "failureText",
    "id",
    "ocoId",
    "ok",
    "orderId",
    "oso1Id",
    "oso2Id",
    "p-captcha",
    "p-time",
];

/// The other legs of an order.
const LEGS: &[&str] = &["bracket1", "bracket2", "other", "entryVersion", "orderStrategy"];

const LONGEST_TEXT: usize = 128;
const MOST_ITEMS: usize = 64;
/// Tradovate's bodies are a few hundred bytes; whoever sends more pays with the digest alone.
const LONGEST_BODY: usize = 64 * 1024;
pub(super) const LONGEST_ANSWER: usize = 8 * 1024;
