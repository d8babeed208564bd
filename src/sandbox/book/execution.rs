//! What the market does with orders: fills, cancellations, and the reports of each.

use jiff::Timestamp;

use crate::sandbox::book::{
    Book, Position,
    library::{ACCOUNT_ID, Contract},
    market::{Arrival, Step, step},
    records::{
        Command, CommandReport, CommandType, ExecutionReport, ExecutionType, Fill, Order, OrderStatus, Side,
        TimeInForce, TradeDate,
    },
    ticket::Refusal,
};

impl Book {
    /// Moves the market, and fills what it reaches.
    pub(crate) fn set_price(&mut self, contract: &Contract, price: f64, now: Timestamp) {
        self.prices.insert(contract.id, price);
        for id in self.open_orders(contract.id) {
            self.settle(id, Arrival::Price, now);
        }
    }

    pub(super) fn open_orders(&self, contract_id: i64) -> Vec<i64> {
        let open = self.orders.values().filter(|o| o.contract_id == contract_id && still_open(o).is_ok());
        open.map(|order| order.id).collect()
    }

    /// Lets an order meet the market.
    pub(super) fn settle(&mut self, id: i64, arrival: Arrival, now: Timestamp) {
        let Some(order) = self.orders.get(&id).filter(|o| o.ord_status == OrderStatus::Working) else {
            return;
        };
        let (side, triggered, contract_id) = (order.action, order.is_triggered, order.contract_id);
        let (Some(version), Some(&market)) = (self.version(id), self.prices.get(&contract_id)) else {
            return;
        };
        let (qty, time_in_force) = (version.order_qty, version.time_in_force);
        match step(version, side, triggered, market, arrival) {
            Step::Fill(price) => self.fill(id, qty, price, now),
            Step::Trigger => {
                if let Some(order) = self.orders.get_mut(&id) {
                    order.is_triggered = true;
                }
                self.settle(id, Arrival::Order, now);
            }
            Step::Rest => {
                if matches!(time_in_force, TimeInForce::FillOrKill | TimeInForce::ImmediateOrCancel) {
                    self.end(id, OrderStatus::Expired, id, now);
                }
            }
        }
    }

    fn fill(&mut self, id: i64, qty: i32, price: f64, now: Timestamp) {
        let Some(order) = self.orders.get_mut(&id) else { return };
        order.ord_status = OrderStatus::Filled;
        let (side, contract_id, other) = (order.action, order.contract_id, order.oco_id);
        let fill = self.next_id();
        self.fills.push(Fill {
            id: fill,
            order_id: id,
            contract_id,
            timestamp: now,
            trade_date: TradeDate::of(now),
            action: side,
            qty,
            price,
            active: true,
            finally_paired: 0,
        });
        self.report(id, id, ExecutionType::Trade, OrderStatus::Filled, Some((qty, price)), now);
        self.book_fill(contract_id, side, qty, price, now);

        if let Some(other) =
            other.filter(|other| self.orders.get(other).is_some_and(|o| still_open(o).is_ok()))
        {
            self.end(other, OrderStatus::Canceled, other, now);
        }
        for child in self.children(id) {
            if let Some(order) =
                self.orders.get_mut(&child).filter(|o| o.ord_status == OrderStatus::Suspended)
            {
                order.ord_status = OrderStatus::Working;
                self.report(child, child, ExecutionType::New, OrderStatus::Working, None, now);
                self.settle(child, Arrival::Order, now);
            }
        }
    }

    fn book_fill(&mut self, contract_id: i64, side: Side, qty: i32, price: f64, now: Timestamp) {
        let at = self.positions.iter().position(|position| position.contract_id == contract_id);
        let at = at.unwrap_or_else(|| {
            let id = self.next_id();
            self.positions.push(Position::flat(id, contract_id, now));
            self.positions.len() - 1
        });
        let points = self.positions[at].take(side, qty, price, now);
        let value = Contract::of_id(contract_id).map_or(0.0, |contract| contract.product.value_per_point);
        self.cash.realise(points * value, now);
    }

    /// Ends an order unfilled, and with it the brackets that waited for it.
    pub(super) fn end(&mut self, id: i64, status: OrderStatus, command: i64, now: Timestamp) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.ord_status = status;
        }
        let execution =
            if status == OrderStatus::Expired { ExecutionType::Expired } else { ExecutionType::Canceled };
        self.report(command, id, execution, status, None, now);
        for child in self.children(id) {
            if self.orders.get(&child).is_some_and(|order| order.ord_status == OrderStatus::Suspended) {
                self.end(child, OrderStatus::Canceled, child, now);
            }
        }
    }

    fn children(&self, parent: i64) -> Vec<i64> {
        // Brackets are entered right after their parent, so nothing older need be looked at.
        let later = self.orders.range(parent..).take(BRACKETS_WITHIN);
        later.filter(|(_, order)| order.parent_id == Some(parent)).map(|(&id, _)| id).collect()
    }

    pub(super) fn command(
        &mut self,
        id: i64,
        order_id: i64,
        kind: CommandType,
        cl_ord_id: Option<String>,
        is_automated: Option<bool>,
        now: Timestamp,
    ) {
        let status = "AtExecution";
        self.commands.push(Command { id, order_id, timestamp: now, kind, status, cl_ord_id, is_automated });
    }

    pub(super) fn report(
        &mut self,
        command_id: i64,
        order_id: i64,
        exec_type: ExecutionType,
        ord_status: OrderStatus,
        traded: Option<(i32, f64)>,
        now: Timestamp,
    ) {
        let Some(order) = self.orders.get(&order_id) else { return };
        let (contract_id, action) = (order.contract_id, order.action);
        let id = self.next_id();
        let command_status = "AtExecution";
        self.command_reports.push(CommandReport {
            id,
            command_id,
            timestamp: now,
            command_status,
            ord_status,
        });
        let id = self.next_id();
        self.execution_reports.push(ExecutionReport {
            id,
            command_id,
            name: format!("SIM-ER-{id}"),
            account_id: ACCOUNT_ID,
            contract_id,
            timestamp: now,
            trade_date: TradeDate::of(now),
            order_id,
            exec_type,
            ord_status,
            action,
            cum_qty: traded.map_or(0, |(qty, _)| qty),
            avg_px: traded.map(|(_, price)| price),
            last_qty: traded.map(|(qty, _)| qty),
            last_px: traded.map(|(_, price)| price),
            exchange_order_id: format!("SIM-EX-{order_id}"),
        });
    }
}

/// Tradovate: a command on an order that has ended is `TooLate`.
pub(super) fn still_open(order: &Order) -> Result<(), Refusal> {
    let ended = match order.ord_status {
        OrderStatus::Working | OrderStatus::Suspended => return Ok(()),
        OrderStatus::Filled => "filled",
        OrderStatus::Canceled => "canceled",
        OrderStatus::Expired => "expired",
    };
    Err(Refusal::failure("TooLate", format!("Order is already {ended}")))
}

/// A parent and its two brackets.
const BRACKETS_WITHIN: usize = 3;
