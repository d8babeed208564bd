//! What an order names: read out of the very bytes that are forwarded, or not at all.
//!
//! Names are looked for wherever they stand, not only where the documentation has them: a quantity in a bracket, in
//! the parameters of a strategy (which are JSON in a text inside JSON) or where none belongs is a quantity. And what a
//! lenient server might take for one of them, in another case or spelling, is refused rather than passed over.

use http::Method;

use crate::{
    guard::{
        form::{Form, Part},
        json::Node,
        judge::Request,
        rules::Rules,
        verdict::cut,
    },
    http1::fields::list_members,
};

/// Everything that an order names, at any depth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) account_specs: Vec<String>,
    pub(super) account_ids: Vec<u64>,
    pub(super) symbols: Vec<String>,
    pub(super) order_types: Vec<String>,
    pub(super) quantities: Vec<u64>,
}

/// Why an order cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum Flaw {
    #[error("what this endpoint does is not known well enough")]
    Unknown,
    #[error("it is not sent by POST, and what this endpoint reads from elsewhere is not known")]
    Method,
    #[error("it has a query, from which fields might be taken")]
    Query,
    #[error("its body is not plain application/json in UTF-8")]
    ContentType,
    #[error("its body is longer than {LARGEST} bytes")]
    TooLong,
    #[error("its body cannot be read in exactly one way: {0}")]
    Json(String),
    #[error("its body is not a JSON object")]
    NotAnObject,
    #[error("{key:?} might be taken for {meant}")]
    LookAlike { key: String, meant: &'static str },
    #[error("{key} is not {what}")]
    Type { key: &'static str, what: &'static str },
    #[error("{key} is missing")]
    Missing { key: &'static str },
    #[error("it names a contract by contractId, and guards.symbols knows symbols only")]
    ContractId,
}

impl Flaw {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unknown => {
                "use order/placeorder, placeoco, placeoso, modifyorder or orderStrategy/startorderstrategy; or remove \
                 accounts, symbols, order-types and max-quantity from the guards"
            }
            Self::Method | Self::Query | Self::ContentType => {
                "send it as a POST with a JSON body (Content-Type: application/json, no Content-Encoding) and no query"
            }
            Self::TooLong => "an order is a few hundred bytes: send less",
            Self::Json(_) | Self::NotAnObject => {
                "send one JSON object, in UTF-8, with each key once and spelled as Tradovate documents it"
            }
            Self::LookAlike { .. } => "spell each key as Tradovate documents it, or leave it out",
            Self::Type { .. } => {
                "write it as Tradovate documents it: quantities and ids as plain whole numbers"
            }
            Self::Missing { .. } => "name it, so that the guards can judge it",
            Self::ContractId => "name the contract by its symbol",
        }
    }
}

impl Named {
    /// Reads the order in `request`, which is of this form, as far as `rules` want.
    ///
    /// # Errors
    /// When it cannot be judged.
    pub(super) fn read(rules: &Rules, form: Form, request: &Request<'_>) -> Result<Self, Flaw> {
        let order = object(request)?;
        let mut named = Self::default();
        named.collect(rules, &order, Depth::Body)?;
        for part in form.parts(rules) {
            part.check(&order)?;
        }
        Ok(named)
    }

    /// Takes in whatever `node` names, and what is in it.
    fn collect(&mut self, rules: &Rules, node: &Node, depth: Depth) -> Result<(), Flaw> {
        match node {
            Node::Word | Node::Whole(_) | Node::OtherNumber | Node::Text(_) => Ok(()),
            Node::List(list) => list.iter().try_for_each(|node| self.collect(rules, node, depth)),
            Node::Object(members) => members.iter().try_for_each(|(key, value)| {
                self.take(rules, key, value, depth)?;
                self.collect(rules, value, depth)
            }),
        }
    }

    fn take(&mut self, rules: &Rules, key: &str, value: &Node, depth: Depth) -> Result<(), Flaw> {
        match spelled(rules, key)? {
            None => {}
            Some("accountSpec") => self.account_specs.push(text("accountSpec", value)?),
            Some("accountId") => self.account_ids.push(whole("accountId", value)?),
            Some("symbol") => self.symbols.push(text("symbol", value)?),
            Some("orderType") => self.order_types.push(text("orderType", value)?),
            Some("params") => self.collect(rules, &parameters(value, depth)?, Depth::Parameters)?,
            Some(quantity) => self.quantities.push(positive(quantity, value)?),
        }
        Ok(())
    }
}

/// Whether this is the body, or the text inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Depth {
    Body,
    Parameters,
}

/// The body of a request that could be nothing but an order in JSON.
fn object(request: &Request<'_>) -> Result<Node, Flaw> {
    // Tradovate: methods are not enforced, so another one, or a query beside the body, might be read otherwise.
    if request.method != Method::POST.as_str() {
        return Err(Flaw::Method);
    }
    if request.target.contains('?') {
        return Err(Flaw::Query);
    }
    if !is_plain_json(request) {
        return Err(Flaw::ContentType);
    }
    if request.body.len() > LARGEST {
        return Err(Flaw::TooLong);
    }
    let node = Node::read(request.body).map_err(|error| Flaw::Json(error.to_string()))?;
    if matches!(node, Node::Object(_)) { Ok(node) } else { Err(Flaw::NotAnObject) }
}

/// RFC 8259 §8.1: JSON between systems is UTF-8. Another charset or a coding (RFC 9110 §8.4) would let a server read
/// other characters than were judged, and `content-types` may let other types in.
fn is_plain_json(request: &Request<'_>) -> bool {
    let Some(kind) = request.fields.only("content-type") else { return false };
    let mut parts = kind.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(b"application/json"))
        && parts.all(|parameter| {
            [b"charset=utf-8".as_slice(), b"charset=\"utf-8\"", b""]
                .iter()
                .any(|known| parameter.eq_ignore_ascii_case(known))
        })
        && request
            .fields
            .all("content-encoding")
            .flat_map(list_members)
            .all(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

/// The name of ours that `key` is; `None` if it is nothing to us.
fn spelled(rules: &Rules, key: &str) -> Result<Option<&'static str>, Flaw> {
    let known = NAMES.iter().copied().find(|name| name.eq_ignore_ascii_case(key));
    if let Some(name) = known {
        let look_alike = || Flaw::LookAlike { key: cut(key), meant: name };
        return if name == key { Ok(Some(name)) } else { Err(look_alike()) };
    }
    let folded = key.to_ascii_lowercase();
    if folded.contains("qty") || folded.contains("quantity") {
        return Err(Flaw::LookAlike { key: cut(key), meant: "orderQty" });
    }
    if rules.symbols.is_some() && folded == "contractid" {
        return Err(Flaw::ContractId);
    }
    Ok(None)
}

/// Tradovate: `params` of a strategy is JSON, in a text.
fn parameters(value: &Node, depth: Depth) -> Result<Node, Flaw> {
    let flaw = Flaw::Type { key: "params", what: "a text with a JSON object in it" };
    match (value, depth) {
        (Node::Text(json), Depth::Body) => match Node::read(json.as_bytes()) {
            Ok(object @ Node::Object(_)) => Ok(object),
            Ok(_) => Err(flaw),
            Err(error) => Err(Flaw::Json(format!("params: {error}"))),
        },
        _ => Err(flaw),
    }
}

fn text(key: &'static str, value: &Node) -> Result<String, Flaw> {
    if let Node::Text(text) = value { Ok(text.clone()) } else { Err(Flaw::Type { key, what: "a text" }) }
}

fn whole(key: &'static str, value: &Node) -> Result<u64, Flaw> {
    if let Node::Whole(number) = value {
        Ok(*number)
    } else {
        Err(Flaw::Type { key, what: "a plain whole number" })
    }
}

/// What a server makes of a quantity of zero (the rest? as before?) is not known.
fn positive(key: &'static str, value: &Node) -> Result<u64, Flaw> {
    whole(key, value)
        .ok()
        .filter(|number| *number > 0)
        .ok_or(Flaw::Type { key, what: "a plain whole number above zero" })
}

impl Part {
    /// Whether `order` has it.
    fn check(&self, order: &Node) -> Result<(), Flaw> {
        match *self {
            Self::Account => {
                let is_named = order.get("accountSpec").or_else(|| order.get("accountId")).is_some();
                if is_named { Ok(()) } else { Err(Flaw::Missing { key: "accountSpec" }) }
            }
            Self::Field(key) => order.get(key).map(|_| ()).ok_or(Flaw::Missing { key }),
            Self::Leg(leg, wanted) => match order.get(leg) {
                Some(object @ Node::Object(_)) => {
                    wanted.iter().try_for_each(|key| Self::Field(key).check(object))
                }
                Some(_) => Err(Flaw::Type { key: leg, what: "an object" }),
                None => Err(Flaw::Missing { key: leg }),
            },
            Self::LegIfAny(leg, wanted) => {
                if order.get(leg).is_some() {
                    Self::Leg(leg, wanted).check(order)
                } else {
                    Ok(())
                }
            }
            Self::Entry(wanted) => {
                let params = order.get("params").ok_or(Flaw::Missing { key: "params" })?;
                Self::Leg("entryVersion", wanted).check(&parameters(params, Depth::Body)?)
            }
        }
    }
}

/// The fields that a rule can want. The last two are quantities: Tradovate calls them `orderQty` in orders and `qty`
/// in the brackets of a strategy.
const NAMES: &[&str] = &["accountSpec", "accountId", "symbol", "orderType", "params", "orderQty", "qty"];

/// Longest body that is judged, in bytes.
const LARGEST: usize = 64 * 1024;
