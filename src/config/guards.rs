//! The trading guards.

use std::{num::NonZeroU32, path::PathBuf};

use crate::{
    config::{
        layers::Layers,
        setting as s,
        value::{self, Invalid},
    },
    guard::{Account, Mode, Rules, Symbol, order_type},
};

pub(super) fn rules(layers: &mut Layers<'_>) -> Rules {
    Rules {
        mode: layers.value(&s::GUARDS_MODE, |text| {
            let mode = Mode::ALL.into_iter().find(|mode| mode.name() == text);
            mode.ok_or(Invalid::Choice { of: "all, cancel-only, read-only" })
        }),
        accounts: layers
            .optional(&s::GUARDS_ACCOUNTS, |text| list(text, "account names and numbers", Account::parse)),
        symbols: layers.optional(&s::GUARDS_SYMBOLS, |text| {
            list(text, "symbols in capitals, such as ESZ6 or ES*,", Symbol::parse)
        }),
        order_types: layers.optional(&s::GUARDS_ORDER_TYPES, |text| list(text, TYPES, order_type)),
        max_quantity: layers.optional(&s::GUARDS_MAX_QUANTITY, |text| number(text, 1_000_000)),
        orders_per_minute: layers.optional(&s::GUARDS_ORDERS_PER_MINUTE, |text| number(text, 10_000)),
        kill_file: layers.optional(&s::GUARDS_KILL_FILE, |text| Ok(PathBuf::from(text))),
        kill_cancels: layers.value(&s::GUARDS_KILL_CANCELS, value::yes_or_no),
    }
}

/// Entries between commas, as they are written: here case matters.
fn list<T>(text: &str, form: &'static str, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, Invalid> {
    text.split(',').map(|entry| parse(entry.trim())).collect::<Option<_>>().ok_or(Invalid::List { form })
}

/// A whole number from 1 to `most`.
fn number(text: &str, most: usize) -> Result<NonZeroU32, Invalid> {
    let number = u32::try_from(value::count(text, 1..=most)?).ok();
    number.and_then(NonZeroU32::new).ok_or(Invalid::Number)
}

const TYPES: &str = "order types (Limit, MIT, Market, QTS, Stop, StopLimit, TrailingStop, TrailingStopLimit)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, Environment, Flags, Purpose},
        guard::ORDER_TYPES,
    };

    /// A configuration in a text names no file, so that one comes from the environment.
    fn load(toml: &str) -> Result<Rules, String> {
        load_with(toml, None)
    }

    fn load_with(toml: &str, kill_file: Option<&'static str>) -> Result<Rules, String> {
        let login = [
            ("TRADOVATE_NAME", "n"),
            ("TRADOVATE_PASSWORD", "p"),
            ("TRADOVATE_APP_ID", "a"),
            ("TRADOVATE_CID", "8"),
            ("TRADOVATE_SEC", "s"),
        ];
        let kill_file = kill_file.map(|path| ("TRADOVATE_PROXY_GUARDS_KILL_FILE", path));
        let environment: Environment = login.into_iter().chain(kill_file).collect();
        let config = Config::of_text(&environment, &format!("[guards]\n{toml}"));
        config.map(|config| config.guards).map_err(|errors| errors.to_string())
    }

    #[test]
    fn all_of_them_are_off_until_they_are_set() {
        assert_eq!(load("").unwrap(), Rules::default());
        let rules = load_with(
            "mode = 'cancel-only'\naccounts = ['DEMO15460', '6270']\nsymbols = ['ES*', 'NQZ6']\n\
             order-types = ['Limit']\nmax-quantity = 2\norders-per-minute = 30\nkill-cancels = true\n",
            Some("/run/kill"),
        )
        .unwrap();
        let expected = Rules {
            mode: Mode::CancelOnly,
            accounts: Some(["DEMO15460", "6270"].map(|text| Account::parse(text).unwrap()).into()),
            symbols: Some(["ES*", "NQZ6"].map(|text| Symbol::parse(text).unwrap()).into()),
            order_types: Some(vec!["Limit"]),
            max_quantity: 2.try_into().ok(),
            orders_per_minute: 30.try_into().ok(),
            kill_file: Some("/run/kill".into()),
            kill_cancels: true,
        };
        assert_eq!(rules, expected);
    }

    #[test]
    fn no_slip_is_a_guard_that_does_not_guard() {
        for toml in [
            "mode = 'readonly'",
            "mode = ''",
            "read-only = true",
            "accounts = ''",
            "accounts = []",
            "accounts = 'DEMO*'",
            "accounts = 'a,,b'",
            "symbols = 'es*'",
            "symbols = '*'",
            "symbols = 'ESZ6;NQZ6'",
            "order-types = 'limit'",
            "order-types = 'Limit,Iceberg'",
            "max-quantity = 0",
            "max-quantity = -1",
            "max-quantity = 1.5",
            "max-quantity = 'two'",
            "max-quantity = 1000001",
            "orders-per-minute = 0",
            "orders-per-minute = 10001",
            "kill-cancels = 'on'",
        ] {
            assert!(load(toml).is_err(), "{toml}");
        }
        assert!(load_with("", Some("")).is_err());
        // The list in the message is the list.
        assert!(ORDER_TYPES.iter().all(|known| TYPES.contains(known)));
        let defaults =
            Config::load(Purpose::Sandbox, &Flags::default(), &Environment::from_iter([("A", "b")]));
        assert_eq!(defaults.unwrap().guards, Rules::default());
    }
}
