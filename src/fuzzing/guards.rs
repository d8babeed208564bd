//! Orders, as the guards judge them.

use std::{num::NonZeroU32, sync::LazyLock};

use crate::{
    callers,
    fuzzing::naive::{self, json::Json},
    guard::{Account, Finding, Request, Rules, Situation, Symbol, Verdict, examine, judge, order_type},
    http1::{HeadScanner, RequestHead, Scanned},
    proxy::{self, Api, Ground, Limits},
    tradovate::{Effect, Endpoints},
};

/// A byte for the rules that are set, one for the endpoint, and a body. Whatever passes names what is listed and nothing
/// else, wherever in it a reader of any kind looks.
///
/// # Panics
/// When it does not.
pub fn guard_body(input: &[u8]) {
    let [set, at] = input.first_chunk().copied().unwrap_or_default();
    let body = input.get(2..).unwrap_or_default();
    let rules = &RULES[usize::from(set) % RULES.len()];
    let path = PATHS[usize::from(at) % PATHS.len()];
    let request = Request {
        endpoint: ENDPOINTS.find(path),
        is_local: false,
        method: "POST",
        target: path,
        fields: PLAIN.1.fields(PLAIN.0),
        body,
    };
    let (mut last, situation) = (None, SITUATION);
    let verdict = examine(rules, &situation, &request, |rule, finding| last = Some((rule, finding.clone())));
    assert_eq!(verdict, judge(rules, &situation, &request), "it is judged in two ways");
    match verdict {
        Verdict::Forward => only_what_is_listed(rules, path, body),
        Verdict::Refuse(refusal) => {
            let rule = refusal.rule();
            assert_eq!(last, Some((rule, Finding::Refuses(refusal))));
        }
    }
}

/// A whole request, as `explain` is asked about: what would be forwarded under all rules has one reading, by which it
/// may be.
///
/// # Panics
/// When it has not.
pub fn explain(input: &[u8]) {
    let Scanned::Complete(length) = HeadScanner::default().scan(input) else { return };
    let (head, body) = input.split_at(length);
    let Some(rules) = RULES.last() else { return };
    let limits = Limits { body_bytes: MOST_BYTES, ..Limits::default() };
    let ground = Ground {
        api: Api::Tradovate,
        callers: &callers::Rules::default(),
        addresses: &[],
        endpoints: &ENDPOINTS,
        content_types: &["text/plain".to_owned()],
        limits: &limits,
        rules,
        situation: &SITUATION,
    };
    let Ok(explained) = proxy::explain(&ground, head, body) else { return };
    assert_eq!(explained.is_refused(), explained.verdict == "refused");
    assert!(explained.is_refused() == explained.help.is_some() && !explained.rules.is_empty());
    if explained.verdict != "forward" {
        return;
    }
    assert!(body.len() <= MOST_BYTES);
    let plain = naive::Head::of_request(head).expect("what would be forwarded has one reading");
    let [method, target, _] = plain.first.map(String::from_utf8_lossy);
    let lenient = naive::most_lenient_path(origin_form(&target));
    let below = lenient.strip_prefix("/v1").unwrap_or_default();
    let meant = ENDPOINTS.iter().find(|endpoint| endpoint.path.eq_ignore_ascii_case(below));
    let meant = meant.filter(|meant| !meant.path.is_empty()).expect("an unknown path may be an order");
    assert_eq!(explained.operation, Some(meant.operation), "{target} could be taken for {lenient}");
    assert_ne!(meant.effect, Effect::Auth);
    if meant.effect == Effect::Order && !BY_ID.contains(&below) {
        assert_eq!(method, "POST");
        assert!(!target.contains('?'), "{target} has fields of its own");
        let kinds = plain.all("content-type");
        let essence = |kind: &&[u8]| String::from_utf8_lossy(kind).split(';').next().map(str::to_lowercase);
        let is_json = |kind| essence(kind).is_some_and(|essence| essence.trim() == "application/json");
        assert!(kinds.len() == 1 && kinds.iter().all(is_json), "it is read as JSON, and need not be");
        only_what_is_listed(rules, below, body);
    }
}

/// RFC 9112 §3.2.2: what follows scheme and authority.
fn origin_form(target: &str) -> &str {
    match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    }
}

/// That an order on its way to the endpoint at `path` names what `rules` let pass.
fn only_what_is_listed(rules: &Rules, path: &str, body: &[u8]) {
    let is_set = [
        rules.accounts.is_some(),
        rules.symbols.is_some(),
        rules.order_types.is_some(),
        rules.max_quantity.is_some(),
    ];
    let is_liquidation = path == "/order/liquidateposition";
    if BY_ID.contains(&path) || is_set == [false; 4] || is_liquidation && !is_set[0] {
        return;
    }
    assert_ne!(path, UNKNOWN, "nobody knows what this does");
    let order = Json::read(body).expect("what passes is JSON");
    let mut names = Names { is_set, is_liquidation, found: [false; 4] };
    let Json::Object(_) = order else { panic!("what passes is an object") };
    names.look(&order);
    // What a rule is about must be there to be judged; a modification names its order by id.
    let needs = match path {
        "/order/modifyorder" => [false, false, is_set[2], is_set[3]],
        "/order/liquidateposition" => [is_set[0], false, false, false],
        _ => is_set,
    };
    for (what, needed) in needs.into_iter().enumerate() {
        assert!(!needed || names.found[what], "a rule on {} has nothing to judge", WHAT[what]);
    }
}

/// What an order names.
struct Names {
    is_set: [bool; 4],
    is_liquidation: bool,
    found: [bool; 4],
}

impl Names {
    /// Each of two members with one key is looked at: whichever a server takes, it was this one. And there are none.
    fn look(&mut self, node: &Json) {
        match node {
            Json::Word | Json::Number(_) | Json::Text(_) => {}
            Json::List(list) => list.iter().for_each(|node| self.look(node)),
            Json::Object(members) => {
                let mut keys: Vec<_> = members.iter().map(|(key, _)| folded(key)).collect();
                keys.sort_unstable();
                let distinct = keys.windows(2).all(|pair| pair[0] != pair[1]);
                assert!(distinct, "two readers may see two orders: {keys:?}");
                for (key, value) in members {
                    self.judge(&folded(key), value);
                    self.look(value);
                }
            }
        }
    }

    fn judge(&mut self, key: &str, value: &Json) {
        let text = if let Json::Text(text) = value { text } else { "" };
        let digits = if let Json::Number(digits) = value { digits } else { "" };
        let (what, is_listed) = match key {
            "accountspec" => (0, ["DEMO15460", "6270"].contains(&text)),
            "accountid" => (0, digits == "6270"),
            "symbol" => (1, text == "ESZ6" || text.strip_prefix("NQ").is_some_and(is_month)),
            "contractid" => (1, false),
            "ordertype" => (2, ["Limit", "Market"].contains(&text)),
            "params" => {
                let inner = Json::read(text.as_bytes()).expect("its parameters are JSON");
                return self.look(&inner);
            }
            _ if key.contains("qty") || key.contains("quantity") => (3, ["1", "2", "3"].contains(&digits)),
            _ => return,
        };
        // A liquidation is a brake: of its fields only the account is held against it.
        if self.is_set[what] && (what == 0 || !self.is_liquidation) {
            assert!(is_listed, "{key} passes as {value:?}");
            self.found[what] = true;
        }
    }
}

/// As the most lenient server might compare it.
fn folded(key: &str) -> String {
    key.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect()
}

/// `Z6` or `Z26`: the months' letters from January on.
fn is_month(rest: &str) -> bool {
    let year = rest.strip_prefix(|month| "FGHJKMNQUVXZ".contains(month)).unwrap_or_default();
    matches!(year.len(), 1 | 2) && year.bytes().all(|digit| digit.is_ascii_digit())
}

const WHAT: [&str; 4] = ["accounts", "symbols", "order types", "quantities"];

const PATHS: [&str; 9] = [
    "/order/placeorder",
    "/order/placeoco",
    "/order/placeoso",
    "/order/modifyorder",
    "/orderStrategy/startorderstrategy",
    "/order/liquidateposition",
    "/order/cancelorder",
    "/order/liquidatepositions",
    UNKNOWN,
];
const UNKNOWN: &str = "/order/teleport";
/// What names an order, positions or a strategy by number, and adds nothing.
const BY_ID: [&str; 3] =
    ["/order/cancelorder", "/order/liquidatepositions", "/orderstrategy/interruptorderstrategy"];

const SITUATION: Situation = Situation { environment: "demo", killed: None };

/// Every choice of the four rules on orders, all of them last.
static RULES: LazyLock<Vec<Rules>> = LazyLock::new(|| {
    let accounts: Vec<_> = ["DEMO15460", "6270"].into_iter().filter_map(Account::parse).collect();
    let symbols: Vec<_> = ["ESZ6", "NQ*"].into_iter().filter_map(Symbol::parse).collect();
    let types: Vec<_> = ["Limit", "Market"].into_iter().filter_map(order_type).collect();
    let choices = (0..16).map(|set: u8| Rules {
        accounts: (set & 1 != 0).then(|| accounts.clone()),
        symbols: (set & 2 != 0).then(|| symbols.clone()),
        order_types: (set & 4 != 0).then(|| types.clone()),
        max_quantity: (set & 8 != 0).then_some(NonZeroU32::MIN.saturating_add(2)),
        ..Rules::default()
    });
    choices.collect()
});

/// The head of an order that could be nothing else.
static PLAIN: LazyLock<(&[u8], RequestHead)> = LazyLock::new(|| {
    let bytes =
        b"POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n";
    let mut head = RequestHead::default();
    head.read(bytes).expect("it is a head");
    (bytes, head)
});

static ENDPOINTS: LazyLock<Endpoints> = LazyLock::new(Endpoints::new);

/// Bodies above it are not judged at all.
const MOST_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    fn passes(path: &str, body: &str) -> bool {
        let endpoint = ENDPOINTS.find(path);
        let (fields, body) = (PLAIN.1.fields(PLAIN.0), body.as_bytes());
        let request = Request { endpoint, is_local: false, method: "POST", target: path, fields, body };
        judge(all(), &SITUATION, &request) == Verdict::Forward
    }

    fn all() -> &'static Rules {
        RULES.last().unwrap()
    }

    const ORDER: &str = r#"{"accountSpec":"DEMO15460","symbol":"NQZ6","orderQty":3,"orderType":"Limit"}"#;
    const PLACE: &str = "/order/placeorder";

    #[test]
    fn some_orders_pass_so_that_there_is_something_to_look_at() {
        assert!(passes(PLACE, ORDER));
        let params = r#"{"accountId":6270,"symbol":"ESZ6","params":"{\"entryVersion\":{\"orderQty\":1,\"orderType\":\"Market\"}}"}"#;
        assert!(passes("/orderStrategy/startorderstrategy", params));
        only_what_is_listed(all(), "/orderStrategy/startorderstrategy", params.as_bytes());
    }

    #[test]
    fn the_other_reading_is_awake() {
        only_what_is_listed(all(), PLACE, ORDER.as_bytes());
        for (listed, other) in [
            ("DEMO15460", "DEMO1546"),
            ("NQZ6", "NQZ666"),
            (":3", ":4"),
            (":3", ":3.0"),
            ("Limit", "Stop"),
            ("{", "{\"OrderQty\":3,"),
            ("{", "{\"other\":{\"qty\":9},"),
            ("{", "{\"params\":\"{\\\"qty\\\":9}\","),
            ("\"symbol\":\"NQZ6\",", ""),
            ("}", ""),
        ] {
            let body = ORDER.replacen(listed, other, 1);
            assert_ne!(body, ORDER);
            catch_unwind(|| only_what_is_listed(all(), PLACE, body.as_bytes())).expect_err(&body);
            assert!(!passes(PLACE, &body), "{body}");
        }
    }
}
