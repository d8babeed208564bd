//! Whole configurations: precedence, every problem at once, and nothing secret in any output.

mod listeners;
mod other_api;

use std::{fs, path::Path};

use secrecy::ExposeSecret as _;

use super::*;
use crate::auth::StoreKey;

const LOGIN: [(&str, &str); 5] = [
    ("TRADOVATE_NAME", "somebody"),
    ("TRADOVATE_PASSWORD", "canary-password"),
    ("TRADOVATE_APP_ID", "my app"),
    ("TRADOVATE_CID", "8"),
    ("TRADOVATE_SEC", "canary-sec"),
];

fn environment(more: &[(&str, &str)]) -> Environment {
    LOGIN.iter().chain(more).copied().collect()
}

fn load(flags: &[(&'static str, &str)], environment: &Environment) -> Result<Config, ConfigErrors> {
    let flags = flags.iter().map(|&(flag, value)| (flag, value.to_owned())).collect();
    Config::load(Purpose::Serve, &flags, environment)
}

fn login(config: Config) -> Credentials {
    match config.source {
        Some(TokenSource::Tradovate(credentials)) => credentials,
        other => panic!("not a login: {other:?}"),
    }
}

fn faults(environment: &Environment) -> String {
    load(&[], environment).expect_err("must be refused").to_string()
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt as _;

    let path = dir.join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_login_is_all_that_must_be_set() {
    let config = load(&[], &environment(&[])).unwrap();
    assert_eq!(config.environment, tradovate::Environment::Demo);
    assert_eq!(config.listening.callers.to_string(), "127.0.0.1:8080");
    assert_eq!(config.listening.admin.to_string(), "127.0.0.1:9464");
    assert_eq!(config.limits, proxy::Limits::default());
    assert_eq!(config.timeouts, proxy::Timeouts::default());
    assert_eq!(config.upstream_timeouts, upstream::Timeouts::default());
    let credentials = login(config);
    assert_eq!((credentials.cid, credentials.app_version.as_str()), (8, "1.0"));
    assert_eq!(credentials.sec.expose_secret(), "canary-sec");
    assert_eq!(credentials.device_id, None);
}

#[test]
fn every_setting_of_the_table_is_read_and_shown() {
    let config = load(&[], &environment(&[])).unwrap();
    let shown = config.redacted();
    for setting in SETTINGS.iter() {
        let line = shown.lines().filter(|line| line.split_whitespace().next() == Some(setting.key));
        assert_eq!(line.count(), 1, "{} in:\n{shown}", setting.key);
    }
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
    let dir = tempfile::tempdir().unwrap();
    let toml =
        "listen = '127.0.0.1:3'\ndrain-timeout = '3s'\n[limits]\nbody-bytes = '3KiB'\nconnections = 3\n";
    let path = file(dir.path(), "proxy.toml", toml);
    let environment = environment(&[
        ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:2"),
        ("TRADOVATE_PROXY_DRAIN_TIMEOUT", "2s"),
        ("TRADOVATE_PROXY_LIMIT_BODY_BYTES", "2KiB"),
    ]);
    let config = load(&[("listen", "127.0.0.1:1"), ("config", &path)], &environment).unwrap();
    assert_eq!(config.listening.callers.to_string(), "127.0.0.1:1");
    assert_eq!(config.drain, Duration::from_secs(2));
    assert_eq!((config.limits.body_bytes, config.limits.connections), (2048, 3));
    assert_eq!(config.limits.head_bytes, proxy::Limits::default().head_bytes);
    let shown = config.redacted();
    for (key, text) in [
        ("listen", "127.0.0.1:1  (command line)"),
        ("drain-timeout", "2s  (environment)"),
        ("limits.connections", &format!("3  ({path}:5)")),
        ("limits.head-bytes", "16KiB  (default)"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap();
        assert!(line.ends_with(&format!("= {text}")), "{line}");
    }
}

#[test]
fn each_timeout_and_limit_reaches_its_own_field() {
    let names = [
        "TIMEOUT_REQUEST_HEAD",
        "TIMEOUT_DOWNSTREAM_IDLE",
        "TIMEOUT_KEEP_ALIVE",
        "TIMEOUT_TOKEN",
        "TIMEOUT_CONNECT",
        "TIMEOUT_TLS",
        "TIMEOUT_RESPONSE_HEAD",
        "TIMEOUT_UPSTREAM_IDLE",
        "TIMEOUT_POOL_IDLE",
    ];
    let mut environment = environment(&[("TRADOVATE_PROXY_LIMIT_HEAD_BYTES", "2KiB")]);
    for (seconds, name) in names.iter().enumerate() {
        environment.insert(format!("TRADOVATE_PROXY_{name}"), format!("{}s", seconds + 1));
    }
    environment.insert("TRADOVATE_PROXY_LIMIT_CONCURRENT_REQUESTS", "7");
    environment.insert("TRADOVATE_PROXY_UPSTREAM_WARM", "5");
    let config = load(&[], &environment).unwrap();
    let (t, u) = (config.timeouts, config.upstream_timeouts);
    let read = [
        t.head,
        t.body_idle,
        t.keep_alive,
        t.token,
        u.connect,
        u.tls,
        u.response_head,
        u.body_idle,
        u.pool_idle,
    ];
    assert_eq!(read.map(|span| span.as_secs()), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!((config.limits.head_bytes, config.limits.concurrent_requests), (2048, 7));
    assert_eq!(config.upstream_warm, 5);
}

#[test]
fn secrets_come_from_files_without_their_last_newline() {
    let dir = tempfile::tempdir().unwrap();
    let sec = file(dir.path(), "sec", "from a file\r\n");
    let password = file(dir.path(), "password", "named in the TOML\n");
    let toml = format!("[credentials]\npassword-file = '{password}'\nname = 'n'\n");
    let toml = file(dir.path(), "proxy.toml", &toml);
    let environment = [
        ("TRADOVATE_SEC_FILE", sec.as_str()),
        ("TRADOVATE_PROXY_CONFIG", &toml),
        ("TRADOVATE_APP_ID", "a"),
        ("TRADOVATE_CID", "1"),
    ];
    let credentials = login(load(&[], &environment.into_iter().collect()).unwrap());
    assert_eq!(credentials.sec.expose_secret(), "from a file");
    assert_eq!(credentials.password.expose_secret(), "named in the TOML");
    assert_eq!(credentials.name, "n");
}

#[test]
fn a_file_that_gives_no_secret_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = file(dir.path(), "empty", "\n");
    let lines = file(dir.path(), "lines", "canary\nagain\n");
    let text = faults(&environment(&[("TRADOVATE_SEC_FILE", &empty)]));
    assert!(text.contains("TRADOVATE_SEC (environment): set together with TRADOVATE_SEC_FILE"), "{text}");
    let mut environment = environment(&[
        ("TRADOVATE_SEC_FILE", &empty),
        ("TRADOVATE_PASSWORD_FILE", "/nowhere/at/all"),
        ("TRADOVATE_NAME_FILE", &lines),
    ]);
    for name in ["TRADOVATE_SEC", "TRADOVATE_PASSWORD", "TRADOVATE_NAME"] {
        environment.remove(name);
    }
    let text = faults(&environment);
    for expected in [
        "3 problems with the configuration:",
        &format!("TRADOVATE_SEC_FILE (file {empty}): set, but empty"),
        "TRADOVATE_PASSWORD_FILE (environment): the file /nowhere/at/all cannot be read: ",
        &format!("TRADOVATE_NAME_FILE (file {lines}): more than one line"),
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    assert!(!text.contains("canary"));
}

#[test]
fn a_secret_that_others_can_read_is_told_and_not_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let (sec, name) = (file(dir.path(), "sec", "canary"), file(dir.path(), "name", "n"));
    let mut environment = environment(&[("TRADOVATE_SEC_FILE", &sec), ("TRADOVATE_NAME_FILE", &name)]);
    environment.remove("TRADOVATE_SEC");
    environment.remove("TRADOVATE_NAME");
    assert!(load(&[], &environment).unwrap().exposed().is_empty());
    for path in [&sec, &name] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let config = load(&[], &environment).unwrap();
    // A name is no secret.
    let [exposed] = config.exposed() else { panic!("{:?}", config.exposed()) };
    assert_eq!(
        exposed.to_string(),
        format!(
            "TRADOVATE_SEC_FILE: others can read the secret in {sec} (its mode is 640); run: chmod 600 {sec}"
        )
    );
}

#[test]
fn the_store_is_a_file_in_clear_or_encrypted_or_memory() {
    let key = "0123456789abcdef".repeat(4);
    let store = |more: &[(&str, &str)]| load(&[], &environment(more)).unwrap().store;
    assert!(matches!(store(&[]), Store::File { key: None, lock_wait: Duration::ZERO }));
    let Store::File { key: Some(read), lock_wait } =
        store(&[("TRADOVATE_PROXY_SESSION_STORE_KEY", &key), ("TRADOVATE_PROXY_SESSION_LOCK_WAIT", "30s")])
    else {
        panic!("no key")
    };
    assert_eq!((read.id(), lock_wait), (StoreKey::parse(&key).unwrap().id(), Duration::from_secs(30)));
    assert!(matches!(store(&[("TRADOVATE_PROXY_SESSION_STORE", "memory")]), Store::Memory));

    for bad in [&key[1..], &key.replacen('f', "canary", 1), &key.replacen('f', "g", 1)] {
        let text = faults(&environment(&[
            ("TRADOVATE_PROXY_SESSION_STORE_KEY", bad),
            ("TRADOVATE_PROXY_SESSION_STORE", "redis"),
        ]));
        for expected in [
            "2 problems",
            "TRADOVATE_PROXY_SESSION_STORE_KEY (environment): not 64 hexadecimal digits: make a key with openssl",
            "\"redis\" is wrong: not one of: file, memory",
        ] {
            assert!(text.contains(expected), "no {expected:?} in:\n{text}");
        }
        assert!(!text.contains(&bad[1..9]), "{text}");
    }
    // The simulation's session ends with it, whatever is set.
    let sandbox = environment(&[("TRADOVATE_PROXY_SESSION_STORE_KEY", "none")]);
    let sandbox = Config::load(Purpose::Sandbox, &Flags::default(), &sandbox).unwrap();
    assert!(matches!(sandbox.store, Store::Memory));
}

#[test]
fn every_problem_is_reported_at_once_with_what_to_do() {
    let environment: Environment = [
        ("TRADOVATE_PROXY_ENV", "live"),
        ("TRADOVATE_PROXY_LISTEN", "0.0.0.0:8080"),
        ("TRADOVATE_PROXY_ADMIN_LISTEN", "localhost:9464"),
        ("TRADOVATE_PROXY_TIMEOUT_CONECT", "5s"),
        ("TRADOVATE_PROXY_TIMEOUT_TLS", "5"),
        ("TRADOVATE_PROXY_IDEMPOTENCY_MAX_AGE", "0s"),
        ("TRADOVATE_PROXY_UPSTREAM_URL", "http://example.com"),
        ("TRADOVATE_PROXY_UPSTREAM_CA", "/nowhere.pem"),
        ("TRADOVATE_PROXY_LOG", "inof"),
        ("TRADOVATE_PROXY_LOG_FORMAT", ""),
        ("TRADOVATE_PASWORD", "canary"),
        ("TRADOVATE_CID", "canary"),
    ]
    .into_iter()
    .collect();
    let text = faults(&environment);
    for expected in [
        "TRADOVATE_NAME: missing, and needed to log in\n    what you sign in with at",
        "TRADOVATE_PASSWORD: missing",
        "TRADOVATE_APP_ID: missing, and needed to log in\n    from Tradovate's Application Settings",
        "(TOML key: credentials.sec)",
        "TRADOVATE_CID (environment): not a whole number",
        "TRADOVATE_PROXY_ENV (environment): live means real money",
        "TRADOVATE_PROXY_LIVE=yes",
        "TRADOVATE_PROXY_LISTEN (environment): 0.0.0.0:8080 can be reached from outside",
        "use 127.0.0.1:8080, and run the callers on the same machine or in the same network namespace",
        "TRADOVATE_PROXY_UNSAFE_OPEN=yes",
        "TRADOVATE_PROXY_ADMIN_LISTEN (environment): \"localhost:9464\" is wrong: not an address and a port",
        "TRADOVATE_PROXY_TIMEOUT_CONECT (environment): unknown; did you mean TRADOVATE_PROXY_TIMEOUT_CONNECT?",
        "TRADOVATE_PROXY_TIMEOUT_TLS (environment): \"5\" is wrong: not a duration",
        "TRADOVATE_PROXY_IDEMPOTENCY_MAX_AGE (environment): \"0s\" is wrong: shorter than 60s",
        "\"http://example.com\" is wrong: plain http is for loopback addresses only",
        "\"/nowhere.pem\" is wrong: the file cannot be read: entity not found",
        "\"inof\" is wrong: not a level",
        "TRADOVATE_PROXY_LOG_FORMAT (environment): set, but empty",
        "TRADOVATE_PASWORD (environment): unknown; did you mean TRADOVATE_PASSWORD?",
        "16 problems",
    ] {
        assert!(text.contains(expected), "no {expected:?} in:\n{text}");
    }
    assert!(!text.contains("canary"), "{text}");
}

#[test]
fn live_and_open_listeners_need_their_confirmation() {
    let live = environment(&[("TRADOVATE_PROXY_ENV", "live"), ("TRADOVATE_PROXY_LIVE", "yes")]);
    assert_eq!(load(&[], &live).unwrap().environment, tradovate::Environment::Live);
    for value in ["no", "1", "YES"] {
        let live = environment(&[("TRADOVATE_PROXY_ENV", "live"), ("TRADOVATE_PROXY_LIVE", value)]);
        assert!(load(&[], &live).is_err(), "{value}");
    }
    for url in ["https://live.tradovateapi.com/v1", "https://LIVE-7.tradovateapi.com"] {
        let disguised = environment(&[("TRADOVATE_PROXY_UPSTREAM_URL", url)]);
        assert!(faults(&disguised).contains("real money"), "{url}");
    }
    for open in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1", "[::ffff:10.0.0.1]:1"] {
        let closed = environment(&[("TRADOVATE_PROXY_ADMIN_LISTEN", open)]);
        assert!(faults(&closed).contains("TRADOVATE_PROXY_ADMIN_LISTEN"), "{open}");
        let opened =
            environment(&[("TRADOVATE_PROXY_ADMIN_LISTEN", open), ("TRADOVATE_PROXY_UNSAFE_OPEN", "yes")]);
        assert!(load(&[], &opened).is_ok(), "{open}");
    }
    for inside in ["127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(load(&[("listen", inside)], &environment(&[])).is_ok(), "{inside}");
    }
    let text = load(&[("listen", "127.0.0.1:9464")], &environment(&[])).unwrap_err().to_string();
    assert!(text.contains("TRADOVATE_PROXY_LISTEN listens on 127.0.0.1:9464 too"), "{text}");
    assert!(load(&[("listen", "127.0.0.1:0"), ("admin-listen", "127.0.0.1:0")], &environment(&[])).is_ok());
}

#[test]
fn nothing_prints_a_secret() {
    let config = load(&[], &environment(&[])).unwrap();
    let text = format!("{}{config:?}{:?}", config.redacted(), environment(&[]));
    assert!(!text.contains("canary"), "{text}");
    assert!(text.contains("set (hidden)  (environment)"), "{text}");
    // A password in a URL is refused, and not repeated.
    let text = faults(&environment(&[("TRADOVATE_PROXY_UPSTREAM_URL", "https://me:canary@example.com")]));
    assert!(text.contains("a user name has no place") && !text.contains("canary"), "{text}");
}

#[test]
fn the_sandbox_leaves_the_real_login_alone() {
    let environment: Environment = [
        ("TRADOVATE_PROXY_ENV", "live"),
        ("TRADOVATE_CID", "not a number"),
        ("TRADOVATE_PROXY_UPSTREAM_URL", "nonsense"),
        ("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "5"),
    ]
    .into_iter()
    .collect();
    let config = Config::load(Purpose::Sandbox, &Flags::default(), &environment).unwrap();
    assert_eq!((config.environment, config.upstream), (tradovate::Environment::Demo, None));
    assert!(config.source.is_none());
    assert_eq!(config.limits.connections, 5);
}

#[test]
fn a_health_check_needs_its_address_only() {
    let broken: Environment =
        [("TRADOVATE_PROXY_LISTEN", "x"), ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:7")]
            .into_iter()
            .collect();
    assert_eq!(Desk::find(&Flags::default(), &broken).unwrap().address.to_string(), "127.0.0.1:7");
    let broken = [("TRADOVATE_PROXY_ADMIN_LISTEN", "x")].into_iter().collect();
    assert!(Desk::find(&Flags::default(), &broken).is_err());
}

#[test]
fn values_that_are_no_text_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;

    let mut environment = environment(&[]);
    environment.insert("TRADOVATE_PASSWORD", std::ffi::OsString::from_vec(vec![0xff]));
    assert!(faults(&environment).contains("TRADOVATE_PASSWORD (environment): not valid UTF-8"));
}

#[test]
fn a_certificate_file_must_hold_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let pair = file(dir.path(), "pair.pem", &format!("{one}{one}"));
    let config = load(&[("upstream-ca", &pair)], &environment(&[])).unwrap();
    assert_eq!(config.upstream_ca, [made.cert.der().clone(), made.cert.der().clone()]);
    for (name, text) in [("key.pem", key.as_str()), ("text.pem", "hello"), ("cut.pem", &one[..one.len() / 2])]
    {
        let path = file(dir.path(), name, text);
        let text = load(&[("upstream-ca", &path)], &environment(&[])).unwrap_err().to_string();
        assert!(text.contains("no usable PEM certificate"), "{text}");
    }
}
