//! Which kinds of entity the API knows, and what can be asked of each.

/// A kind of entity.
#[derive(Debug)]
pub(crate) struct Kind {
    /// As the API spells it.
    pub(crate) name: &'static str,
    /// The field that holds the master's id, by which `deps` and `ldeps` look; empty where there are none.
    pub(crate) master: &'static str,
    operations: &'static str,
}

impl Kind {
    /// The kind whose name, in lower case, is `name`.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// Whether `operation` can be asked of it.
    pub(crate) fn knows(&self, operation: &str) -> bool {
        self.operations.split(' ').any(|known| known == operation)
    }
}

const fn kind(name: &'static str, master: &'static str, operations: &'static str) -> Kind {
    Kind { name, master, operations }
}

const DEPS: &str = "deps item items ldeps";
const DEPS_LIST: &str = "deps item items ldeps list";
const NAMED: &str = "find item items list suggest";

/// The entities of the official description, August 2026, with the reads it gives them.
const KINDS: &[Kind] = &[
    kind("account", "userId", "deps find item items ldeps list suggest"),
    kind("accountRiskStatus", "accountId", DEPS_LIST),
    kind("adminAlert", "", NAMED),
    kind("adminAlertSignal", "adminAlertId", DEPS_LIST),
    kind("alert", "userId", DEPS),
    kind("alertSignal", "alertId", DEPS),
    kind("cashBalance", "accountId", DEPS_LIST),
    kind("cashBalanceLog", "accountId", DEPS),
    kind("clearingHouse", "", NAMED),
    kind("command", "orderId", DEPS_LIST),
    kind("commandReport", "commandId", DEPS_LIST),
    kind("contactInfo", "userId", DEPS),
    kind("contract", "contractMaturityId", "deps find item items ldeps suggest"),
    kind("contractGroup", "", NAMED),
    kind("contractMargin", "contractId", DEPS),
    kind("contractMaturity", "productId", DEPS),
    kind("currency", "", NAMED),
    kind("currencyRate", "currencyId", DEPS_LIST),
    kind("entitlement", "", "item items list"),
    kind("exchange", "", NAMED),
    kind("executionReport", "commandId", "deps find item items ldeps list"),
    kind("fill", "orderId", DEPS_LIST),
    kind("fillFee", "id", DEPS_LIST),
    kind("fillPair", "positionId", DEPS_LIST),
    kind("marginSnapshot", "id", DEPS_LIST),
    kind("marketDataSubscription", "userId", DEPS_LIST),
    kind("marketDataSubscriptionExchangeScope", "", NAMED),
    kind("marketDataSubscriptionPlan", "", NAMED),
    kind("order", "accountId", DEPS_LIST),
    kind("orderStrategy", "accountId", DEPS_LIST),
    kind("orderStrategyLink", "orderStrategyId", DEPS_LIST),
    kind("orderStrategyType", "", NAMED),
    kind("orderVersion", "orderId", DEPS_LIST),
    kind("organization", "", NAMED),
    kind("permissionedAccountAutoLiq", "accountId", DEPS_LIST),
    kind("position", "accountId", "deps find item items ldeps list"),
    kind("product", "exchangeId", "deps find item items ldeps list suggest"),
    kind("productMargin", "id", DEPS_LIST),
    kind("productSession", "productId", DEPS),
    kind("property", "", NAMED),
    kind("secondMarketDataSubscription", "userId", DEPS_LIST),
    kind("spreadDefinition", "", "item items"),
    kind("tradingPermission", "userId", DEPS_LIST),
    kind("tradovateSubscription", "userId", DEPS_LIST),
    kind("tradovateSubscriptionPlan", "", NAMED),
    kind("user", "", NAMED),
    kind("userAccountAutoLiq", "accountId", DEPS_LIST),
    kind("userAccountPositionLimit", "accountId", DEPS),
    kind("userAccountRiskParameter", "userAccountPositionLimitId", DEPS),
    kind("userPlugin", "userId", DEPS_LIST),
    kind("userProperty", "userId", DEPS),
    kind("userSession", "", "item items"),
    kind("userSessionStats", "userId", DEPS_LIST),
    kind("workspaceTemplate", "", "find finds item items list suggest"),
];
