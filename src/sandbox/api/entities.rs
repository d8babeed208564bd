//! `<entity>/{item,items,list,find,finds,suggest,deps,ldeps}`, the same for every kind.

use serde_json::Value;

use crate::sandbox::{
    api::{call::Call, kinds::Kind, reply::Reply},
    state::State,
};

/// Answers a read of entities, or 404 for whatever is none.
pub(crate) fn answer(state: &State, call: &Call<'_>) -> Result<Reply, Reply> {
    let (name, operation) = call.path.split_once('/').ok_or_else(Reply::not_found)?;
    let kind = Kind::named(name).filter(|kind| kind.knows(operation)).ok_or_else(Reply::not_found)?;
    let all = || state.book.entities(kind.name, &state.rules);
    match operation {
        "item" => one(all(), by_id(&[call.id("id")?])),
        "items" => {
            let ids = call.ids("ids")?;
            if ids.len() > state.rules.items_per_request {
                return Err(Reply::not_found());
            }
            // Tradovate: may be fewer than asked for, without an error.
            Ok(many(all(), by_id(&ids)))
        }
        "find" => {
            let name = call.parameter("name")?;
            one(all(), |entity| entity["name"] == name)
        }
        "finds" => {
            let names: Vec<&str> = call.parameter("names")?.split(',').collect();
            Ok(many(all(), |entity| entity["name"].as_str().is_some_and(|name| names.contains(&name))))
        }
        "suggest" => suggest(all(), call),
        "deps" => {
            let master = call.id("masterid")?;
            Ok(many(all(), |entity| entity[kind.master] == master))
        }
        "ldeps" => {
            let masters = call.ids("masterids")?;
            Ok(many(all(), |entity| entity[kind.master].as_i64().is_some_and(|id| masters.contains(&id))))
        }
        _ => Ok(many(all(), |_| true)),
    }
}

fn suggest(all: Vec<Value>, call: &Call<'_>) -> Result<Reply, Reply> {
    let text = call.parameter("t")?.to_ascii_uppercase();
    let most = call.id("l").ok().and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let starts = |entity: &Value| {
        entity["name"].as_str().is_some_and(|name| name.to_ascii_uppercase().starts_with(&text))
    };
    Ok(Reply::json(&all.into_iter().filter(starts).take(most).collect::<Vec<_>>()))
}

fn by_id(ids: &[i64]) -> impl Fn(&Value) -> bool {
    |entity| entity["id"].as_i64().is_some_and(|id| ids.contains(&id))
}

fn one(all: Vec<Value>, wanted: impl Fn(&Value) -> bool) -> Result<Reply, Reply> {
    all.into_iter().find(wanted).map(|entity| Reply::json(&entity)).ok_or_else(Reply::not_found)
}

fn many(all: Vec<Value>, wanted: impl Fn(&Value) -> bool) -> Reply {
    Reply::json(&all.into_iter().filter(wanted).collect::<Vec<_>>())
}
