//! Which rule decided, and in which words.

use std::time::Duration;

use crate::guard::{body::Flaw, kill::Cause};

/// A guard, as metrics, logs, `/status` and `explain` call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The environment that the request expects.
    ExpectEnv,
    /// The kill switch.
    Kill,
    /// Setting `guards.mode`: only reads.
    ReadOnly,
    /// Setting `guards.mode`: only reads, and what takes risk away.
    CancelOnly,
    /// That an order can be judged at all, where a rule on orders is set.
    Body,
    /// Setting `guards.accounts`.
    Accounts,
    /// Setting `guards.symbols`.
    Symbols,
    /// Setting `guards.order-types`.
    OrderTypes,
    /// Setting `guards.max-quantity`.
    MaxQuantity,
    /// Setting `guards.orders-per-minute`.
    OrdersPerMinute,
}

impl Rule {
    /// Every rule, in the order in which they are asked.
    pub const ALL: [Self; 10] = [
        Self::ExpectEnv,
        Self::Kill,
        Self::ReadOnly,
        Self::CancelOnly,
        Self::Body,
        Self::Accounts,
        Self::Symbols,
        Self::OrderTypes,
        Self::MaxQuantity,
        Self::OrdersPerMinute,
    ];

    /// The name everywhere outside the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::ExpectEnv => "expect-env",
            Self::Kill => "kill",
            Self::ReadOnly => "read-only",
            Self::CancelOnly => "cancel-only",
            Self::Body => "body",
            Self::Accounts => "accounts",
            Self::Symbols => "symbols",
            Self::OrderTypes => "order-types",
            Self::MaxQuantity => "max-quantity",
            Self::OrdersPerMinute => "orders-per-minute",
        }
    }
}

/// Why a guard does not let a request pass. Quotes what the request names, cut short: it goes back to whoever sent
/// it, and into the log at debug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is meant for another environment.
    #[error(
        "the request expects the environment {expected:?} (X-Expect-Env), and this proxy serves {served}"
    )]
    ExpectEnv {
        /// What the request says.
        expected: String,
        /// `demo`, `live` or `sandbox`.
        served: &'static str,
    },
    /// The kill switch is on.
    #[error("the kill switch is on ({0}): nothing passes but reads, cancels and liquidations")]
    Killed(Cause),
    /// Only reads pass.
    #[error("this proxy is read-only (guards.mode): only reads pass")]
    ReadOnly,
    /// Only reads and what reduces passes.
    #[error("this proxy is cancel-only (guards.mode): only reads, cancels and liquidations pass")]
    CancelOnly,
    /// The order cannot be judged.
    #[error("a rule on orders is set, and this one cannot be judged by it: {0}")]
    Body(#[from] Flaw),
    /// It names an account that is not listed.
    #[error("the account {named:?} is not in guards.accounts")]
    Account {
        /// Its name or id.
        named: String,
    },
    /// It names a symbol that is not listed.
    #[error("the symbol {named:?} is not in guards.symbols")]
    Symbol {
        /// As the request has it.
        named: String,
    },
    /// It is of a type that is not listed.
    #[error("the order type {named:?} is not in guards.order-types")]
    OrderType {
        /// As the request has it.
        named: String,
    },
    /// It is too large.
    #[error("the quantity {asked} is above guards.max-quantity, which is {most}")]
    Quantity {
        /// The largest quantity in the request.
        asked: u64,
        /// What may be asked for.
        most: u32,
    },
    /// There were enough.
    #[error(
        "{most} requests that place or change orders have passed within a minute, as many as guards.orders-per-minute allows"
    )]
    Pace {
        /// How many may pass in any minute.
        most: u32,
        /// When the next may.
        wait: Duration,
    },
}

impl Refusal {
    /// The rule that decided.
    pub fn rule(&self) -> Rule {
        match self {
            Self::ExpectEnv { .. } => Rule::ExpectEnv,
            Self::Killed(_) => Rule::Kill,
            Self::ReadOnly => Rule::ReadOnly,
            Self::CancelOnly => Rule::CancelOnly,
            Self::Body(_) => Rule::Body,
            Self::Account { .. } => Rule::Accounts,
            Self::Symbol { .. } => Rule::Symbols,
            Self::OrderType { .. } => Rule::OrderTypes,
            Self::Quantity { .. } => Rule::MaxQuantity,
            Self::Pace { .. } => Rule::OrdersPerMinute,
        }
    }

    /// The `code` of the proxy's answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ExpectEnv { .. } => "wrong-environment",
            Self::Killed(_) => "guard-kill",
            Self::ReadOnly => "guard-read-only",
            Self::CancelOnly => "guard-cancel-only",
            Self::Body(_) => "guard-body",
            Self::Account { .. } => "guard-accounts",
            Self::Symbol { .. } => "guard-symbols",
            Self::OrderType { .. } => "guard-order-types",
            Self::Quantity { .. } => "guard-max-quantity",
            Self::Pace { .. } => "guard-orders-per-minute",
        }
    }

    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::ExpectEnv { .. } => {
                "send it to the proxy of that environment, or correct X-Expect-Env; nothing was sent"
            }
            Self::Killed(cause) => cause.help(),
            Self::ReadOnly => {
                "set guards.mode to cancel-only or all, if this proxy is to trade: no restart is needed"
            }
            Self::CancelOnly => {
                "set guards.mode to all, if this proxy is to trade again: no restart is needed"
            }
            Self::Body(flaw) => flaw.help(),
            Self::Account { .. } => {
                "add it to guards.accounts, if it is meant: a request that names an account by accountSpec and by \
                 accountId needs both there"
            }
            Self::Symbol { .. } => {
                "add it to guards.symbols, if it is meant: as it is written here, or as ES* for every month of ES"
            }
            Self::OrderType { .. } => "add it to guards.order-types, if it is meant, in Tradovate's spelling",
            Self::Quantity { .. } => "ask for less, or raise guards.max-quantity: no restart is needed",
            Self::Pace { .. } => {
                "wait for Retry-After; if the strategy is meant to trade as often, raise guards.orders-per-minute"
            }
        }
    }
}

/// What a request names, short enough to be repeated.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

const LONGEST: usize = 64;
