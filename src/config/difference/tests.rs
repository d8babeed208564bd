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
    use Applies::{AtRestart, ToCallers, ToGuards, ToLog, ToPolicy, ToSource};

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
        (vec![("TRADOVATE_PROXY_GUARDS_MODE", "cancel-only")], vec![("guards.mode", ToGuards)]),
        (vec![("TRADOVATE_PROXY_GUARDS_ACCOUNTS", "DEMO1")], vec![("guards.accounts", ToGuards)]),
        (vec![("TRADOVATE_PROXY_GUARDS_SYMBOLS", "ES*")], vec![("guards.symbols", ToGuards)]),
        (vec![("TRADOVATE_PROXY_GUARDS_ORDER_TYPES", "Limit")], vec![("guards.order-types", ToGuards)]),
        (vec![("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2")], vec![("guards.max-quantity", ToGuards)]),
        (
            vec![("TRADOVATE_PROXY_GUARDS_ORDERS_PER_MINUTE", "9")],
            vec![("guards.orders-per-minute", ToGuards)],
        ),
        (vec![("TRADOVATE_PROXY_GUARDS_KILL_FILE", "/x/kill")], vec![("guards.kill-file", ToGuards)]),
        (vec![("TRADOVATE_PROXY_GUARDS_KILL_CANCELS", "yes")], vec![("guards.kill-cancels", ToGuards)]),
        (vec![("TRADOVATE_PROXY_SESSION_ON_KICK", "yield")], vec![("session.on-kick", ToPolicy)]),
        (vec![("TRADOVATE_PROXY_SESSION_YIELD_FOR", "2h")], vec![("session.yield-for", ToPolicy)]),
        (vec![("TRADOVATE_PROXY_SESSION_RENEW_MARGIN", "5m")], vec![("session.renew-margin", ToPolicy)]),
        (vec![("TRADOVATE_PROXY_SESSION_LOGINS_PER_HOUR", "1")], vec![("session.logins-per-hour", ToPolicy)]),
        (
            vec![("TRADOVATE_PROXY_SESSION_FAILURES_PER_HOUR", "1")],
            vec![("session.failures-per-hour", ToPolicy)],
        ),
        (
            vec![("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "9")],
            vec![("session.renewals-per-hour", ToPolicy)],
        ),
        (vec![("TRADOVATE_PROXY_SESSION_HOLD_OFF", "2h")], vec![("session.hold-off", ToPolicy)]),
        (vec![("TRADOVATE_PROXY_HOSTS", "a.example")], vec![("hosts", ToCallers)]),
        (vec![("TRADOVATE_PROXY_ADMIN_HOSTS", "a.example")], vec![("admin-hosts", ToCallers)]),
        (vec![("TRADOVATE_PROXY_ALLOW_ORIGINS", "app://a")], vec![("allow-origins", ToCallers)]),
        (vec![("TRADOVATE_PROXY_CALLER_KEYS", KEYS)], vec![("caller-keys", ToCallers)]),
        (vec![("TRADOVATE_PROXY_ADMIN_KEYS", KEYS)], vec![("admin-keys", ToCallers)]),
        // The commands' own.
        (vec![("TRADOVATE_PROXY_ADMIN_KEY", "tpk_new")], vec![]),
        (vec![("TRADOVATE_PROXY_UNSAFE_OPEN", "yes")], vec![("unsafe-open", AtRestart)]),
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
fn keys_do_not_go_while_a_listener_needs_them() {
    use Applies::{AtRestart, ToCallers};

    let outside = [("TRADOVATE_PROXY_LISTEN", "0.0.0.0:1"), ("TRADOVATE_PROXY_CALLER_KEYS", KEYS)];
    let running = load(&outside);
    // Back to loopback, and so without keys: allowed at the next start, and not before.
    let home = load(&[]);
    assert_eq!(between(&running, &home), [("listen", AtRestart), ("caller-keys", AtRestart)]);
    let mut adopted = running.clone();
    adopted.adopt(home.clone(), &Difference::between(&running, &home));
    assert_eq!(adopted.callers, running.callers);
    // Another key, or one more, takes effect at once wherever it listens.
    let other = KEYS.replace("desk", "other");
    let rotated = load(&[outside[0], ("TRADOVATE_PROXY_CALLER_KEYS", &other)]);
    assert_eq!(between(&running, &rotated), [("caller-keys", ToCallers)]);
    // Where somebody said that it may stand open, and where only this machine reaches it.
    let open = [("TRADOVATE_PROXY_LISTEN", "0.0.0.0:1"), ("TRADOVATE_PROXY_UNSAFE_OPEN", "yes")];
    let keyed = load(&[open[0], open[1], ("TRADOVATE_PROXY_CALLER_KEYS", KEYS)]);
    assert_eq!(between(&keyed, &load(&open)), [("caller-keys", ToCallers)]);
    let local = load(&[("TRADOVATE_PROXY_CALLER_KEYS", KEYS)]);
    assert_eq!(between(&local, &home), [("caller-keys", ToCallers)]);
}

const KEYS: &str = "desk=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

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
    let groups: [&[&Setting]; 7] = [&SEAT, &SOURCE, &CALLERS, &POLICY, &TLS, &GUARDS, &BUDGET];
    let listed: Vec<_> = groups.concat().iter().map(|setting| setting.key).collect();
    let unique: std::collections::BTreeSet<_> = listed.iter().collect();
    assert_eq!(unique.len(), listed.len());
}
