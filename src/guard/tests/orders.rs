//! The rules on orders.

use super::*;

const PLACE: &str = "/order/placeorder";

/// [`ORDER`] with one text in place of another.
fn order(from: &str, to: &str) -> Asked {
    assert!(ORDER.contains(from), "{from}");
    Asked::post(PLACE, ORDER.replace(from, to))
}

fn only(keep: impl FnOnce(Rules) -> Rules) -> Rules {
    keep(all_set())
}

fn accounts() -> Rules {
    only(|all| Rules { accounts: all.accounts, ..Rules::default() })
}

fn symbols() -> Rules {
    only(|all| Rules { symbols: all.symbols, ..Rules::default() })
}

fn order_types() -> Rules {
    only(|all| Rules { order_types: all.order_types, ..Rules::default() })
}

fn max_quantity() -> Rules {
    only(|all| Rules { max_quantity: all.max_quantity, ..Rules::default() })
}

#[test]
fn accounts_must_be_listed_by_whatever_they_are_named() {
    let spec = r#""accountSpec":"DEMO15460","#;
    let id = r#""accountId":6270,"#;
    for (from, to, refused) in [
        (spec, spec, None),
        (spec, "", None),
        (id, "", None),
        ("DEMO15460", "DEMO15461", Some(Rule::Accounts)),
        ("DEMO15460", "demo15460", Some(Rule::Accounts)),
        ("DEMO15460", "DEMO15460 ", Some(Rule::Accounts)),
        ("DEMO15460", "DEM\\u004f15460", None),
        ("6270", "6271", Some(Rule::Accounts)),
        ("6270", "\"6270\"", Some(Rule::Body)),
        ("6270", "6270.0", Some(Rule::Body)),
        ("6270", "null", Some(Rule::Body)),
        ("6270", "-6270", Some(Rule::Body)),
        (id, r#""accountId":6270,"accountId":1,"#, Some(Rule::Body)),
        (id, r#""AccountId":1,"#, Some(Rule::Body)),
        ("accountSpec", "AccountSpec", Some(Rule::Body)),
        (r#""accountSpec":"DEMO15460","accountId":6270,"#, "", Some(Rule::Body)),
        // Wherever else it stands.
        ("{", r#"{"other":{"accountId":1},"#, Some(Rule::Accounts)),
        ("{", r#"{"other":[{"accountSpec":"LIVE1"}],"#, Some(Rule::Accounts)),
        ("{", r#"{"params":"{\"accountId\":1}","#, Some(Rule::Accounts)),
        // And what it says of other things is other rules' affair.
        ("ESZ6", "CLZ6", None),
        (r#""orderQty":1,"#, r#""orderQty":1000000,"#, None),
    ] {
        assert_eq!(order(from, to).refused_by(&accounts()), refused, "{from} → {to}");
    }
}

#[test]
fn symbols_must_be_listed_as_they_are_written() {
    for (from, to, refused) in [
        ("ESZ6", "ESH7", None),
        ("ESZ6", "NQZ6", None),
        ("ESZ6", "NQH7", Some(Rule::Symbols)),
        ("ESZ6", "esz6", Some(Rule::Symbols)),
        ("ESZ6", "MESZ6", Some(Rule::Symbols)),
        ("ESZ6", "ES", Some(Rule::Symbols)),
        ("ESZ6", "ESZ6\\u0000", Some(Rule::Symbols)),
        ("\"ESZ6\"", "3570918", Some(Rule::Body)),
        (r#""symbol":"ESZ6","#, "", Some(Rule::Body)),
        (r#""symbol":"ESZ6","#, r#""Symbol":"ESZ6","#, Some(Rule::Body)),
        (r#""symbol":"ESZ6","#, r#""symbol":"ESZ6","contractId":1,"#, Some(Rule::Body)),
        ("{", r#"{"bracket1":{"symbol":"CLZ6"},"#, Some(Rule::Symbols)),
        ("6270", "1", None),
    ] {
        assert_eq!(order(from, to).refused_by(&symbols()), refused, "{from} → {to}");
    }
}

#[test]
fn order_types_must_be_listed() {
    for (from, to, refused) in [
        ("Limit", "Stop", None),
        ("Limit", "Market", Some(Rule::OrderTypes)),
        ("Limit", "limit", Some(Rule::OrderTypes)),
        ("\"Limit\"", "1", Some(Rule::Body)),
        (r#""orderType":"Limit","#, "", Some(Rule::Body)),
        ("{", r#"{"other":{"orderType":"Market"},"#, Some(Rule::OrderTypes)),
    ] {
        assert_eq!(order(from, to).refused_by(&order_types()), refused, "{from} → {to}");
    }
}

#[test]
fn a_quantity_is_a_plain_number_and_no_larger_than_it_may() {
    for (quantity, refused) in [
        ("1", None),
        ("2", None),
        ("3", Some(Rule::MaxQuantity)),
        ("18446744073709551615", Some(Rule::MaxQuantity)),
        ("18446744073709551617", Some(Rule::Body)),
        ("0", Some(Rule::Body)),
        ("-1", Some(Rule::Body)),
        ("-0", Some(Rule::Body)),
        ("1.0", Some(Rule::Body)),
        ("1e0", Some(Rule::Body)),
        ("1e3", Some(Rule::Body)),
        ("1E400", Some(Rule::Body)),
        ("NaN", Some(Rule::Body)),
        ("0x1", Some(Rule::Body)),
        ("01", Some(Rule::Body)),
        ("\"1\"", Some(Rule::Body)),
        ("null", Some(Rule::Body)),
        ("true", Some(Rule::Body)),
        ("[1]", Some(Rule::Body)),
        ("{\"value\":1}", Some(Rule::Body)),
        ("1,\"orderQty\":9", Some(Rule::Body)),
        ("1,\"OrderQty\":9", Some(Rule::Body)),
        ("1,\"\\u006frderQty\":9", Some(Rule::Body)),
        ("1,\"order_qty\":9", Some(Rule::Body)),
        ("1,\"quantity\":1", Some(Rule::Body)),
        ("1,\"qty\":9", Some(Rule::MaxQuantity)),
        ("1,\"other\":{\"orderQty\":9}", Some(Rule::MaxQuantity)),
        ("1,\"params\":\"{\\\"brackets\\\":[{\\\"qty\\\":9}]}\"", Some(Rule::MaxQuantity)),
        ("1,\"params\":\"{\\\"params\\\":\\\"{}\\\"}\"", Some(Rule::Body)),
        ("1,\"params\":{\"qty\":1}", Some(Rule::Body)),
        ("1,\"params\":\"{\\\"qty\\\":1,\\\"qty\\\":9}\"", Some(Rule::Body)),
    ] {
        let asked = order(r#""orderQty":1"#, &format!(r#""orderQty":{quantity}"#));
        assert_eq!(asked.refused_by(&max_quantity()), refused, "{quantity}");
    }
    // The same key by an escape is the same key.
    assert_eq!(order("orderQty", "\\u006frderQty").refused_by(&max_quantity()), None);
    let missing = order(r#""orderQty":1,"#, "").refused_by(&max_quantity());
    assert_eq!(missing, Some(Rule::Body));
}

#[test]
fn an_order_is_a_post_of_one_plain_json_object() {
    let json = "Content-Type: application/json\r\n";
    let judged = |method: &str, path: &str, fields: &str, body: &[u8]| {
        Asked::of(method, path, fields, body).judged(&max_quantity(), None)
    };
    let flaw = |flaw: Flaw| Err(Refusal::Body(flaw));
    let body = ORDER.as_bytes();
    for fields in [
        json,
        "content-type: Application/JSON; charset=UTF-8\r\n",
        "Content-Type: application/json;\r\nContent-Encoding: identity\r\n",
    ] {
        assert_eq!(judged("POST", PLACE, fields, body), Ok(()), "{fields}");
    }
    for method in ["GET", "PUT", "PATCH", "post", "DELETE"] {
        assert_eq!(judged(method, PLACE, json, body), flaw(Flaw::Method), "{method}");
    }
    for query in ["?", "?orderQty=9", "?a"] {
        assert_eq!(judged("POST", &format!("{PLACE}{query}"), json, body), flaw(Flaw::Query), "{query}");
    }
    for fields in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type: application/json; charset=utf-7\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json\r\nContent-Encoding: identity, gzip\r\n",
    ] {
        assert_eq!(judged("POST", PLACE, fields, body), flaw(Flaw::ContentType), "{fields}");
    }
    for body in ["[]", "1", "null", "\"{}\""] {
        assert_eq!(judged("POST", PLACE, json, body.as_bytes()), flaw(Flaw::NotAnObject), "{body}");
    }
    for body in [&b""[..], b"{", b"\xef\xbb\xbf{}", b"{}{}", b"{\"orderQty\":1}\0", b"{\"a\":\"\xc3\"}"] {
        assert!(matches!(judged("POST", PLACE, json, body), Err(Refusal::Body(Flaw::Json(_)))), "{body:?}");
    }
    let long = ORDER.replace("Buy", &"x".repeat(70_000));
    assert_eq!(judged("POST", PLACE, json, long.as_bytes()), flaw(Flaw::TooLong));
}

#[test]
fn each_form_of_an_order_is_read_where_it_has_what_a_rule_wants() {
    let oco = |other: &str| {
        Asked::post("/order/placeOCO", format!("{},\"other\":{other}}}", &ORDER[..ORDER.len() - 1]))
    };
    let oso = |brackets: &str| {
        Asked::post("/order/placeOSO", format!("{},{brackets}}}", &ORDER[..ORDER.len() - 1]))
    };
    let stop = r#"{"action":"Sell","orderType":"Stop","stopPrice":1.5}"#;
    let market = r#"{"action":"Sell","orderType":"Market"}"#;
    let modify = |body: &str| Asked::post("/order/modifyorder", body);
    let strategy = |params: &str| {
        let body = serde_json::json!({"accountId": 6270, "symbol": "ESZ6", "orderStrategyTypeId": 2,
            "action": "Buy", "params": params});
        Asked::post("/orderStrategy/startorderstrategy", body.to_string())
    };
    let good =
        r#"{"entryVersion":{"orderQty":1,"orderType":"Limit"},"brackets":[{"qty":1,"profitTarget":10}]}"#;
    for (asked, refused) in [
        (oco(stop), None),
        (oco(market), Some(Rule::OrderTypes)),
        (oco("{}"), Some(Rule::Body)),
        (oco("\"x\""), Some(Rule::Body)),
        (Asked::post("/order/placeOCO", ORDER), Some(Rule::Body)),
        (oso(&format!("\"bracket1\":{stop}")), None),
        (oso(&format!("\"bracket1\":{stop},\"bracket2\":{stop}")), None),
        (oso(&format!("\"bracket1\":{stop},\"bracket2\":{market}")), Some(Rule::OrderTypes)),
        (oso(&format!("\"bracket1\":{stop},\"bracket2\":{{}}")), Some(Rule::Body)),
        (oso(&format!("\"bracket2\":{stop}")), Some(Rule::Body)),
        (oso(&format!("\"bracket1\":{}", stop.replace('{', "{\"orderQty\":9,"))), Some(Rule::MaxQuantity)),
        (modify(r#"{"orderId":7,"orderQty":2,"orderType":"Limit","price":1}"#), None),
        (modify(r#"{"orderId":7,"orderQty":3,"orderType":"Limit"}"#), Some(Rule::MaxQuantity)),
        (modify(r#"{"orderId":7,"orderQty":2,"orderType":"Market"}"#), Some(Rule::OrderTypes)),
        (modify(r#"{"orderId":7,"orderType":"Limit"}"#), Some(Rule::Body)),
        (modify(r#"{"orderId":7,"orderQty":2}"#), Some(Rule::Body)),
        (modify(r#"{"orderId":7,"orderQty":1,"orderType":"Limit","symbol":"CLZ6"}"#), Some(Rule::Symbols)),
        (strategy(good), None),
        (strategy(&good.replace("\"qty\":1", "\"qty\":3")), Some(Rule::MaxQuantity)),
        (strategy(&good.replace("\"orderQty\":1", "\"orderQty\":3")), Some(Rule::MaxQuantity)),
        (strategy(&good.replace("Limit", "Market")), Some(Rule::OrderTypes)),
        (strategy(&good.replace("\"orderQty\":1,", "")), Some(Rule::Body)),
        (strategy("not JSON"), Some(Rule::Body)),
        (strategy("[]"), Some(Rule::Body)),
        (strategy("{}"), Some(Rule::Body)),
        (
            Asked::post("/orderStrategy/modifyorderstrategy", "{\"orderStrategyId\":1,\"command\":\"x\"}"),
            Some(Rule::Body),
        ),
        (Asked::post("/accountRiskStatus/setadminautoliqaction", "{}"), Some(Rule::Body)),
        (Asked::post("/order/teleport", ORDER), Some(Rule::Body)),
        (Asked::post("/orderStrategy/interruptorderstrategy", "{\"orderStrategyId\":1}"), None),
    ] {
        assert_eq!(
            asked.refused_by(&all_set()),
            refused,
            "{} {}",
            asked.path,
            String::from_utf8_lossy(&asked.body)
        );
    }
}

#[test]
fn brakes_work_and_a_liquidation_is_of_a_listed_account() {
    let liquidate = |body: &str| Asked::post("/order/liquidateposition", body);
    for (asked, refused) in [
        (Asked::post("/order/cancelorder", "{\"orderId\":7}"), None),
        (Asked::post("/order/cancelorder", "nonsense"), None),
        (Asked::of("GET", "/order/cancelorder?orderId=7", "", ""), None),
        (Asked::post("/order/liquidatepositions", "{\"positions\":[1]}"), None),
        (liquidate(r#"{"accountId":6270,"contractId":3570918,"admin":false}"#), None),
        (liquidate(r#"{"accountId":1,"contractId":3570918,"admin":false}"#), Some(Rule::Accounts)),
        (liquidate(r#"{"contractId":3570918}"#), Some(Rule::Body)),
        (liquidate(r#"{"accountId":6270,"accountId":1}"#), Some(Rule::Body)),
        (Asked::of("GET", "/order/liquidateposition?accountId=1", "", ""), Some(Rule::Body)),
    ] {
        assert_eq!(
            asked.refused_by(&all_set()),
            refused,
            "{} {}",
            asked.path,
            String::from_utf8_lossy(&asked.body)
        );
    }
    // Without a list of accounts nothing holds it.
    let rules = Rules { accounts: None, ..all_set() };
    assert_eq!(liquidate("nonsense").refused_by(&rules), None);
}

#[test]
fn reads_and_writes_are_not_orders() {
    for path in ["/account/list", "/order/dryrun", "/alert/createalert"] {
        assert_eq!(Asked::of("GET", path, "", "{\"orderQty\":9}").refused_by(&all_set()), None, "{path}");
    }
    assert_eq!(
        Asked::post(PLACE, "nonsense").refused_by(&Rules::default()),
        None,
        "no rule on orders is set"
    );
}
