//! What callers may do with orders: place, modify, cancel, liquidate.

use jiff::Timestamp;

use crate::sandbox::{
    book::{
        Book,
        execution::still_open,
        library::{ACCOUNT_ID, Contract},
        market::Arrival,
        records::{CommandType, ExecutionType, Order, OrderStatus, OrderType, Side, TimeInForce},
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
        if let Some(order) = self.orders.get_mut(&id) {
            // A stop that was reached is another stop now.
            order.is_triggered = false;
        }
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
}

fn order_side(book: &Book, id: i64) -> Side {
    book.orders.get(&id).map_or(Side::Buy, |order| order.action)
}
