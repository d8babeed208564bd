//! Which endpoints hold an order, and where in it what a rule wants must stand.

use crate::{
    guard::rules::Rules,
    tradovate::{Effect, Endpoint},
};

/// How an order is written, by its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// No order.
    None,
    /// It names an order, a strategy or positions by id and nothing else, and adds nothing: there is nothing to judge.
    ById,
    /// `order/placeorder`.
    Place,
    /// `order/placeoco`: one order, and `other` for the same account, symbol and quantity.
    PlaceOco,
    /// `order/placeoso`: one order, and one or two brackets.
    PlaceOso,
    /// `order/modifyorder`: by id, but it replaces quantity and type (Tradovate: all fields of the order).
    Modify,
    /// `orderStrategy/startorderstrategy`: the order is in `params`.
    StartStrategy,
    /// `order/liquidateposition`: of one account.
    Liquidate,
    /// An order, or what may be one, of which no more is known.
    Unknown,
}

/// Something that must stand in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `accountSpec` or `accountId`.
    Account,
    /// A field of the order itself.
    Field(&'static str),
    /// An object in it, with these fields.
    Leg(&'static str, &'static [&'static str]),
    /// The same, if it is there.
    LegIfAny(&'static str, &'static [&'static str]),
    /// `entryVersion` in the parameters of a strategy, with these fields.
    Entry(&'static [&'static str]),
}

impl Form {
    pub(super) fn of(endpoint: &Endpoint) -> Self {
        if endpoint.effect != Effect::Order {
            return Self::None;
        }
        match endpoint.operation {
            "place-order" => Self::Place,
            "place-oco" => Self::PlaceOco,
            "place-oso" => Self::PlaceOso,
            "modify-order" => Self::Modify,
            "start-order-strategy" => Self::StartStrategy,
            "liquidate-position" => Self::Liquidate,
            "cancel-order" | "liquidate-positions" | "interrupt-order-strategy" => Self::ById,
            _ => Self::Unknown,
        }
    }

    /// What of it must be there for `rules` to be judged.
    pub(super) fn parts(self, rules: &Rules) -> Vec<Part> {
        let account = rules.accounts.is_some().then_some(Part::Account);
        let symbol = rules.symbols.is_some().then_some(Part::Field("symbol"));
        let quantity = rules.max_quantity.is_some();
        let order_type = rules.order_types.is_some();
        let typed: &'static [&'static str] = if order_type { &["orderType"] } else { &[] };
        let own = || {
            [quantity.then_some(Part::Field("orderQty")), order_type.then_some(Part::Field("orderType"))]
                .into_iter()
                .flatten()
        };
        let whence = account.into_iter().chain(symbol);
        match self {
            Self::None | Self::ById | Self::Unknown => Vec::new(),
            Self::Place => whence.chain(own()).collect(),
            Self::PlaceOco => whence.chain(own()).chain([Part::Leg("other", typed)]).collect(),
            Self::PlaceOso => whence
                .chain(own())
                .chain([Part::Leg("bracket1", typed), Part::LegIfAny("bracket2", typed)])
                .collect(),
            Self::Modify => own().collect(),
            Self::StartStrategy => {
                let entry: &'static [&'static str] = match (quantity, order_type) {
                    (true, true) => &["orderQty", "orderType"],
                    (true, false) => &["orderQty"],
                    (false, true) => &["orderType"],
                    (false, false) => return whence.collect(),
                };
                whence.chain([Part::Entry(entry)]).collect()
            }
            Self::Liquidate => account.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tradovate::Endpoints;

    #[test]
    fn every_order_endpoint_of_the_table_was_thought_of() {
        let endpoints = Endpoints::new();
        let of = |form: Form| {
            let forms = endpoints.iter().filter(|endpoint| Form::of(endpoint) == form);
            forms.map(|endpoint| endpoint.operation).collect::<Vec<_>>()
        };
        assert_eq!(of(Form::Place), ["place-order"]);
        assert_eq!(of(Form::PlaceOco), ["place-oco"]);
        assert_eq!(of(Form::PlaceOso), ["place-oso"]);
        assert_eq!(of(Form::Modify), ["modify-order"]);
        assert_eq!(of(Form::StartStrategy), ["start-order-strategy"]);
        assert_eq!(of(Form::Liquidate), ["liquidate-position"]);
        let mut by_id = of(Form::ById);
        by_id.sort_unstable();
        assert_eq!(by_id, ["cancel-order", "interrupt-order-strategy", "liquidate-positions"]);
        let mut unknown = of(Form::Unknown);
        unknown.sort_unstable();
        assert_eq!(unknown, ["modify-order-strategy", "other", "set-admin-auto-liq-action"]);
        for endpoint in endpoints.iter() {
            assert_eq!(Form::of(endpoint) == Form::None, endpoint.effect != Effect::Order, "{endpoint:?}");
        }
    }
}
