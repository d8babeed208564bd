//! Operations on the account and on contracts that are neither plain reads nor orders.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::sandbox::{
    api::{call::Call, reply::Reply},
    book::{
        Book,
        library::{ACCOUNT_ID, Contract},
    },
    state::State,
};

/// Whether a path is one of these operations.
pub(crate) fn is_cash(path: &str) -> bool {
    matches!(
        path,
        "cashbalance/getcashbalancesnapshot" | "account/resetdemoaccountstate" | "contract/rollcontract"
    )
}

/// Answers one of them.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    match call.path {
        "cashbalance/getcashbalancesnapshot" => {
            let Snapshot { account_id } = call.json()?;
            if account_id != ACCOUNT_ID {
                return Ok(Reply::error_text("Account not found"));
            }
            Ok(Reply::json(&state.book.cash_snapshot()))
        }
        "account/resetdemoaccountstate" => {
            let ResetAccounts { account_ids } = call.json()?;
            if account_ids != [ACCOUNT_ID] {
                return Ok(Reply::json(&json!({"errorText": "Account not found", "ok": false})));
            }
            state.book = Book::new(now);
            Ok(Reply::json(&json!({"ok": true})))
        }
        _ => {
            // Tradovate: only names the next contract, in spite of its name.
            let Roll { name } = call.json()?;
            let next = Contract::named(&name).and_then(Contract::next);
            Ok(next.map_or_else(
                || Reply::error_text("Contract not found"),
                |contract| Reply::json(&json!({"contract": contract.json()})),
            ))
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    account_id: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResetAccounts {
    account_ids: Vec<i64>,
}

#[derive(Deserialize)]
struct Roll {
    name: String,
}
