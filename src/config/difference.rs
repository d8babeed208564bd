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
            values,
            environment: _,
            listen: _,
            admin_listen: _,
            admin_hosts: _,
            upstream: _,
            upstream_ca: _,
            upstream_http2: _,
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
        if difference.has(Applies::ToLog) {
            *log = new.log;
        }
        let is_adopted =
            |key| difference.settings().any(|change| change.0 == key && change.1 != Applies::AtRestart);
        values.retain(|value| !is_adopted(value.setting.key));
        values.extend(new.values.into_iter().filter(|value| is_adopted(value.setting.key)));
    }

    fn differs_in(&self, setting: &Setting, new: &Self) -> bool {
        self.text(setting) != new.text(setting)
            // The same file, with other certificates in it.
            || setting.key == s::UPSTREAM_CA.key && self.upstream_ca != new.upstream_ca
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
    } else if is_in(&POLICY, setting) {
        Applies::ToPolicy
    } else if is_in(&SOURCE, setting) {
        Applies::ToSource
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

static POLICY: [&Setting; 7] = [
    &s::SESSION_ON_KICK,
    &s::SESSION_YIELD_FOR,
    &s::SESSION_RENEW_MARGIN,
    &s::SESSION_LOGINS_PER_HOUR,
    &s::SESSION_FAILURES_PER_HOUR,
    &s::SESSION_RENEWALS_PER_HOUR,
    &s::SESSION_HOLD_OFF,
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Environment, Flags, Purpose, TokenSource};

    fn load(more: &[(&str, &str)]) -> Config {
        let login = [
            ("TRADOVATE_NAME", "somebody"),
            ("TRADOVATE_PASSWORD", "canary-password"),
            ("TRADOVATE_APP_ID", "my app"),
            ("TRADOVATE_CID", "8"),
            ("TRADOVATE_SEC", "canary-sec"),
        ];
        let environment: Environment = login.iter().chain(more).copied().collect();
        Config::load(Purpose::Serve, &Flags::default(), &environment).unwrap()
    }

    fn password(config: &Config) -> &str {
        match &config.source {
            Some(TokenSource::Tradovate(credentials)) => credentials.password.expose_secret(),
            other => panic!("{other:?}"),
        }
    }

    fn between(running: &Config, new: &Config) -> Vec<(&'static str, Applies)> {
        Difference::between(running, new).settings().collect()
    }

    #[test]
    fn each_change_takes_effect_where_it_can() {
        use Applies::{AtRestart, ToLog, ToPolicy, ToSource};

        let running = load(&[]);
        for (changes, expected) in [
            (vec![], vec![]),
            (vec![("TRADOVATE_PASSWORD", "new")], vec![("credentials.password", ToSource)]),
            (vec![("TRADOVATE_SEC", "new")], vec![("credentials.sec", ToSource)]),
            (vec![("TRADOVATE_APP_ID", "new")], vec![("credentials.app-id", ToSource)]),
            (vec![("TRADOVATE_APP_VERSION", "2.0")], vec![("credentials.app-version", ToSource)]),
            (vec![("TRADOVATE_DEVICE_ID", "new")], vec![("credentials.device-id", ToSource)]),
            (vec![("TRADOVATE_CID", "9")], vec![("credentials.cid", ToSource)]),
            (vec![("TRADOVATE_PROXY_LOG", "debug")], vec![("log", ToLog)]),
            (vec![("TRADOVATE_PROXY_SESSION_ON_KICK", "yield")], vec![("session.on-kick", ToPolicy)]),
            (vec![("TRADOVATE_PROXY_SESSION_YIELD_FOR", "2h")], vec![("session.yield-for", ToPolicy)]),
            (vec![("TRADOVATE_PROXY_SESSION_RENEW_MARGIN", "5m")], vec![("session.renew-margin", ToPolicy)]),
            (
                vec![("TRADOVATE_PROXY_SESSION_LOGINS_PER_HOUR", "1")],
                vec![("session.logins-per-hour", ToPolicy)],
            ),
            (
                vec![("TRADOVATE_PROXY_SESSION_FAILURES_PER_HOUR", "1")],
                vec![("session.failures-per-hour", ToPolicy)],
            ),
            (
                vec![("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "9")],
                vec![("session.renewals-per-hour", ToPolicy)],
            ),
            (vec![("TRADOVATE_PROXY_SESSION_HOLD_OFF", "2h")], vec![("session.hold-off", ToPolicy)]),
            (vec![("TRADOVATE_NAME", "other")], vec![("credentials.name", AtRestart)]),
            (vec![("TRADOVATE_PROXY_LISTEN", "127.0.0.1:1")], vec![("listen", AtRestart)]),
            (vec![("TRADOVATE_PROXY_LOG_FORMAT", "json")], vec![("log-format", AtRestart)]),
            (vec![("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "7")], vec![("limits.connections", AtRestart)]),
            (vec![("TRADOVATE_PROXY_TRUSTED_HOSTS", "a.example")], vec![("trusted-hosts", AtRestart)]),
            // The default, said aloud.
            (vec![("TRADOVATE_PROXY_LISTEN", "127.0.0.1:8080")], vec![]),
            // Each where it belongs, in the order of the table.
            (
                vec![
                    ("TRADOVATE_PROXY_LOG", "debug"),
                    ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:1"),
                    ("TRADOVATE_PASSWORD", "new"),
                ],
                vec![("credentials.password", ToSource), ("listen", AtRestart), ("log", ToLog)],
            ),
        ] {
            assert_eq!(between(&running, &load(&changes)), expected, "{changes:?}");
            // And back again.
            assert_eq!(between(&load(&changes), &running), expected, "{changes:?}");
        }
    }

    #[test]
    fn credentials_that_come_with_another_seat_wait_with_it() {
        let running = load(&[]);
        for (name, value) in [
            ("TRADOVATE_NAME", "other"),
            ("TRADOVATE_PROXY_UPSTREAM_URL", "https://elsewhere.example"),
            ("TRADOVATE_PROXY_LIVE", "yes"),
        ] {
            let new = load(&[(name, value), ("TRADOVATE_PASSWORD", "new"), ("TRADOVATE_PROXY_LOG", "debug")]);
            let difference = Difference::between(&running, &new);
            assert!(!difference.has(Applies::ToSource) && difference.has(Applies::ToLog), "{difference:?}");
            let waiting = difference.settings().filter(|(_, at)| *at == Applies::AtRestart).count();
            assert_eq!(waiting, 2, "{difference:?}");
            let mut adopted = running.clone();
            adopted.adopt(new, &difference);
            assert_eq!(password(&adopted), "canary-password");
        }
    }

    #[test]
    fn what_is_adopted_differs_no_more_and_what_waits_still_does() {
        let mut running = load(&[]);
        let read = || {
            load(&[
                ("TRADOVATE_PASSWORD", "new"),
                ("TRADOVATE_PROXY_LOG", "debug"),
                ("TRADOVATE_PROXY_SESSION_ON_KICK", "manual"),
                ("TRADOVATE_PROXY_WORKERS", "3"),
            ])
        };
        let difference = Difference::between(&running, &read());
        running.adopt(read(), &difference);
        assert_eq!(between(&running, &read()), [("workers", Applies::AtRestart)]);
        assert_eq!(password(&running), "new");
        assert_eq!(running.log.to_string(), "debug");
        assert_eq!(running.policy, read().policy);
        assert_ne!(running.workers.get(), 0);
        assert_eq!(running.redacted().lines().count(), read().redacted().lines().count());
    }

    #[test]
    fn other_certificates_under_the_same_name_are_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let write = || {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            fs::write(&path, made.cert.pem()).unwrap();
            load(&[("TRADOVATE_PROXY_UPSTREAM_CA", path.to_str().unwrap())])
        };
        let (running, new) = (write(), write());
        assert_eq!(between(&running, &new), [("upstream-ca", Applies::AtRestart)]);
    }

    #[test]
    fn a_difference_shows_no_secret() {
        let new = load(&[("TRADOVATE_PASSWORD", "canary-2"), ("TRADOVATE_SEC", "canary-3")]);
        let difference = Difference::between(&load(&[]), &new);
        assert!(!format!("{difference:?}{new:?}").contains("canary"));
    }

    #[test]
    fn no_setting_is_in_two_places() {
        let listed: Vec<_> = SEAT.iter().chain(&SOURCE).chain(&POLICY).map(|setting| setting.key).collect();
        let unique: std::collections::BTreeSet<_> = listed.iter().collect();
        assert_eq!(unique.len(), listed.len());
    }
}
