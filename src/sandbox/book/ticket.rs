//! What a caller asks for, and why it is refused.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::{
    book::{
        library::{ACCOUNT_ID, ACCOUNT_NAME, Contract},
        records::{OrderType, OrderVersion, Side, TimeInForce},
    },
    rules::{AccountState, Rules, Trading},
};

/// The body of `placeorder`, and the first part of those of `placeoco` and `placeoso`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ticket {
    #[serde(default)]
    pub(crate) account_id: Option<i64>,
    #[serde(default)]
    pub(crate) account_spec: Option<String>,
    pub(crate) symbol: String,
    pub(crate) order_qty: i32,
    #[serde(default)]
    pub(crate) is_automated: Option<bool>,
    #[serde(default)]
    pub(crate) cl_ord_id: Option<String>,
    #[serde(flatten)]
    pub(crate) terms: Terms,
}

/// Which way, and at what price: what the second order of an OCO or a bracket has of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Terms {
    pub(crate) action: Side,
    pub(crate) order_type: OrderType,
    #[serde(default)]
    pub(crate) price: Option<f64>,
    #[serde(default)]
    pub(crate) stop_price: Option<f64>,
    #[serde(default)]
    pub(crate) time_in_force: TimeInForce,
}

/// The body of `modifyorder`. Tradovate: it replaces all fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub(crate) order_id: i64,
    pub(crate) order_qty: i32,
    pub(crate) order_type: OrderType,
    #[serde(default)]
    pub(crate) price: Option<f64>,
    #[serde(default)]
    pub(crate) stop_price: Option<f64>,
    #[serde(default)]
    pub(crate) time_in_force: TimeInForce,
    #[serde(default)]
    pub(crate) is_automated: Option<bool>,
    #[serde(default)]
    pub(crate) cl_ord_id: Option<String>,
}

/// Why an order command is refused. Answered with HTTP 200.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// Tradovate: `failureReason` and `failureText`.
    Failure(&'static str, String),
    /// Tradovate: `violations`.
    Violation { constraint: &'static str, description: &'static str },
}

impl Refusal {
    pub(crate) fn failure(reason: &'static str, text: impl Into<String>) -> Self {
        Self::Failure(reason, text.into())
    }

    /// The answer's body.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Failure(reason, text) => json!({"failureReason": reason, "failureText": text}),
            Self::Violation { constraint, description } => json!({
                "violations": [{"constraint": constraint, "value": "", "description": description}],
            }),
        }
    }
}

impl Ticket {
    /// Says whether the order could be taken, and on which contract.
    pub(crate) fn check(&self, rules: &Rules) -> Result<&'static Contract, Refusal> {
        match (self.account_id, self.account_spec.as_deref()) {
            (None, None) => {
                let description = "Account should be specified";
                return Err(Refusal::Violation { constraint: "accountId", description });
            }
            (Some(ACCOUNT_ID), None | Some(ACCOUNT_NAME)) | (None, Some(ACCOUNT_NAME)) => {}
            _ => return Err(Refusal::failure("UnknownReason", "Access is denied")),
        }
        if rules.account == AccountState::Closed {
            return Err(Refusal::failure("AccountClosed", "Account is closed"));
        }
        let contract = Contract::named(&self.symbol)
            .ok_or_else(|| Refusal::failure("InvalidContract", format!("Unknown symbol {}", self.symbol)))?;
        if rules.trading == Trading::Closed {
            return Err(Refusal::failure("SessionClosed", "Trading session is closed"));
        }
        check_quantity(self.order_qty, rules)?;
        check_prices(self.terms.order_type, self.terms.price, self.terms.stop_price, contract)?;
        Ok(contract)
    }
}

impl Terms {
    /// The first version of an order on these terms.
    pub(crate) fn version(&self, order_id: i64, order_qty: i32) -> OrderVersion {
        OrderVersion {
            id: order_id,
            order_id,
            order_qty,
            order_type: self.order_type,
            price: self.price,
            stop_price: self.stop_price,
            time_in_force: self.time_in_force,
        }
    }
}

/// A quantity that the account may trade at once.
pub(crate) fn check_quantity(qty: i32, rules: &Rules) -> Result<(), Refusal> {
    if qty <= 0 {
        return Err(Refusal::failure("OtherExecutionRelated", "Order quantity should be positive"));
    }
    if qty > rules.max_order_qty {
        let text = format!("Order quantity is above {}", rules.max_order_qty);
        return Err(Refusal::failure("MaxOrderQtyLimitReached", text));
    }
    Ok(())
}

/// The prices that the type needs, on the contract's tick.
pub(crate) fn check_prices(
    order_type: OrderType,
    price: Option<f64>,
    stop_price: Option<f64>,
    contract: &Contract,
) -> Result<(), Refusal> {
    let (needs_price, needs_stop) = match order_type {
        OrderType::Market => (false, false),
        OrderType::Limit => (true, false),
        OrderType::MarketIfTouched => (stop_price.is_none(), false),
        OrderType::Stop => (false, true),
        OrderType::StopLimit => (true, true),
        OrderType::Qts | OrderType::TrailingStop | OrderType::TrailingStopLimit => {
            return Err(Refusal::failure("Unsupported", "The sandbox does not simulate this order type"));
        }
    };
    for (needed, given, name) in [(needs_price, price, "price"), (needs_stop, stop_price, "stopPrice")] {
        match given {
            None if needed => {
                return Err(Refusal::failure("InvalidPrice", format!("{name} should be specified")));
            }
            Some(given) if (given / contract.product.tick).fract() != 0.0 => {
                let text = format!("{name} is not a multiple of the tick size {}", contract.product.tick);
                return Err(Refusal::failure("InvalidPrice", text));
            }
            _ => {}
        }
    }
    Ok(())
}
