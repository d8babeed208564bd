use proptest::prelude::*;
use serde_json::{from_value, json};

use super::*;

#[test]
fn a_market_order_is_filled_at_once_and_shows_everywhere() {
    let mut book = book();
    let id = book.place(&ticket(json!({"action": "Buy", "orderType": "Market"})), now(), &rules()).unwrap();
    assert_eq!(status(&book, id), "Filled");
    let fill = &list(&book, "fill")[0];
    assert_eq!((fill["orderId"].as_i64(), fill["price"].as_f64()), (Some(id), Some(6741.25)));
    let position = &list(&book, "position")[0];
    assert_eq!((position["netPos"].as_i64(), position["netPrice"].as_f64()), (Some(1), Some(6741.25)));
    let reports = list(&book, "executionReport");
    assert_eq!(reports.iter().map(|r| r["execType"].as_str().unwrap()).collect::<Vec<_>>(), ["New", "Trade"]);
    assert_eq!(list(&book, "command")[0]["id"].as_i64(), Some(id));
}

#[test]
fn the_same_ticket_twice_is_two_orders() {
    let mut book = book();
    let ticket = ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6000.0, "clOrdId": "same"}));
    let first = book.place(&ticket, now(), &rules()).unwrap();
    let second = book.place(&ticket, now(), &rules()).unwrap();
    assert!(second > first);
    assert_eq!(list(&book, "order").len(), 2);
}

#[test]
fn a_limit_works_until_the_price_comes_and_then_moves_the_cash() {
    let mut book = book();
    let buy = ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6740.0}));
    let buy = book.place(&buy, now(), &rules()).unwrap();
    price(&mut book, 6740.25);
    assert_eq!(status(&book, buy), "Working");
    price(&mut book, 6739.0);
    assert_eq!(status(&book, buy), "Filled");
    price(&mut book, 6745.0);
    assert_eq!(book.cash_snapshot()["openPnL"], json!(250.0));
    book.place(&ticket(json!({"action": "Sell", "orderType": "Market"})), now(), &rules()).unwrap();
    let cash = &list(&book, "cashBalance")[0];
    assert_eq!((&cash["amount"], &cash["realizedPnL"]), (&json!(50_250.0), &json!(250.0)));
    assert_eq!(book.cash_snapshot()["initialMargin"], json!(0.0));
}

#[test]
fn a_cancelled_order_is_never_filled_and_a_filled_one_never_cancelled() {
    let mut book = book();
    let limit = ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6740.0}));
    let one = book.place(&limit, now(), &rules()).unwrap();
    let two = book.place(&limit, now(), &rules()).unwrap();
    let command = book.cancel(one, Some(true), now()).unwrap().unwrap();
    assert!(command > two);
    price(&mut book, 6700.0);
    assert_eq!((status(&book, one), status(&book, two)), ("Canceled".into(), "Filled".into()));
    for (id, text) in [(one, "Order is already canceled"), (two, "Order is already filled")] {
        let refusal = book.cancel(id, None, now()).unwrap().unwrap_err();
        assert_eq!(refusal, Refusal::failure("TooLate", text));
    }
    assert!(book.cancel(1, None, now()).is_none(), "no such order");
}

#[test]
fn a_modification_replaces_every_field() {
    let mut book = book();
    let limit = ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6000.0, "timeInForce": "GTC"}));
    let id = book.place(&limit, now(), &rules()).unwrap();
    let change: Change =
        from_value(json!({"orderId": id, "orderQty": 3, "orderType": "Limit", "price": 6001.0})).unwrap();
    let command = book.modify(&change, now(), &rules()).unwrap().unwrap();
    let versions = list(&book, "orderVersion");
    assert_eq!(
        versions[1],
        json!({"id": command, "orderId": id, "orderQty": 3, "orderType": "Limit", "price": 6001.0,
               "timeInForce": "Day"})
    );
    price(&mut book, 6001.0);
    assert_eq!(list(&book, "fill")[0]["qty"], json!(3));
}

#[test]
fn filling_one_of_a_pair_cancels_the_other() {
    let mut book = book();
    let first = ticket(json!({"action": "Sell", "orderType": "Limit", "price": 6750.0}));
    let other = from_value(json!({"action": "Sell", "orderType": "Stop", "stopPrice": 6730.0})).unwrap();
    let (limit, stop) = book.place_oco(&first, &other, now(), &rules()).unwrap();
    price(&mut book, 6729.5);
    assert_eq!((status(&book, limit), status(&book, stop)), ("Canceled".into(), "Filled".into()));
    assert_eq!(list(&book, "fill")[0]["price"], json!(6729.5), "a stop takes the market, gap and all");
}

#[test]
fn brackets_wait_for_the_parent_and_end_with_it() {
    let mut book = book();
    let parent = ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6740.0}));
    let brackets: Vec<Terms> = from_value(json!([
        {"action": "Sell", "orderType": "Limit", "price": 6750.0},
        {"action": "Sell", "orderType": "Stop", "stopPrice": 6730.0},
    ]))
    .unwrap();
    let (id, children) = book.place_oso(&parent, &brackets, now(), &rules()).unwrap();
    assert_eq!(status(&book, children[0]), "Suspended");
    price(&mut book, 6740.0);
    assert_eq!((status(&book, id), status(&book, children[0])), ("Filled".into(), "Working".into()));
    price(&mut book, 6750.0);
    assert_eq!(
        (status(&book, children[0]), status(&book, children[1])),
        ("Filled".into(), "Canceled".into())
    );
    assert_eq!(list(&book, "position")[0]["netPos"], json!(0));

    price(&mut book, 6745.0);
    let (id, children) = book.place_oso(&parent, &brackets, now(), &rules()).unwrap();
    book.cancel(id, None, now()).unwrap().unwrap();
    assert_eq!(status(&book, children[1]), "Canceled");
}

#[test]
fn liquidation_cancels_what_works_and_closes_what_is_held() {
    let mut book = book();
    let rules = Rules { max_order_qty: 2, ..rules() };
    for _ in 0..2 {
        let sell = ticket(json!({"action": "Sell", "orderType": "Market", "orderQty": 2}));
        book.place(&sell, now(), &rules).unwrap();
    }
    let limit = ticket(json!({"action": "Sell", "orderType": "Limit", "price": 6800.0}));
    let limit = book.place(&limit, now(), &rules).unwrap();
    let id = book.liquidate(3_570_918, now(), &rules).unwrap();
    assert_eq!((status(&book, id), status(&book, limit)), ("Filled".into(), "Canceled".into()));
    assert_eq!(list(&book, "position")[0]["netPos"], json!(0));
    assert!(book.liquidate(3_570_918, now(), &rules).is_err(), "nothing is left");
}

#[test]
fn refusals_say_why_and_leave_no_record() {
    let mut book = book();
    let closed = Rules { account: AccountState::Closed, ..rules() };
    let after_hours = Rules { trading: crate::sandbox::rules::Trading::Closed, ..rules() };
    let cases = [
        (json!({"symbol": "XXX1"}), &rules(), "InvalidContract"),
        (json!({"orderQty": 0}), &rules(), "OtherExecutionRelated"),
        (json!({"orderQty": -1}), &rules(), "OtherExecutionRelated"),
        (json!({"orderQty": 1001}), &rules(), "MaxOrderQtyLimitReached"),
        (json!({"orderType": "Limit"}), &rules(), "InvalidPrice"),
        (json!({"orderType": "Limit", "price": 6740.1}), &rules(), "InvalidPrice"),
        (json!({"orderType": "TrailingStop"}), &rules(), "Unsupported"),
        (json!({"accountId": 1}), &rules(), "UnknownReason"),
        (json!({}), &closed, "AccountClosed"),
        (json!({}), &after_hours, "SessionClosed"),
    ];
    for (fields, rules, reason) in cases {
        let refusal = book.place(&ticket(fields.clone()), now(), rules).unwrap_err();
        assert_eq!(refusal.json()["failureReason"], reason, "{fields}");
    }
    let nobody = ticket(json!({"accountId": null, "accountSpec": null}));
    let refusal = book.place(&nobody, now(), &rules()).unwrap_err();
    assert_eq!(refusal.json()["violations"][0]["constraint"], "accountId");
    assert!(list(&book, "order").is_empty() && list(&book, "command").is_empty());
}

#[test]
fn an_order_that_may_not_wait_expires() {
    let mut book = book();
    let ticket =
        ticket(json!({"action": "Buy", "orderType": "Limit", "price": 6000.0, "timeInForce": "FOK"}));
    let id = book.place(&ticket, now(), &rules()).unwrap();
    assert_eq!(status(&book, id), "Expired");
}

#[test]
fn a_modified_stop_limit_waits_for_its_new_stop() {
    let mut book = book();
    let stop = json!({"action": "Buy", "orderType": "StopLimit", "stopPrice": 6750.0, "price": 6751.0});
    let id = book.place(&ticket(stop), now(), &rules()).unwrap();
    price(&mut book, 6760.0);
    assert_eq!(status(&book, id), "Working", "reached, but the market is beyond the limit");
    let change =
        json!({"orderId": id, "orderQty": 1, "orderType": "StopLimit", "stopPrice": 6770.0, "price": 6771.0});
    book.modify(&from_value(change).unwrap(), now(), &rules()).unwrap().unwrap();
    price(&mut book, 6765.0);
    assert_eq!(status(&book, id), "Working");
    price(&mut book, 6770.0);
    assert_eq!(status(&book, id), "Filled");
}

/// What random trading may do.
#[derive(Clone, Debug)]
enum Move {
    Place { order: usize, linked: bool },
    Cancel(usize),
    Modify(usize),
    Price(i32),
    Liquidate,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0..ORDERS, any::<bool>()).prop_map(|(order, linked)| Move::Place { order, linked }),
        (0..40_usize).prop_map(Move::Cancel),
        (0..40_usize).prop_map(Move::Modify),
        (6_700..6_780_i32).prop_map(Move::Price),
        Just(Move::Liquidate),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #[test]
    fn whatever_is_traded_the_book_agrees_with_itself(moves in moves()) {
        let mut book = book();
        let mut accepted = 0;
        for one in moves {
            let ids: Vec<i64> = book.orders.keys().copied().collect();
            let pick = |at: usize| ids.get(at).copied().unwrap_or(1);
            match one {
                Move::Place { order, linked: false } => {
                    accepted += usize::from(book.place(&ticket(order_of(order)), now(), &rules()).is_ok());
                }
                Move::Place { order, linked: true } => {
                    let other = ticket(order_of(order + 1)).terms;
                    let placed = book.place_oco(&ticket(order_of(order)), &other, now(), &rules());
                    accepted += if placed.is_ok() { 2 } else { 0 };
                }
                Move::Cancel(at) => drop(book.cancel(pick(at), None, now())),
                Move::Modify(at) => {
                    let change = json!({"orderId": pick(at), "orderQty": 2, "orderType": "Limit", "price": 6735.0});
                    drop(book.modify(&from_value(change).unwrap(), now(), &rules()));
                }
                Move::Price(to) => price(&mut book, f64::from(to)),
                Move::Liquidate => {
                    accepted += usize::from(book.liquidate(3_570_918, now(), &rules()).is_ok());
                }
            }
        }
        prop_assert_eq!(book.orders.len(), accepted, "one accepted command, one order");
        let signed = |fill: &Fill| if fill.action == records::Side::Buy { fill.qty } else { -fill.qty };
        let held: i32 = book.positions.iter().map(|position| position.net_pos).sum();
        prop_assert_eq!(book.fills.iter().map(signed).sum::<i32>(), held, "positions are what fills made");
        for order in book.orders.values() {
            let fills = book.fills.iter().filter(|fill| fill.order_id == order.id).count();
            prop_assert_eq!(fills, usize::from(order.ord_status == records::OrderStatus::Filled));
            let other = order.oco_id.and_then(|other| book.orders.get(&other));
            let both = other.is_some_and(|other| other.ord_status == records::OrderStatus::Filled) && fills > 0;
            prop_assert!(!both, "both of a pair were filled");
        }
        let ids = book.execution_reports.iter().map(|report| report.id);
        prop_assert!(ids.clone().zip(ids.skip(1)).all(|(one, next)| one < next), "ids only grow");
        // What was realised, and what is still open, is what the trades were worth at today's price.
        let market = book.price(Contract::named("ESZ6").unwrap());
        let worth: f64 = book.fills.iter().map(|fill| f64::from(signed(fill)) * (market - fill.price)).sum();
        let told = book.cash_snapshot()["totalPnL"].as_f64().unwrap();
        prop_assert!((told - worth * 50.0).abs() < 0.01, "{told} is not {}", worth * 50.0);
    }
}

const ORDERS: usize = 6;

fn order_of(which: usize) -> Value {
    match which % ORDERS {
        0 => json!({"action": "Buy", "orderType": "Market"}),
        1 => json!({"action": "Sell", "orderType": "Market", "orderQty": 3}),
        2 => json!({"action": "Buy", "orderType": "Limit", "price": 6730.0}),
        3 => json!({"action": "Sell", "orderType": "Stop", "stopPrice": 6720.0, "orderQty": 2}),
        4 => json!({"action": "Buy", "orderType": "StopLimit", "stopPrice": 6750.0, "price": 6755.0}),
        _ => json!({"action": "Sell", "orderType": "MIT", "price": 6760.0}),
    }
}

fn book() -> Book {
    Book::new(now())
}

fn rules() -> Rules {
    Rules::default()
}

fn now() -> Timestamp {
    "2026-11-20T15:00:58.102Z".parse().unwrap()
}

/// A market order to buy one ES, with `fields` put over it.
fn ticket(fields: Value) -> Ticket {
    let mut whole = json!({
        "accountId": ACCOUNT_ID, "accountSpec": ACCOUNT_NAME,
        "action": "Buy", "symbol": "ESZ6", "orderQty": 1, "orderType": "Market",
    });
    let Value::Object(fields) = fields else { panic!("fields are an object") };
    whole.as_object_mut().unwrap().extend(fields);
    from_value(whole).unwrap()
}

fn price(book: &mut Book, price: f64) {
    book.set_price(Contract::named("ESZ6").unwrap(), price, now());
}

fn list(book: &Book, kind: &str) -> Vec<Value> {
    book.entities(kind, &rules())
}

fn status(book: &Book, id: i64) -> String {
    let orders = list(book, "order");
    let order = orders.iter().find(|order| order["id"].as_i64() == Some(id)).unwrap();
    order["ordStatus"].as_str().unwrap().to_owned()
}
