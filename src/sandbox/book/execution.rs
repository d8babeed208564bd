//! Orders from the ticket to the last report: placing, modifying, cancelling, filling.

use jiff::Timestamp;

use crate::sandbox::{
    book::{
        Book, Position,
        library::{ACCOUNT_ID, Contract},
        market::{Arrival, Step, step},
        records::{
            Command, CommandReport, CommandType, ExecutionReport, ExecutionType, Fill, Order, OrderStatus,
            OrderType, Side, TimeInForce, TradeDate,
        },
        ticket::{Change, Refusal, Terms, Ticket, check_prices, check_quantity},
    },
    rules::Rules,
};

impl Book {
    /// Takes an order. Returns its id.
    pub(crate) fn place(&mut self, ticket: &Ticket, now: Timestamp, rules: &Rules) -> Result<i64, Refusal> {
        let contract = ticket.check(rules)?;
        let id = self.enter(ticket, &ticket.terms, contract, OrderStatus::Working, now);
        self.settle(id, Arrival::Order, now);
        Ok(id)
    }

    /// Takes two orders of which the first to be filled cancels the other.
    pub(crate) fn place_oco(
        &mut self,
        ticket: &Ticket,
        other: &Terms,
        now: Timestamp,
        rules: &Rules,
    ) -> Result<(i64, i64), Refusal> {
        let contract = ticket.check(rules)?;
        check_prices(other.order_type, other.price, other.stop_price, contract)?;
        let first = self.enter(ticket, &ticket.terms, contract, OrderStatus::Working, now);
        let second = self.enter(ticket, other, contract, OrderStatus::Working, now);
        self.link(first, second);
        self.settle(first, Arrival::Order, now);
        self.settle(second, Arrival::Order, now);
        Ok((first, second))
    }

    /// Takes an order and one or two brackets that wait for its fill and then exclude each other.
    pub(crate) fn place_oso(
        &mut self,
        ticket: &Ticket,
        brackets: &[Terms],
        now: Timestamp,
        rules: &Rules,
    ) -> Result<(i64, Vec<i64>), Refusal> {
        let contract = ticket.check(rules)?;
        for bracket in brackets {
            check_prices(bracket.order_type, bracket.price, bracket.stop_price, contract)?;
        }
        let parent = self.enter(ticket, &ticket.terms, contract, OrderStatus::Working, now);
        let mut children = Vec::with_capacity(brackets.len());
        for bracket in brackets {
            let child = self.enter(ticket, bracket, contract, OrderStatus::Suspended, now);
            if let Some(order) = self.orders.get_mut(&child) {
                order.parent_id = Some(parent);
            }
            children.push(child);
        }
        if let [one, two] = children[..] {
            self.link(one, two);
        }
        self.settle(parent, Arrival::Order, now);
        Ok((parent, children))
    }

    /// Replaces all fields of a working order. Returns the command's id; `None` when there is no such order.
    pub(crate) fn modify(
        &mut self,
        change: &Change,
        now: Timestamp,
        rules: &Rules,
    ) -> Option<Result<i64, Refusal>> {
        let order = self.orders.get(&change.order_id)?;
        let contract = Contract::of_id(order.contract_id)?;
        let checked = still_open(order)
            .and_then(|()| check_quantity(change.order_qty, rules))
            .and_then(|()| check_prices(change.order_type, change.price, change.stop_price, contract));
        if let Err(refusal) = checked {
            return Some(Err(refusal));
        }
        let (id, status) = (change.order_id, order.ord_status);
        let command = self.next_id();
        let terms = Terms {
            action: order_side(self, id),
            order_type: change.order_type,
            price: change.price,
            stop_price: change.stop_price,
            time_in_force: change.time_in_force,
        };
        let mut version = terms.version(id, change.order_qty);
        version.id = command;
        self.versions.push(version);
        self.command(command, id, CommandType::Modify, change.cl_ord_id.clone(), change.is_automated, now);
        self.report(command, id, ExecutionType::Replaced, status, None, now);
        self.settle(id, Arrival::Order, now);
        Some(Ok(command))
    }

    /// Cancels a working order. Returns the command's id; `None` when there is no such order.
    pub(crate) fn cancel(
        &mut self,
        id: i64,
        is_automated: Option<bool>,
        now: Timestamp,
    ) -> Option<Result<i64, Refusal>> {
        if let Err(refusal) = still_open(self.orders.get(&id)?) {
            return Some(Err(refusal));
        }
        let command = self.next_id();
        self.command(command, id, CommandType::Cancel, None, is_automated, now);
        self.end(id, OrderStatus::Canceled, command, now);
        Some(Ok(command))
    }

    /// Cancels what works on a contract and trades its position away. Returns the closing order's id.
    pub(crate) fn liquidate(
        &mut self,
        contract_id: i64,
        now: Timestamp,
        rules: &Rules,
    ) -> Result<i64, Refusal> {
        let contract = Contract::of_id(contract_id)
            .ok_or_else(|| Refusal::failure("InvalidContract", "Unknown contract"))?;
        for id in self.open_orders(contract_id) {
            let command = self.next_id();
            self.command(command, id, CommandType::Cancel, None, Some(true), now);
            self.end(id, OrderStatus::Canceled, command, now);
        }
        let held = self.positions.iter().find(|p| p.contract_id == contract_id).map_or(0, |p| p.net_pos);
        if held == 0 {
            return Err(Refusal::failure("UnknownReason", "There is no open position"));
        }
        let ticket = Ticket {
            account_id: Some(ACCOUNT_ID),
            account_spec: None,
            symbol: contract.symbol.to_owned(),
            order_qty: held.saturating_abs(),
            is_automated: Some(true),
            cl_ord_id: None,
            terms: Terms {
                action: if held > 0 { Side::Sell } else { Side::Buy },
                order_type: OrderType::Market,
                price: None,
                stop_price: None,
                time_in_force: TimeInForce::Day,
            },
        };
        // Closing what is held is no new risk: no quantity limit stands against it.
        let rules = Rules { max_order_qty: i32::MAX, ..rules.clone() };
        self.place(&ticket, now, &rules)
    }

    /// The contract of a position.
    pub(crate) fn contract_of_position(&self, id: i64) -> Option<i64> {
        self.positions.iter().find(|position| position.id == id).map(|position| position.contract_id)
    }

    /// Moves the market, and fills what it reaches.
    pub(crate) fn set_price(&mut self, contract: &Contract, price: f64, now: Timestamp) {
        self.prices.insert(contract.id, price);
        for id in self.open_orders(contract.id) {
            self.settle(id, Arrival::Price, now);
        }
    }

    fn open_orders(&self, contract_id: i64) -> Vec<i64> {
        let open = self.orders.values().filter(|o| o.contract_id == contract_id && still_open(o).is_ok());
        open.map(|order| order.id).collect()
    }

    fn enter(
        &mut self,
        ticket: &Ticket,
        terms: &Terms,
        contract: &Contract,
        status: OrderStatus,
        now: Timestamp,
    ) -> i64 {
        let id = self.next_id();
        self.orders.insert(
            id,
            Order {
                id,
                account_id: ACCOUNT_ID,
                contract_id: contract.id,
                timestamp: now,
                action: terms.action,
                ord_status: status,
                execution_provider_id: 2,
                oco_id: None,
                parent_id: None,
                admin: false,
                is_triggered: false,
            },
        );
        self.versions.push(terms.version(id, ticket.order_qty));
        // Tradovate: the command that places an order has the order's id.
        self.command(id, id, CommandType::New, ticket.cl_ord_id.clone(), ticket.is_automated, now);
        let execution =
            if status == OrderStatus::Suspended { ExecutionType::Suspended } else { ExecutionType::New };
        self.report(id, id, execution, status, None, now);
        id
    }

    fn link(&mut self, one: i64, two: i64) {
        for (id, other) in [(one, two), (two, one)] {
            if let Some(order) = self.orders.get_mut(&id) {
                order.oco_id = Some(other);
            }
        }
    }

    /// Lets an order meet the market.
    fn settle(&mut self, id: i64, arrival: Arrival, now: Timestamp) {
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
    fn end(&mut self, id: i64, status: OrderStatus, command: i64, now: Timestamp) {
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

    fn command(
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

    fn report(
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

fn order_side(book: &Book, id: i64) -> Side {
    book.orders.get(&id).map_or(Side::Buy, |order| order.action)
}

/// Tradovate: a command on an order that has ended is `TooLate`.
fn still_open(order: &Order) -> Result<(), Refusal> {
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
