//! What the book keeps, in the shapes in which the API answers it.

use jiff::{Timestamp, ToSpan, tz::Offset};
use serde::{Deserialize, Serialize, Serializer};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Side {
    Buy,
    Sell,
}

impl Side {
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// Tradovate: `orderType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OrderType {
    Limit,
    #[serde(rename = "MIT")]
    MarketIfTouched,
    Market,
    #[serde(rename = "QTS")]
    Qts,
    Stop,
    StopLimit,
    TrailingStop,
    TrailingStopLimit,
}

/// Tradovate: `timeInForce`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TimeInForce {
    #[default]
    Day,
    #[serde(rename = "FOK")]
    FillOrKill,
    #[serde(rename = "GTC")]
    GoodTillCancel,
    #[serde(rename = "GTD")]
    GoodTillDate,
    #[serde(rename = "IOC")]
    ImmediateOrCancel,
}

/// Tradovate: `ordStatus`, as far as the simulation gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum OrderStatus {
    Working,
    Suspended,
    Filled,
    Canceled,
    Expired,
}

/// Tradovate: `commandType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum CommandType {
    New,
    Modify,
    Cancel,
}

/// Tradovate: `execType`, as far as the simulation gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum ExecutionType {
    New,
    Suspended,
    Replaced,
    Trade,
    Canceled,
    Expired,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    pub(crate) contract_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) action: Side,
    pub(crate) ord_status: OrderStatus,
    pub(crate) execution_provider_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) oco_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<i64>,
    pub(crate) admin: bool,
    /// A stop that the market has reached.
    #[serde(skip)]
    pub(crate) is_triggered: bool,
}

/// What an order asks for, now or before a modification.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderVersion {
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) order_qty: i32,
    pub(crate) order_type: OrderType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) price: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop_price: Option<f64>,
    pub(crate) time_in_force: TimeInForce,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Command {
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    #[serde(rename = "commandType")]
    pub(crate) kind: CommandType,
    #[serde(rename = "commandStatus")]
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cl_ord_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_automated: Option<bool>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommandReport {
    pub(crate) id: i64,
    pub(crate) command_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) command_status: &'static str,
    pub(crate) ord_status: OrderStatus,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExecutionReport {
    pub(crate) id: i64,
    pub(crate) command_id: i64,
    pub(crate) name: String,
    pub(crate) account_id: i64,
    pub(crate) contract_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) trade_date: TradeDate,
    pub(crate) order_id: i64,
    pub(crate) exec_type: ExecutionType,
    pub(crate) ord_status: OrderStatus,
    pub(crate) action: Side,
    pub(crate) cum_qty: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) avg_px: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_qty: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_px: Option<f64>,
    pub(crate) exchange_order_id: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fill {
    pub(crate) id: i64,
    pub(crate) order_id: i64,
    pub(crate) contract_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) trade_date: TradeDate,
    pub(crate) action: Side,
    pub(crate) qty: i32,
    pub(crate) price: f64,
    pub(crate) active: bool,
    pub(crate) finally_paired: i32,
}

/// Tradovate: a day as three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TradeDate {
    year: i16,
    month: i8,
    day: i8,
}

impl TradeDate {
    /// The trading day of an instant. Tradovate: the session opens at 17:00 US Central, 23:00 UTC in winter,
    /// and belongs to the day that follows.
    pub(crate) fn of(instant: Timestamp) -> Self {
        let shifted = instant.saturating_add(1.hour()).unwrap_or(instant);
        let day = Offset::UTC.to_datetime(shifted).date();
        Self { year: day.year(), month: day.month(), day: day.day() }
    }
}

/// An instant as the API writes it: UTC, with milliseconds.
pub(crate) fn instant_text(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

pub(crate) fn instant<S: Serializer>(instant: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&instant_text(*instant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_trading_days_read_as_the_api_writes_them() {
        let late: Timestamp = "2026-11-19T23:00:00.5Z".parse().unwrap();
        assert_eq!(instant_text(late), "2026-11-19T23:00:00.500Z");
        assert_eq!(TradeDate::of(late), TradeDate { year: 2026, month: 11, day: 20 });
        let early: Timestamp = "2026-11-19T22:59:59Z".parse().unwrap();
        assert_eq!(TradeDate::of(early).day, 19);
    }
}
