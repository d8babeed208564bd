//! How many requests upstream will take.

use crate::{
    budget::Policy,
    config::setting::{Preset, Setting, plain},
};

settings! { BUDGET:
    BUDGET_PER_HOUR = plain("budget.per-hour", "TRADOVATE_PROXY_BUDGET_PER_HOUR", "NUMBER|off",
        Preset::Words("5000, as Tradovate says; `off` for another API"),
        "requests sent in any hour, by all callers; above it (less `budget.reserve`) 429");
    BUDGET_PER_MINUTE = plain("budget.per-minute", "TRADOVATE_PROXY_BUDGET_PER_MINUTE", "NUMBER|off",
        Preset::Words("5000, as Tradovate says; `off` for another API"), "the same for any minute");
    BUDGET_RESERVE = plain("budget.reserve", "TRADOVATE_PROXY_BUDGET_RESERVE", "NUMBER",
        Preset::Of(|| policy().reserve.to_string()),
        "how many of them are kept for cancels and liquidations, which are never refused for the count");
    BUDGET_WARN_AT = plain("budget.warn-at", "TRADOVATE_PROXY_BUDGET_WARN_AT", "PERCENT",
        Preset::Of(|| policy().warn_at.to_string()), "share of a limit from which on the log warns");
    BUDGET_HOLD = plain("budget.hold", "TRADOVATE_PROXY_BUDGET_HOLD", "DURATION",
        Preset::Words("1h, as Tradovate says; `0s` for another API"),
        "how long requests are held after upstream's 423, or a 429 that does not say; `0s` holds none");
    BUDGET_HOLD_CANCELS = plain("budget.hold-cancels", "TRADOVATE_PROXY_BUDGET_HOLD_CANCELS", "yes|no",
        Preset::Text("no"), "whether cancels and liquidations are held too");
}

fn policy() -> Policy {
    Policy::default()
}
