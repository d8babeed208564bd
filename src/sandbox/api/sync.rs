//! `user/syncrequest`: everything at once. Over REST it is a snapshot, without the events that would follow.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::sandbox::{
    api::{call::Call, reply::Reply},
    book::library::USER_ID,
    state::State,
};

/// Answers a request for everything.
pub(crate) fn request(state: &State, call: &Call<'_>) -> Result<Reply, Reply> {
    let Request { users } = call.json()?;
    if users.is_some_and(|users| users.iter().any(|&user| user != USER_ID)) {
        return Err(Reply::not_found());
    }
    let mut body = Map::new();
    for (field, kind) in FIELDS {
        body.insert((*field).to_owned(), Value::Array(state.book.entities(kind, &state.rules)));
    }
    Ok(Reply::json(&body))
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    users: Option<Vec<i64>>,
}

const FIELDS: &[(&str, &str)] = &[
    ("users", "user"),
    ("contractGroups", "contractGroup"),
    ("accounts", "account"),
    ("accountRiskStatuses", "accountRiskStatus"),
    ("marginSnapshots", "marginSnapshot"),
    ("userAccountAutoLiqs", "userAccountAutoLiq"),
    ("cashBalances", "cashBalance"),
    ("currencies", "currency"),
    ("positions", "position"),
    ("fillPairs", "fillPair"),
    ("orders", "order"),
    ("contracts", "contract"),
    ("contractMaturities", "contractMaturity"),
    ("products", "product"),
    ("exchanges", "exchange"),
    ("spreadDefinitions", "spreadDefinition"),
    ("commands", "command"),
    ("commandReports", "commandReport"),
    ("executionReports", "executionReport"),
    ("orderVersions", "orderVersion"),
    ("fills", "fill"),
    ("fillFees", "fillFee"),
    ("orderStrategies", "orderStrategy"),
    ("orderStrategyLinks", "orderStrategyLink"),
    ("userProperties", "userProperty"),
    ("properties", "property"),
    ("userPlugins", "userPlugin"),
    ("orderStrategyTypes", "orderStrategyType"),
];
