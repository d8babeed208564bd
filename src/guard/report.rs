//! What is in force, for `/status`. The field names are a contract.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::guard::Guards;

/// The guards, at one instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `all`, `cancel-only` or `read-only`.
    pub mode: String,
    /// The kill switch.
    pub kill: KillReport,
    /// How many accounts are listed; which, is nobody's business who may only look.
    pub accounts: Option<usize>,
    /// The symbols that may be traded.
    pub symbols: Option<Vec<String>>,
    /// The order types that may be used.
    pub order_types: Option<Vec<String>>,
    /// The largest quantity of one order.
    pub max_quantity: Option<u32>,
    /// Requests that place or change orders, in any minute.
    pub orders_per_minute: Option<u32>,
}

/// The kill switch, at one instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KillReport {
    /// Whether it is on.
    pub engaged: bool,
    /// Since when; in this run.
    pub since: Option<Timestamp>,
    /// Why: everything that holds it on.
    pub causes: Vec<String>,
    /// What to do about it.
    pub advice: Option<String>,
    /// Why it would be off after a restart, if it would.
    pub unkept: Option<String>,
    /// The path whose existence switches it on.
    pub file: Option<String>,
}

impl Guards {
    /// What is in force.
    pub fn report(&self) -> Report {
        let rules = self.rules.load();
        Report {
            mode: rules.mode.name().to_owned(),
            kill: self.kill_report(),
            accounts: rules.accounts.as_ref().map(Vec::len),
            symbols: rules.symbols.as_ref().map(|list| list.iter().map(ToString::to_string).collect()),
            order_types: rules
                .order_types
                .as_ref()
                .map(|list| list.iter().map(ToString::to_string).collect()),
            max_quantity: rules.max_quantity.map(Into::into),
            orders_per_minute: rules.orders_per_minute.map(Into::into),
        }
    }

    /// How the kill switch stands.
    pub fn kill_report(&self) -> KillReport {
        let causes: Vec<_> = self.switch.ordered().into_iter().chain(self.switch.file()).collect();
        let file = self.rules.load().kill_file.as_ref().map(|path| path.display().to_string());
        KillReport {
            engaged: !causes.is_empty(),
            since: self.switch.since().map(|since| self.clock.shown(since)),
            advice: causes.first().map(|cause| cause.help().to_owned()),
            causes: causes.iter().map(ToString::to_string).collect(),
            unkept: self.keeper.unkept(),
            file,
        }
    }
}

impl Report {
    /// In one line, for people.
    pub fn line(&self) -> String {
        let mut parts = Vec::new();
        if self.mode != "all" {
            parts.push(self.mode.clone());
        }
        parts.extend(self.accounts.map(|number| format!("accounts: {number} listed")));
        parts.extend(self.symbols.as_ref().map(|list| format!("symbols: {}", list.join(", "))));
        parts.extend(self.order_types.as_ref().map(|list| format!("order types: {}", list.join(", "))));
        parts.extend(self.max_quantity.map(|most| format!("at most {most} an order")));
        parts.extend(self.orders_per_minute.map(|most| format!("at most {most} orders a minute")));
        if parts.is_empty() { "none: every request passes".to_owned() } else { parts.join(" · ") }
    }
}

impl KillReport {
    /// In one line, for people.
    pub fn line(&self) -> String {
        match (self.since, self.engaged) {
            (Some(since), true) => {
                let advice = self.advice.as_deref().unwrap_or_default();
                let lost = self.unkept.as_ref();
                let lost = lost.map(|why| format!("; it would be off after a restart: {why}"));
                format!(
                    "ON since {since:.0}, {}: {advice}{}",
                    self.causes.join(", and "),
                    lost.unwrap_or_default()
                )
            }
            (None, true) => format!("ON, {}", self.causes.join(", and ")),
            (_, false) => "off".to_owned(),
        }
    }
}
