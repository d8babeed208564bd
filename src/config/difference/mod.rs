//! What differs between two configurations, and what of that needs a restart.

use secrecy::ExposeSecret;

use crate::config::{
    Config,
    setting::{self as s, SETTINGS, Setting},
};

/// Where a changed setting takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// At once, by a new token source in the place of the old one.
    ToSource,
    /// At once, by a new policy of the session.
    ToPolicy,
    /// At once, by other limits on what is sent.
    ToBudget,
    /// At once, for TLS handshakes to come.
    ToTls,
    /// At once, by new rules of who may call.
    ToCallers,
    /// At once, by other trading guards.
    ToGuards,
    /// At once, by a new filter of the log.
    ToLog,
    /// When the process starts anew.
    AtRestart,
}

/// The settings in which two configurations differ, in the order of the table.
#[derive(Clone, Debug, Default)]
pub struct Difference(Vec<(&'static Setting, Applies)>);

impl Difference {
    /// Compares by value, secrets too; holds names alone.
    pub fn between(running: &Config, new: &Config) -> Self {
        let differing = SETTINGS.iter().copied().filter(|setting| running.differs_in(setting, new));
        let mut changed: Vec<_> = differing.map(|setting| (setting, applies(setting))).collect();
        // Credentials that came with another seat must not be sent to this one.
        if changed.iter().any(|(setting, _)| is_in(&SEAT, setting)) {
            for (_, at) in changed.iter_mut().filter(|(_, at)| *at == Applies::ToSource) {
                *at = Applies::AtRestart;
            }
        }
        // A listener does not change between plain HTTP and TLS under its callers; nor does it begin, or cease, to ask for
        // certificates while the rest of what keeps others out waits for the restart.
        let asks = |config: &Config| {
            (config.listening.tls.is_some(), config.listening.requires_client_certificates())
        };
        if asks(running) != asks(new) {
            for (_, at) in changed.iter_mut().filter(|(_, at)| *at == Applies::ToTls) {
                *at = Applies::AtRestart;
            }
        }
        // Keys that go because the next start no longer needs them are needed by the listeners of this one.
        if running.listening.would_stand_open(&new.callers, &new.operators) {
            for (_, at) in changed.iter_mut().filter(|(_, at)| *at == Applies::ToCallers) {
                *at = Applies::AtRestart;
            }
        }
        Self(changed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of it takes effect there.
    pub fn has(&self, at: Applies) -> bool {
        self.0.iter().any(|(_, other)| *other == at)
    }

    /// The key of each setting, and where it takes effect.
    pub fn settings(&self) -> impl Iterator<Item = (&'static str, Applies)> {
        self.0.iter().map(|(setting, at)| (setting.key, *at))
    }
}

impl Config {
    /// Takes over what of `new` takes effect at once; `difference` is that between the two.
    pub fn adopt(&mut self, new: Self, difference: &Difference) {
        // Every field is named, so that whoever adds one decides here whether it can change.
        let Self {
            source,
            policy,
            budget,
            log,
            callers,
            operators,
            guards,
            values,
            environment: _,
            listening,
            upstream: _,
            upstream_ca: _,
            upstream_http2: _,
            upstream_warm: _,
            state_dir: _,
            limits: _,
            idempotency: _,
            timeouts: _,
            upstream_timeouts: _,
            drain: _,
            workers: _,
            log_format: _,
            trusted_hosts: _,
            content_types: _,
            api: _,
            store: _,
            audit: _,
            exposed: _,
        } = self;
        if difference.has(Applies::ToSource) {
            *source = new.source;
        }
        if difference.has(Applies::ToPolicy) {
            *policy = new.policy;
        }
        if difference.has(Applies::ToBudget) {
            *budget = new.budget;
        }
        if difference.has(Applies::ToCallers) {
            *callers = new.callers;
            *operators = new.operators;
        }
        if difference.has(Applies::ToGuards) {
            *guards = new.guards;
        }
        if difference.has(Applies::ToLog) {
            *log = new.log;
        }
        if difference.has(Applies::ToTls) {
            listening.tls = new.listening.tls;
        }
        let is_adopted =
            |key| difference.settings().any(|change| change.0 == key && change.1 != Applies::AtRestart);
        values.retain(|value| !is_adopted(value.setting.key));
        values.extend(new.values.into_iter().filter(|value| is_adopted(value.setting.key)));
    }

    fn differs_in(&self, setting: &Setting, new: &Self) -> bool {
        // The commands show it, and read it each time.
        if setting.key == s::ADMIN_KEY.key {
            return false;
        }
        self.text(setting) != new.text(setting)
            // The same file, with other certificates in it.
            || setting.key == s::UPSTREAM_CA.key && self.upstream_ca != new.upstream_ca
            || setting.key == s::TLS_CERT.key && self.listening.tls != new.listening.tls
    }

    fn text(&self, setting: &Setting) -> Option<&str> {
        let value = self.values.iter().find(|value| value.setting.key == setting.key)?;
        value.text.as_ref().map(ExposeSecret::expose_secret)
    }
}

fn applies(setting: &Setting) -> Applies {
    if setting.key == s::LOG.key {
        Applies::ToLog
    } else if is_in(&BUDGET, setting) {
        Applies::ToBudget
    } else if is_in(&CALLERS, setting) {
        Applies::ToCallers
    } else if is_in(&POLICY, setting) {
        Applies::ToPolicy
    } else if is_in(&GUARDS, setting) {
        Applies::ToGuards
    } else if is_in(&SOURCE, setting) {
        Applies::ToSource
    } else if is_in(&TLS, setting) {
        Applies::ToTls
    } else {
        Applies::AtRestart
    }
}

fn is_in(settings: &[&Setting], setting: &Setting) -> bool {
    settings.iter().any(|other| other.key == setting.key)
}

static BUDGET: [&Setting; 6] = [
    &s::BUDGET_PER_HOUR,
    &s::BUDGET_PER_MINUTE,
    &s::BUDGET_RESERVE,
    &s::BUDGET_WARN_AT,
    &s::BUDGET_HOLD,
    &s::BUDGET_HOLD_CANCELS,
];

/// What says whose session it is, and where. The stored session, the budgets spent and the connections belong to one
/// seat, so another one takes another process.
static SEAT: [&Setting; 8] = [
    &s::NAME,
    &s::SOURCE,
    &s::API,
    &s::ENV,
    &s::LIVE,
    &s::UPSTREAM_URL,
    &s::OAUTH2_TOKEN_URL,
    &s::OAUTH2_CLIENT_ID,
];

/// What a token source is made of besides.
static SOURCE: [&Setting; 12] = [
    &s::PASSWORD,
    &s::APP_ID,
    &s::APP_VERSION,
    &s::DEVICE_ID,
    &s::CID,
    &s::SEC,
    &s::TOKEN,
    &s::OAUTH2_CLIENT_SECRET,
    &s::OAUTH2_REFRESH_TOKEN,
    &s::OAUTH2_CLIENT_AUTH,
    &s::OAUTH2_PARAMETERS,
    &s::OAUTH2_RENEWAL,
];

/// What callers are shown, and what they must show.
static TLS: [&Setting; 3] = [&s::TLS_CERT, &s::TLS_KEY, &s::TLS_CLIENT_CA];
/// Who may call.
static CALLERS: [&Setting; 5] =
    [&s::HOSTS, &s::ADMIN_HOSTS, &s::ALLOW_ORIGINS, &s::CALLER_KEYS, &s::ADMIN_KEYS];

static POLICY: [&Setting; 7] = [
    &s::SESSION_ON_KICK,
    &s::SESSION_YIELD_FOR,
    &s::SESSION_RENEW_MARGIN,
    &s::SESSION_LOGINS_PER_HOUR,
    &s::SESSION_FAILURES_PER_HOUR,
    &s::SESSION_RENEWALS_PER_HOUR,
    &s::SESSION_HOLD_OFF,
];

static GUARDS: [&Setting; 8] = [
    &s::GUARDS_MODE,
    &s::GUARDS_ACCOUNTS,
    &s::GUARDS_SYMBOLS,
    &s::GUARDS_ORDER_TYPES,
    &s::GUARDS_MAX_QUANTITY,
    &s::GUARDS_ORDERS_PER_MINUTE,
    &s::GUARDS_KILL_FILE,
    &s::GUARDS_KILL_CANCELS,
];

#[cfg(test)]
mod tests;
