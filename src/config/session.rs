//! How the session is kept: alive, by limits and policies, and over restarts.

use crate::{
    auth::{OnKick, RenewalPolicy, Store, StoreKey, ledger::Budgets},
    config::{
        layers::Layers,
        setting as s,
        value::{self, Invalid},
    },
};

pub(super) fn policy(layers: &mut Layers<'_>) -> RenewalPolicy {
    let default = RenewalPolicy::default();
    RenewalPolicy {
        margin: layers.value(&s::SESSION_RENEW_MARGIN, value::bound),
        budgets: Budgets {
            // None at all would mean a session that can never begin, or never go on.
            opened: layers.value(&s::SESSION_LOGINS_PER_HOUR, |text| value::count(text, 1..=100)),
            failed: layers.value(&s::SESSION_FAILURES_PER_HOUR, |text| value::count(text, 1..=100)),
            renewals: layers.value(&s::SESSION_RENEWALS_PER_HOUR, |text| value::count(text, 1..=1000)),
            hold_off: layers.value(&s::SESSION_HOLD_OFF, value::bound),
            ..default.budgets
        },
        on_kick: on_kick(layers),
        ..default
    }
}

pub(super) fn store(layers: &mut Layers<'_>) -> Store {
    // Each is looked at, whichever store is chosen.
    let key = layers.optional(&s::SESSION_STORE_KEY, |text| StoreKey::parse(text).ok_or(Invalid::Key));
    let lock_wait = layers.value(&s::SESSION_LOCK_WAIT, value::duration);
    layers.value(&s::SESSION_STORE, |text| match text {
        "file" => Ok(Store::File { key: key.clone(), lock_wait }),
        "memory" => Ok(Store::Memory),
        _ => Err(Invalid::Choice { of: "file, memory" }),
    })
}

fn on_kick(layers: &mut Layers<'_>) -> OnKick {
    let wait = layers.value(&s::SESSION_YIELD_FOR, value::bound);
    layers.value(&s::SESSION_ON_KICK, |text| match text {
        "reclaim" => Ok(OnKick::Reclaim),
        "yield" => Ok(OnKick::Yield { wait }),
        "manual" => Ok(OnKick::Manual),
        _ => Err(Invalid::Choice { of: "reclaim, yield, manual" }),
    })
}
