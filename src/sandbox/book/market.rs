//! When an order is filled, and at what price: pure.

use crate::sandbox::book::records::{OrderType, OrderVersion, Side};

/// What an order does at a market price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// It waits.
    Rest,
    /// Its stop is reached, and it works as a limit order from now on.
    Trigger,
    /// It is filled.
    Fill(f64),
}

/// How the price came to be where it is, which decides who gets the better of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The order is new to this price: a limit that crosses it takes the market's price.
    Order,
    /// The price has come to a resting order: a limit is filled at its own price.
    Price,
}

/// What an order does when the market is at `market`.
pub(crate) fn step(
    version: &OrderVersion,
    side: Side,
    triggered: bool,
    market: f64,
    arrival: Arrival,
) -> Step {
    let limit_fill = |limit: f64| match arrival {
        _ if !at_or_better(side, market, limit) => Step::Rest,
        Arrival::Order => Step::Fill(market),
        Arrival::Price => Step::Fill(limit),
    };
    match (version.order_type, version.price, version.stop_price) {
        (OrderType::Market, ..) => Step::Fill(market),
        (OrderType::Limit, Some(limit), _) => limit_fill(limit),
        (OrderType::Stop, _, Some(stop)) if at_or_better(side.opposite(), market, stop) => Step::Fill(market),
        // Which of the two fields holds the price to be touched is not documented: either is taken.
        (OrderType::MarketIfTouched, Some(touch), _) | (OrderType::MarketIfTouched, None, Some(touch))
            if at_or_better(side, market, touch) =>
        {
            Step::Fill(market)
        }
        (OrderType::StopLimit, Some(limit), _) if triggered => limit_fill(limit),
        (OrderType::StopLimit, _, Some(stop)) if at_or_better(side.opposite(), market, stop) => Step::Trigger,
        _ => Step::Rest,
    }
}

/// Whether one who wants to trade on `side` at `limit` would take `market`.
fn at_or_better(side: Side, market: f64, limit: f64) -> bool {
    match side {
        Side::Buy => market <= limit,
        Side::Sell => market >= limit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::book::records::TimeInForce;

    #[test]
    fn each_type_waits_for_its_own_side_of_the_price() {
        use OrderType::{Limit, Market, MarketIfTouched, Stop, StopLimit};
        use Side::{Buy, Sell};
        for (order_type, side, price, stop, market, expected) in [
            (Market, Buy, None, None, 100.0, Step::Fill(100.0)),
            (Limit, Buy, Some(99.0), None, 99.25, Step::Rest),
            (Limit, Buy, Some(99.0), None, 98.0, Step::Fill(99.0)),
            (Limit, Sell, Some(101.0), None, 100.75, Step::Rest),
            (Limit, Sell, Some(101.0), None, 101.0, Step::Fill(101.0)),
            (Stop, Buy, None, Some(101.0), 100.75, Step::Rest),
            (Stop, Buy, None, Some(101.0), 103.0, Step::Fill(103.0)),
            (Stop, Sell, None, Some(99.0), 99.25, Step::Rest),
            (Stop, Sell, None, Some(99.0), 99.0, Step::Fill(99.0)),
            (MarketIfTouched, Buy, Some(99.0), None, 98.5, Step::Fill(98.5)),
            (MarketIfTouched, Sell, Some(101.0), None, 100.0, Step::Rest),
            (StopLimit, Buy, Some(101.5), Some(101.0), 100.0, Step::Rest),
            (StopLimit, Buy, Some(101.5), Some(101.0), 102.0, Step::Trigger),
        ] {
            let version = version(order_type, price, stop);
            let step = step(&version, side, false, market, Arrival::Price);
            assert_eq!(step, expected, "{order_type:?} {side:?} at {market}");
        }
    }

    #[test]
    fn a_triggered_stop_limit_is_a_limit() {
        let version = version(OrderType::StopLimit, Some(101.5), Some(101.0));
        assert_eq!(step(&version, Side::Buy, true, 102.0, Arrival::Price), Step::Rest);
        assert_eq!(step(&version, Side::Buy, true, 101.25, Arrival::Price), Step::Fill(101.5));
    }

    #[test]
    fn a_limit_that_crosses_the_market_takes_the_market() {
        let version = version(OrderType::Limit, Some(105.0), None);
        assert_eq!(step(&version, Side::Buy, false, 100.0, Arrival::Order), Step::Fill(100.0));
    }

    fn version(order_type: OrderType, price: Option<f64>, stop_price: Option<f64>) -> OrderVersion {
        let time_in_force = TimeInForce::Day;
        OrderVersion { id: 1, order_id: 1, order_qty: 1, order_type, price, stop_price, time_in_force }
    }
}
