//! `order/*`: what trades, and the dry run that does not.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::{
    api::{call::Call, reply::Reply},
    book::{Change, Refusal, Terms, Ticket},
    state::State,
};

/// Whether a path is an order operation.
pub(crate) fn is_order(path: &str) -> bool {
    matches!(
        path,
        "order/placeorder"
            | "order/placeoco"
            | "order/placeoso"
            | "order/modifyorder"
            | "order/cancelorder"
            | "order/liquidateposition"
            | "order/liquidatepositions"
            | "order/dryrun"
    )
}

/// Tradovate: a missing permission, or an unverified device, is told so to orders.
pub(crate) fn access_denied() -> Reply {
    Reply::json(&Refusal::failure("UnknownReason", "Access is denied").json())
}

/// Answers an order operation. Tradovate: 200 for every refusal by the broker's rules.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    let State { book, rules, .. } = state;
    let outcome = match call.path {
        "order/placeorder" => {
            let ticket: Ticket = call.json()?;
            book.place(&ticket, now, rules).map(|id| json!({"orderId": id}))
        }
        "order/placeoco" => {
            let oco: Oco = call.json()?;
            let placed = book.place_oco(&oco.ticket, &oco.other, now, rules);
            placed.map(|(first, second)| json!({"orderId": first, "ocoId": second}))
        }
        "order/placeoso" => {
            let oso: Oso = call.json()?;
            let brackets: Vec<Terms> = [Some(oso.first), oso.second].into_iter().flatten().collect();
            book.place_oso(&oso.ticket, &brackets, now, rules).map(|(id, children)| bracketed(id, &children))
        }
        "order/modifyorder" => {
            let change: Change = call.json()?;
            let modified = book.modify(&change, now, rules).ok_or_else(Reply::not_found)?;
            modified.map(|command| json!({"commandId": command}))
        }
        "order/cancelorder" => {
            let cancel: Cancel = call.json()?;
            let cancelled =
                book.cancel(cancel.order_id, cancel.is_automated, now).ok_or_else(Reply::not_found)?;
            cancelled.map(|command| json!({"commandId": command}))
        }
        "order/liquidateposition" => {
            let Liquidate { contract_id } = call.json()?;
            book.liquidate(contract_id, now, rules).map(|id| json!({"orderId": id}))
        }
        "order/liquidatepositions" => {
            let LiquidateMany { positions } = call.json()?;
            let contracts = positions.iter().map(|&id| book.contract_of_position(id));
            let contracts: Vec<i64> = contracts.collect::<Option<_>>().ok_or_else(Reply::not_found)?;
            for contract in contracts {
                // A position that is flat already needs nothing done.
                let _ = book.liquidate(contract, now, rules);
            }
            Ok(json!({"ok": true}))
        }
        _ => return dry_run(state, call),
    };
    Ok(Reply::json(&outcome.unwrap_or_else(|refusal| refusal.json())))
}

/// Judges up to four tickets and places none. What the real API answers in detail is not public: here it is
/// the refusal that placing would get, or an empty object.
fn dry_run(state: &State, call: &Call<'_>) -> Result<Reply, Reply> {
    let run: DryRun = call.json()?;
    let judge = |ticket: &Ticket| match ticket.check(&state.rules) {
        Ok(_) => json!({}),
        Err(refusal) => refusal.json(),
    };
    Ok(match run {
        DryRun::Many { orders } if orders.len() > DRY_RUN_ORDERS => {
            let description = "No more than four orders are evaluated at once";
            Reply::json(&Refusal::Violation { constraint: "orders", description }.json())
        }
        DryRun::Many { orders } => {
            Reply::json(&json!({"orders": orders.iter().map(judge).collect::<Vec<_>>()}))
        }
        DryRun::One(ticket) => Reply::json(&judge(&ticket)),
    })
}

fn bracketed(id: i64, children: &[i64]) -> Value {
    let mut body = json!({"orderId": id});
    for (name, child) in ["oso1Id", "oso2Id"].into_iter().zip(children) {
        body[name] = json!(child);
    }
    body
}

#[derive(Deserialize)]
struct Oco {
    #[serde(flatten)]
    ticket: Ticket,
    other: Terms,
}

#[derive(Deserialize)]
struct Oso {
    #[serde(flatten)]
    ticket: Ticket,
    #[serde(rename = "bracket1")]
    first: Terms,
    #[serde(default, rename = "bracket2")]
    second: Option<Terms>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cancel {
    order_id: i64,
    #[serde(default)]
    is_automated: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Liquidate {
    contract_id: i64,
}

#[derive(Deserialize)]
struct LiquidateMany {
    positions: Vec<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum DryRun {
    Many { orders: Vec<Ticket> },
    One(Box<Ticket>),
}

const DRY_RUN_ORDERS: usize = 4;
