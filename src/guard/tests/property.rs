//! Whatever passes under a limit has no quantity above it: by the reading of another parser.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Every number anywhere in `value` behind a key that could mean a quantity, also in texts that are JSON.
fn quantities(value: &Value, found: &mut Vec<f64>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let folded: String = key.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect();
                if folded.contains("qty") {
                    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
                    found.extend(number);
                }
                quantities(value, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| quantities(value, found)),
        Value::String(text) => {
            if let Ok(inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                quantities(&inner, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A number as somebody might write it.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0_u64..8).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "[0-9]{1,3}(\\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?",
        1 => Just("\"7\"".to_owned()),
        1 => Just("null".to_owned()),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just("orderQty"),
        2 => Just("qty"),
        1 => Just("OrderQty"),
        1 => Just("\\u006frderQty"),
        1 => Just("order_qty"),
        1 => Just("maxShow"),
        1 => Just("price"),
    ]
}

fn object(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Members that an object of an order might have, nested a few levels deep.
fn value() -> impl Strategy<Value = String> {
    number().prop_recursive(3, 24, 4, |inner| {
        let nest = prop_oneof![
            Just("other"),
            Just("bracket1"),
            Just("bracket2"),
            Just("entryVersion"),
            Just("brackets")
        ];
        let members = prop::collection::vec((prop_oneof![key(), nest], inner.clone()), 0..4);
        prop_oneof![
            members.clone().prop_map(|members| object(&members)),
            prop::collection::vec(inner, 0..3).prop_map(|list| format!("[{}]", list.join(","))),
            members.prop_map(|members| Value::String(object(&members)).to_string()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_passes_has_no_quantity_above_the_limit(
        members in prop::collection::vec(
            (prop_oneof![4 => key(), 1 => Just("other"), 1 => Just("bracket1"), 1 => Just("params"), 1 => Just("text")], value()), 0..4),
        path in prop_oneof![
            Just("/order/placeorder"), Just("/order/placeoco"), Just("/order/placeoso"), Just("/order/modifyorder"),
            Just("/orderStrategy/startorderstrategy"), Just("/order/teleport"),
        ],
        most in 1_u32..5,
    ) {
        let rules = Rules { max_quantity: most.try_into().ok(), ..Rules::default() };
        let body = object(&members);
        let asked = Asked::post(path, &body);
        if asked.judged(&rules, None).is_ok() {
            let read: Value = serde_json::from_str(&body).unwrap();
            // What stands in a text is JSON only in `params`; elsewhere it is a text.
            let read = without_texts(read);
            let mut found = Vec::new();
            quantities(&read, &mut found);
            prop_assert!(!found.is_empty(), "{body}");
            prop_assert!(found.iter().all(|quantity| *quantity <= f64::from(most)), "{body}: {found:?}");
        }
    }

    #[test]
    fn nothing_that_is_read_panics(body in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
        for body in [body, text.into_bytes()] {
            let _ = Asked::post("/order/placeorder", &body).judged(&all_set(), None);
            let params = serde_json::json!({"params": String::from_utf8_lossy(&body)}).to_string();
            let _ = Asked::post("/orderStrategy/startorderstrategy", params).judged(&all_set(), None);
        }
    }
}

/// The same without texts, save those of `params`.
fn without_texts(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| {
                    let is_idle = value.is_string() && key != "params" && !key.to_lowercase().contains("qty");
                    (key, if is_idle { Value::Null } else { without_texts(value) })
                })
                .collect(),
        ),
        Value::Array(list) => {
            let list = list.into_iter().filter(|value| !value.is_string());
            Value::Array(list.map(without_texts).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}
