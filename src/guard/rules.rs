//! What an operator sets: which orders may pass.

use std::{fmt, num::NonZeroU32, path::PathBuf};

/// The rules in force. All off by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Setting `guards.mode`.
    pub mode: Mode,
    /// Setting `guards.accounts`; `None` lets any account pass.
    pub accounts: Option<Vec<Account>>,
    /// Setting `guards.symbols`.
    pub symbols: Option<Vec<Symbol>>,
    /// Setting `guards.order-types`, in Tradovate's spelling.
    pub order_types: Option<Vec<&'static str>>,
    /// Setting `guards.max-quantity`.
    pub max_quantity: Option<NonZeroU32>,
    /// Setting `guards.orders-per-minute`.
    pub orders_per_minute: Option<NonZeroU32>,
    /// Setting `guards.kill-file`: while there is something at this path, the kill switch is on.
    pub kill_file: Option<PathBuf>,
    /// Setting `guards.kill-cancels`: whether the kill switch cancels working orders too.
    pub kill_cancels: bool,
}

impl Rules {
    /// Whether any rule looks into the body of an order.
    pub(super) fn read_orders(&self) -> bool {
        self.accounts.is_some()
            || self.symbols.is_some()
            || self.order_types.is_some()
            || self.max_quantity.is_some()
    }
}

/// Which kinds of requests pass at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of them.
    #[default]
    All,
    /// Reads, and what takes risk away: cancels and liquidations.
    CancelOnly,
    /// Reads.
    ReadOnly,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::All, Self::CancelOnly, Self::ReadOnly];

    /// The name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::CancelOnly => "cancel-only",
            Self::ReadOnly => "read-only",
        }
    }
}

/// An account that may be traded: by its name (`accountSpec`), or by its number (`accountId`). Names can be digits,
/// so an entry of digits is either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(String);

impl Account {
    /// Reads an entry of the list; `None` if no account is called so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_name)).then(|| Self(text.to_owned()))
    }

    pub(super) fn is_called(&self, spec: &str) -> bool {
        self.0 == spec
    }

    pub(super) fn has_id(&self, id: u64) -> bool {
        // By its digits, so that 007 is a name and no number.
        self.0 == id.to_string()
    }
}

/// A contract that may be traded, or every month of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// `ESZ6`: this one.
    Contract(String),
    /// `ES*`: the root, a letter of a month and the year's last digit or two. Not every text that begins so, or `M*`
    /// would let `MES` and `MNQ` pass.
    Root(String),
}

impl Symbol {
    /// Reads an entry of the list; `None` if no symbol is written so. Capitals only: what a server makes of another
    /// spelling is its own affair, and a list that takes one is a list with a gap.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |text: &str| {
            let is_plain =
                |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-. :".contains(&byte);
            !text.is_empty() && text.trim() == text && text.bytes().all(is_plain)
        };
        match text.strip_suffix('*') {
            Some(root) => is_plain(root).then(|| Self::Root(root.to_owned())),
            None => is_plain(text).then(|| Self::Contract(text.to_owned())),
        }
    }

    pub(super) fn admits(&self, symbol: &str) -> bool {
        match self {
            Self::Contract(contract) => contract == symbol,
            Self::Root(root) => symbol.strip_prefix(root.as_str()).is_some_and(is_month),
        }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Contract(contract) => f.write_str(contract),
            Self::Root(root) => write!(f, "{root}*"),
        }
    }
}

/// `Z6` or `Z26`.
fn is_month(rest: &str) -> bool {
    let mut bytes = rest.bytes();
    bytes.next().is_some_and(|month| MONTHS.contains(&month))
        && matches!(bytes.len(), 1 | 2)
        && bytes.all(|digit| digit.is_ascii_digit())
}

/// The order type of Tradovate's that is spelled so; `None` if there is none.
pub fn order_type(text: &str) -> Option<&'static str> {
    ORDER_TYPES.iter().copied().find(|known| *known == text)
}

/// The months of futures, January first.
const MONTHS: &[u8] = b"FGHJKMNQUVXZ";

/// Tradovate: the values of `orderType`.
pub const ORDER_TYPES: &[&str] =
    &["Limit", "MIT", "Market", "QTS", "Stop", "StopLimit", "TrailingStop", "TrailingStopLimit"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_every_month_of_one_product_and_nothing_else() {
        let admits = |pattern: &str, symbol: &str| Symbol::parse(pattern).unwrap().admits(symbol);
        for symbol in ["ESZ6", "ESH7", "ESZ26"] {
            assert!(admits("ES*", symbol), "{symbol}");
        }
        for symbol in [
            "ES",
            "ESZ",
            "ESZ266",
            "ESA6",
            "ESTXZ6",
            "MESZ6",
            "esz6",
            "ESZ6 ",
            " ESZ6",
            "ESZ6-ESH7",
            "ESZ٦",
            "ES*",
            "",
        ] {
            assert!(!admits("ES*", symbol), "{symbol:?}");
        }
        assert!(!admits("M*", "MESZ6") && !admits("M*", "MNQZ6"));
        assert!(admits("ESZ6", "ESZ6") && !admits("ESZ6", "ESZ66") && !admits("ESZ6", "ESH7"));
        for bad in ["", "*", "es*", "E*S", "ES**", " ES", "ES,", "ESZ6\n", "ÉS*"] {
            assert_eq!(Symbol::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Symbol::parse("ES*").unwrap().to_string(), "ES*");
    }

    #[test]
    fn an_account_is_named_exactly() {
        let account = |text| Account::parse(text).unwrap();
        assert!(account("DEMO15460").is_called("DEMO15460"));
        for other in ["demo15460", "DEMO15460 ", "DEMO1546", "15460", ""] {
            assert!(!account("DEMO15460").is_called(other), "{other:?}");
        }
        assert!(account("6270").has_id(6270) && account("6270").is_called("6270"));
        assert!(!account("06270").has_id(6270) && !account("DEMO6270").has_id(6270));
        for bad in ["", "a b", "a*", "ä"] {
            assert_eq!(Account::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn only_tradovates_own_order_types_can_be_listed() {
        assert!(ORDER_TYPES.iter().all(|known| order_type(known) == Some(known)));
        assert_eq!((order_type("limit"), order_type("Iceberg")), (None, None));
    }
}
