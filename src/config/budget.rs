//! How many requests upstream will take.

use crate::{
    budget::Policy,
    config::{
        layers::Layers,
        problem::Fault,
        setting::{self as s, Setting},
        value::{self, Invalid},
    },
    proxy::Api,
};

/// Tradovate's limits where nothing else is said; another API's are not known.
pub(super) fn read(layers: &mut Layers<'_>, api: Api) -> Policy {
    let default = match api {
        Api::Tradovate => Policy::default(),
        Api::Other => Policy::unlimited(),
    };
    let policy = Policy {
        per_hour: limit(layers, &s::BUDGET_PER_HOUR, default.per_hour),
        per_minute: limit(layers, &s::BUDGET_PER_MINUTE, default.per_minute),
        reserve: layers.value(&s::BUDGET_RESERVE, number),
        warn_at: layers.value(&s::BUDGET_WARN_AT, |text| Ok(value::count(text, 1..=100)? as u64)),
        hold: layers.optional(&s::BUDGET_HOLD, value::duration).unwrap_or_else(|| {
            layers.settle(&s::BUDGET_HOLD, value::duration_text(default.hold));
            default.hold
        }),
        hold_relief: layers.value(&s::BUDGET_HOLD_CANCELS, value::yes_or_no),
    };
    // Nothing but cancels would ever be sent.
    if let Some(tightest) = [policy.per_hour, policy.per_minute].into_iter().flatten().min()
        && policy.reserve >= tightest
    {
        let why = Invalid::OutOfRange { least: "0".to_owned(), most: (tightest - 1).to_string() };
        let value = Some(policy.reserve.to_string());
        layers.refuse(&s::BUDGET_RESERVE, Fault::Invalid { value, why });
    }
    policy
}

fn limit(layers: &mut Layers<'_>, setting: &'static Setting, default: Option<u64>) -> Option<u64> {
    let parse = |text: &str| match text {
        "off" => Ok(None),
        text => {
            number(text).and_then(|number| if number == 0 { Err(Invalid::Zero) } else { Ok(Some(number)) })
        }
    };
    layers.optional(setting, parse).unwrap_or_else(|| {
        layers.settle(setting, default.map_or_else(|| "off".to_owned(), |limit| limit.to_string()));
        default
    })
}

fn number(text: &str) -> Result<u64, Invalid> {
    Ok(value::count(text, 0..=1_000_000_000)? as u64)
}
