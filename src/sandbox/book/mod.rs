//! The one account's orders, fills, positions and cash, and the market they meet.
//!
//! A market order is filled at once, at the simulated price. Limit, stop, stop-limit and market-if-touched
//! orders work until the price, which moves only when it is told to, crosses theirs. The filled member of an
//! OCO pair cancels the other; brackets wait, suspended, for their parent's fill.
//!
//! The invariant: one accepted command makes one record, and ids only grow. The same body sent twice makes two
//! orders, which is how double sending shows.

mod entry;
mod execution;
pub(crate) mod library;
mod market;
mod positions;
mod records;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use library::{ACCOUNT_ID, ACCOUNT_NAME, Contract, USER_ID};
use positions::{CashBalance, Position};
pub(crate) use records::instant_text;
use records::{Command, CommandReport, ExecutionReport, Fill, Order, OrderVersion};
pub(crate) use ticket::{Change, Refusal, Terms, Ticket};

use crate::sandbox::rules::{AccountState, Rules};

/// Everything that trading changes.
#[derive(Debug)]
pub(crate) struct Book {
    orders: BTreeMap<i64, Order>,
    versions: Vec<OrderVersion>,
    commands: Vec<Command>,
    command_reports: Vec<CommandReport>,
    execution_reports: Vec<ExecutionReport>,
    fills: Vec<Fill>,
    positions: Vec<Position>,
    cash: CashBalance,
    prices: BTreeMap<i64, f64>,
    last_id: i64,
}

impl Book {
    /// A fresh account: 50,000 dollars, nothing held, nothing ordered.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            orders: BTreeMap::new(),
            versions: Vec::new(),
            commands: Vec::new(),
            command_reports: Vec::new(),
            execution_reports: Vec::new(),
            fills: Vec::new(),
            positions: Vec::new(),
            cash: CashBalance::opening(now),
            prices: Contract::ALL.iter().map(|contract| (contract.id, contract.opening_price)).collect(),
            last_id: 700_000,
        }
    }

    /// The entities of `kind`, named as the API spells it, in the order of their ids.
    pub(crate) fn entities(&self, kind: &str, rules: &Rules) -> Vec<Value> {
        match kind {
            "account" => vec![account(rules)],
            "cashBalance" => values([&self.cash]),
            "position" => values(&self.positions),
            "order" => values(self.orders.values()),
            "orderVersion" => values(&self.versions),
            "command" => values(&self.commands),
            "commandReport" => values(&self.command_reports),
            "executionReport" => values(&self.execution_reports),
            "fill" => values(&self.fills),
            "marginSnapshot" => vec![self.margin_snapshot()],
            _ => library::entities(kind),
        }
    }

    /// As `cashBalance/getcashbalancesnapshot` answers it.
    pub(crate) fn cash_snapshot(&self) -> Value {
        let (open, initial, maintenance) = self.exposure();
        let cash = &self.cash;
        json!({
            "totalCashValue": cash.amount,
            "totalPnL": cash.realized + open,
            "initialMargin": initial,
            "maintenanceMargin": maintenance,
            "netLiq": cash.amount + open,
            "openPnL": open,
            "realizedPnL": cash.realized,
            "weekRealizedPnL": cash.week_realized,
            "netLiqSOD": cash.start_of_day,
            "totalCashValueSOD": cash.start_of_day,
            "cashUSD": cash.amount,
            "cashSODUSD": cash.start_of_day,
            "fullInitialMargin": initial,
            "fullInitialMarginSOD": 0.0,
            "autoLiqLevel": 0.0,
        })
    }

    /// What a contract trades at.
    pub(crate) fn price(&self, contract: &Contract) -> f64 {
        self.prices.get(&contract.id).copied().unwrap_or(contract.opening_price)
    }

    fn margin_snapshot(&self) -> Value {
        let (_, initial, maintenance) = self.exposure();
        json!({
            "id": ACCOUNT_ID,
            "timestamp": instant_text(self.cash.timestamp),
            "riskTimePeriodId": 1,
            "initialMargin": initial,
            "maintenanceMargin": maintenance,
            "totalUsedMargin": maintenance,
            "fullInitialMargin": initial,
        })
    }

    /// Open profit, initial margin and maintenance margin, in dollars.
    fn exposure(&self) -> (f64, f64, f64) {
        let mut sums = (0.0, 0.0, 0.0);
        for position in &self.positions {
            let Some(contract) = Contract::of_id(position.contract_id) else { continue };
            let held = f64::from(position.net_pos.abs());
            sums.0 += position.open_points(self.price(contract)) * contract.product.value_per_point;
            sums.1 += held * contract.product.initial_margin;
            sums.2 += held * contract.product.maintenance_margin;
        }
        sums
    }

    fn version(&self, order_id: i64) -> Option<&OrderVersion> {
        self.versions.iter().rev().find(|version| version.order_id == order_id)
    }

    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }
}

fn account(rules: &Rules) -> Value {
    let closed = rules.account == AccountState::Closed;
    json!({
        "id": ACCOUNT_ID,
        "name": ACCOUNT_NAME,
        "userId": USER_ID,
        "accountType": "Customer",
        "active": !closed,
        "restricted": false,
        "closed": closed,
        "clearingHouseId": 2,
        "riskCategoryId": 16,
        "autoLiqProfileId": 114,
        "marginAccountType": "Speculator",
        "legalStatus": "Individual",
        "timestamp": "2026-02-12T14:11:13.000Z",
        "archived": false,
    })
}

fn values<'a, T: Serialize + 'a>(records: impl IntoIterator<Item = &'a T>) -> Vec<Value> {
    records.into_iter().map(|record| serde_json::to_value(record).unwrap_or_default()).collect()
}
