//! What fills make of positions and cash.

use jiff::Timestamp;
use serde::Serialize;

use crate::sandbox::book::{
    library::ACCOUNT_ID,
    records::{Side, TradeDate, instant},
};

/// What is held of one contract.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Position {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    pub(crate) contract_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) trade_date: TradeDate,
    /// Contracts, negative when short.
    pub(crate) net_pos: i32,
    /// What they cost on average; absent when there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) net_price: Option<f64>,
    pub(crate) bought: i32,
    pub(crate) bought_value: f64,
    pub(crate) sold: i32,
    pub(crate) sold_value: f64,
    pub(crate) prev_pos: i32,
}

impl Position {
    /// Nothing held yet.
    pub(crate) fn flat(id: i64, contract_id: i64, now: Timestamp) -> Self {
        Self {
            id,
            account_id: ACCOUNT_ID,
            contract_id,
            timestamp: now,
            trade_date: TradeDate::of(now),
            net_pos: 0,
            net_price: None,
            bought: 0,
            bought_value: 0.0,
            sold: 0,
            sold_value: 0.0,
            prev_pos: 0,
        }
    }

    /// Takes a fill in. Returns the points realised by whatever it closed: price difference times contracts.
    pub(crate) fn take(&mut self, side: Side, qty: i32, price: f64, now: Timestamp) -> f64 {
        self.timestamp = now;
        self.trade_date = TradeDate::of(now);
        let signed = match side {
            Side::Buy => {
                self.bought = self.bought.saturating_add(qty);
                self.bought_value += f64::from(qty) * price;
                qty
            }
            Side::Sell => {
                self.sold = self.sold.saturating_add(qty);
                self.sold_value += f64::from(qty) * price;
                -qty
            }
        };
        let (held, cost) = (self.net_pos, self.net_price.unwrap_or(price));
        let closed = if held.signum() * signed.signum() < 0 { held.abs().min(qty) } else { 0 };
        let realised = f64::from(closed * held.signum()) * (price - cost);

        self.net_pos = held.saturating_add(signed);
        self.net_price = if self.net_pos == 0 {
            None
        } else if closed == 0 {
            Some((cost * f64::from(held.abs()) + price * f64::from(qty)) / f64::from(self.net_pos.abs()))
        } else if closed == qty {
            Some(cost)
        } else {
            Some(price) // turned around: what is left was bought or sold just now
        };
        realised
    }

    /// The points that closing at `market` would realise.
    pub(crate) fn open_points(&self, market: f64) -> f64 {
        self.net_price.map_or(0.0, |cost| f64::from(self.net_pos) * (market - cost))
    }
}

/// The account's cash.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CashBalance {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    #[serde(serialize_with = "instant")]
    pub(crate) timestamp: Timestamp,
    pub(crate) trade_date: TradeDate,
    /// Tradovate: an id of its own making, 1 being USD.
    pub(crate) currency_id: i64,
    pub(crate) amount: f64,
    #[serde(rename = "realizedPnL")]
    pub(crate) realized: f64,
    #[serde(rename = "weekRealizedPnL")]
    pub(crate) week_realized: f64,
    #[serde(rename = "amountSOD")]
    pub(crate) start_of_day: f64,
}

impl CashBalance {
    /// What a simulated account starts with. Tradovate: 50,000 dollars.
    pub(crate) fn opening(now: Timestamp) -> Self {
        Self {
            id: ACCOUNT_ID,
            account_id: ACCOUNT_ID,
            timestamp: now,
            trade_date: TradeDate::of(now),
            currency_id: 1,
            amount: OPENING_CASH,
            realized: 0.0,
            week_realized: 0.0,
            start_of_day: OPENING_CASH,
        }
    }

    /// Takes in what a fill realised, in dollars.
    pub(crate) fn realise(&mut self, dollars: f64, now: Timestamp) {
        self.amount += dollars;
        self.realized += dollars;
        self.week_realized += dollars;
        self.timestamp = now;
        self.trade_date = TradeDate::of(now);
    }
}

const OPENING_CASH: f64 = 50_000.0;

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the prices are sums of quarters, which are exact")]
mod tests {
    use super::*;

    #[test]
    fn adding_averages_the_price() {
        let mut position = flat();
        assert_eq!(position.take(Side::Buy, 1, 100.0, now()), 0.0);
        assert_eq!(position.take(Side::Buy, 3, 104.0, now()), 0.0);
        assert_eq!((position.net_pos, position.net_price), (4, Some(103.0)));
        assert_eq!(position.open_points(104.0), 4.0);
    }

    #[test]
    fn closing_realises_and_keeps_the_cost_of_the_rest() {
        let mut position = flat();
        position.take(Side::Sell, 4, 100.0, now());
        assert_eq!(position.take(Side::Buy, 1, 98.0, now()), 2.0);
        assert_eq!((position.net_pos, position.net_price), (-3, Some(100.0)));
        assert_eq!(position.take(Side::Buy, 3, 101.0, now()), -3.0);
        assert_eq!((position.net_pos, position.net_price), (0, None));
        assert_eq!((position.bought, position.sold), (4, 4));
    }

    #[test]
    fn turning_around_closes_all_and_opens_at_the_new_price() {
        let mut position = flat();
        position.take(Side::Buy, 2, 100.0, now());
        assert_eq!(position.take(Side::Sell, 5, 103.0, now()), 6.0);
        assert_eq!((position.net_pos, position.net_price), (-3, Some(103.0)));
    }

    fn flat() -> Position {
        Position::flat(1, 1, now())
    }

    fn now() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
}
