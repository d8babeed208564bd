//! JSON with exactly one reading, or none.
//!
//! What two parsers may read in two ways is where an order hides behind another: a key that stands twice (one takes
//! the first, the other the last), a key in another case (some servers do not mind the case), a number that is rounded.
//! Escapes are no such gap: `\u006frderQty` is `orderQty` to every parser, and to this one.

use std::{collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// Null, true or false: nothing that a rule could want.
    Word,
    /// A number that is written as a whole one, without sign, point or exponent, and fits.
    Whole(u64),
    /// Any other number: `-1`, `1.0`, `1e3`, `-0`, or more digits than fit.
    OtherNumber,
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Node {
    /// Reads a whole text.
    ///
    /// # Errors
    /// When it is no JSON (a byte order mark, bytes that are no UTF-8, anything behind the value), or is deeper than
    /// [`DEEPEST`], or has an object with a key twice, case aside, or with a key that is not made of ASCII letters and
    /// digits, as all of Tradovate's are.
    pub(super) fn read(json: &[u8]) -> Result<Self, serde_json::Error> {
        let mut text = serde_json::Deserializer::from_slice(json);
        let node = Seed { left: DEEPEST }.deserialize(&mut text)?;
        text.end()?;
        Ok(node)
    }

    /// The value of a key; `None` also where this is no object.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }
}

/// A value that may hold others down to so many levels.
#[derive(Clone, Copy)]
struct Seed {
    left: usize,
}

impl Seed {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1);
        left.map(|left| Self { left }).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Word)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::OtherNumber)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::OtherNumber)
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let inner = self.inner()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(inner)? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node, A::Error> {
        let inner = self.inner()?;
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        while let Some(key) = object.next_key::<String>()? {
            if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(A::Error::custom("a key that is not made of letters and digits"));
            }
            if !seen.insert(key.to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("the key {:?} twice", super::verdict::cut(&key))));
            }
            members.push((key, object.next_value_seed(inner)?));
        }
        Ok(Node::Object(members))
    }
}

/// Levels of lists and objects. An order has two, a strategy's parameters three.
pub(super) const DEEPEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Node> {
        Node::read(json.as_bytes()).ok()
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for json in [
            "",
            "{",
            "{} x",
            "{}{}",
            "\u{feff}{}",
            r#"{"orderQty":1,"orderQty":2}"#,
            r#"{"orderQty":1,"OrderQty":2}"#,
            r#"{"orderQty":1,"\u006frderQty":2}"#,
            r#"{"other":{"a":1,"a":1}}"#,
            r#"[{"a":1,"A":1}]"#,
            r#"{"order_qty":1}"#,
            r#"{"orderQty ":1}"#,
            r#"{"orderQty\u0000":1}"#,
            r#"{"":1}"#,
            r#"{"оrderQty":1}"#, // a Cyrillic о
            r#"{"\u017fymbol":"ES"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1e999}"#,
            r#"{"a":01}"#,
            r#"{"a":1,}"#,
            "{'a':1}",
            "{/**/}",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
        assert!(Node::read(b"{\"a\":\"\xff\"}").is_err(), "no UTF-8");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(read(&nested(DEEPEST)).is_some());
        assert_eq!(read(&nested(DEEPEST + 1)), None);
        assert_eq!(read(&nested(100_000)), None);
    }

    #[test]
    fn a_whole_number_is_written_as_one() {
        for (json, node) in [
            ("1", Node::Whole(1)),
            ("0", Node::Whole(0)),
            ("18446744073709551615", Node::Whole(u64::MAX)),
            ("18446744073709551616", Node::OtherNumber),
            ("-1", Node::OtherNumber),
            ("-0", Node::OtherNumber),
            ("1.0", Node::OtherNumber),
            ("1e3", Node::OtherNumber),
            ("1E0", Node::OtherNumber),
            ("\"1\"", Node::Text("1".to_owned())),
            ("null", Node::Word),
        ] {
            assert_eq!(read(json), Some(node), "{json}");
        }
    }

    #[test]
    fn an_escaped_key_is_the_key() {
        let node = read(r#" {"\u006frderQty": 7} "#).unwrap();
        assert_eq!(node.get("orderQty"), Some(&Node::Whole(7)));
        assert_eq!(node.get("OrderQty"), None);
    }
}
