//! Real files under a clock that stands still but for what a test lets [`pass`] on it: nothing here takes time.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use prometheus::{Registry, TextEncoder};
use tempfile::TempDir;
use tokio::{
    sync::mpsc::Receiver,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{watch::INTERVAL, *};
use crate::{
    auth::{OnKick, fingerprint::FingerprintKey},
    callers::{self, Listener},
    config::{Flags, Purpose},
    guard::Guards,
    telemetry::{Format, adjustable},
};

/// Files, a reload over them, and everything that comes out of it.
struct Stage {
    dir: TempDir,
    changes: Receiver<Change<Source>>,
    registry: Registry,
    log: Arc<Mutex<Vec<u8>>>,
    _logging: tracing::subscriber::DefaultGuard,
}

impl Stage {
    /// A TOML file and a password file, which has been read.
    fn new() -> (Self, Reload) {
        Self::with(|stage| stage.write("password", "canary-one"))
    }

    fn with(password: impl FnOnce(&Self)) -> (Self, Reload) {
        // A callsite that is first reached by a thread without a subscriber, in the moment in which another gets one,
        // stays silent for both. With one for all threads there is no such moment.
        let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(Arc::clone(&log));
        let (subscriber, verbosity) =
            adjustable(&"info".parse().unwrap(), Format::Text, move || writer.clone());
        let (sender, changes) = mpsc::channel(PENDING);
        let stage = Self {
            dir: tempfile::tempdir().unwrap(),
            changes,
            registry: Registry::new(),
            log,
            _logging: tracing::subscriber::set_default(subscriber),
        };
        stage.write_toml("");
        password(&stage);

        let sources = Sources {
            purpose: Purpose::Serve,
            flags: Flags::from_iter([("config", stage.path("proxy.toml").to_str().unwrap().to_owned())]),
            environment: [("TRADOVATE_SEC", "canary-sec")].into_iter().collect(),
        };
        let reading = sources.read();
        let config = reading.config.unwrap();
        let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
        let strangers = callers::Metrics::register(&stage.registry).unwrap();
        let controls = Controls {
            changes: sender,
            seat: source_of(&config).seat(),
            budget: Arc::new(Budget::new(config.budget, clock.clone())),
            tls: None,
            callers: Callers::new(Listener::Proxy, config.callers.clone(), &strangers),
            operators: Callers::new(Listener::Admin, config.operators.clone(), &strangers),
            metrics: Metrics::register(&stage.registry, clock.now()).unwrap(),
            guards: Guards::open(&stage.registry, &clock),
            clock,
        };
        let reload = Reload::new(Launch { config, look: reading.look, sources, verbosity }, controls);
        (stage, reload)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The settings that always are there, and `more`, which may begin with tables of its own.
    fn write_toml(&self, more: &str) {
        let state = self.dir.path().display();
        let password = self.path("password").display().to_string();
        self.write(
            "proxy.toml",
            &format!(
                "state-dir = '{state}'\n{more}\n[credentials]\nname = 'n'\napp-id = 'a'\ncid = 1\n\
                 device-id = 'd'\npassword-file = '{password}'\n"
            ),
        );
    }

    /// The password that a source now sent to the renewer has: one of `known`.
    async fn sent<'k>(&mut self, known: &[&'k str]) -> &'k str {
        let change = timeout(Duration::from_secs(60), self.changes.recv()).await.expect("nothing was sent");
        let Some(Change::Source(source)) = change else { panic!("not a source: {change:?}") };
        let key = FingerprintKey::random();
        let sent = source.fingerprint(&key);
        let is_this = |password: &&&str| source_of(&config_with(password)).fingerprint(&key) == sent;
        known.iter().find(is_this).expect("a password that nobody wrote")
    }

    fn logged(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(log.clone()).unwrap()
    }

    fn counts(&self, line: &str) -> bool {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().any(|other| other == format!("tradovate_proxy_config_{line}"))
    }

    fn nothing_was_sent(&mut self) {
        assert!(self.changes.try_recv().is_err(), "{}", self.logged());
    }
}

/// The same settings as the files give, with this password.
fn config_with(password: &str) -> Config {
    let environment = [
        ("TRADOVATE_NAME", "n"),
        ("TRADOVATE_APP_ID", "a"),
        ("TRADOVATE_CID", "1"),
        ("TRADOVATE_DEVICE_ID", "d"),
        ("TRADOVATE_SEC", "canary-sec"),
        ("TRADOVATE_PASSWORD", password),
    ];
    Config::load(Purpose::Serve, &Flags::default(), &environment.into_iter().collect()).unwrap()
}

fn source_of(config: &Config) -> Source {
    Source::new(config, &Clock::simulated(Timestamp::UNIX_EPOCH)).unwrap()
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Moves the clock. The watcher looks once every [`INTERVAL`] of it, so this is how many looks pass.
async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

fn spawn(reload: Reload) -> JoinHandle<()> {
    tokio::spawn(reload.run(Hangups::listen().unwrap()))
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_changes_is_taken_at_the_second_look() {
    let (mut stage, reload) = Stage::new();
    spawn(reload);
    let begun = Instant::now();
    stage.write("password", "canary-second");
    assert_eq!(stage.sent(&["canary-one", "canary-second"]).await, "canary-second");
    assert_eq!(begun.elapsed(), 2 * INTERVAL);
    assert!(
        stage.logged().contains("credentials.password changed; it is in force now"),
        "{}",
        stage.logged()
    );
    assert!(!stage.logged().contains("canary"), "{}", stage.logged());
    // And not again.
    pass(10 * INTERVAL).await;
    stage.nothing_was_sent();
    assert!(stage.counts("reload_total{result=\"ok\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn half_a_secret_is_never_taken() {
    let (mut stage, reload) = Stage::new();
    spawn(reload);
    let begun = Instant::now();
    // Each part between two looks.
    for part in ["c", "canary", "canary-wh", "canary-whole"] {
        stage.write("password", part);
        pass(INTERVAL).await;
    }
    let taken = stage.sent(&["c", "canary", "canary-wh", "canary-whole"]).await;
    assert_eq!(taken, "canary-whole");
    assert!(begun.elapsed() >= 4 * INTERVAL, "{:?}", begun.elapsed());
    stage.nothing_was_sent();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_for_a_moment_changes_nothing() {
    let (mut stage, reload) = Stage::new();
    spawn(reload);
    pass(INTERVAL / 2).await;
    fs::remove_file(stage.path("password")).unwrap();
    pass(INTERVAL).await;
    stage.write("password", "canary-one");
    pass(10 * INTERVAL).await;
    stage.nothing_was_sent();
    assert!(stage.counts("reload_total{result=\"invalid\"} 0"), "{}", stage.logged());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_stays_away_is_said_once_and_awaited() {
    let (mut stage, reload) = Stage::new();
    spawn(reload);
    fs::remove_file(stage.path("password")).unwrap();
    pass(20 * INTERVAL).await;
    stage.nothing_was_sent();
    assert!(stage.counts("reload_total{result=\"invalid\"} 1"), "{}", stage.logged());
    assert!(stage.counts("last_reload_successful 0"));
    assert!(stage.logged().contains("credentials.password-file: the file"), "{}", stage.logged());
    assert!(stage.logged().contains("goes on with the old one"), "{}", stage.logged());
    stage.write("password", "canary-back");
    assert_eq!(stage.sent(&["canary-one", "canary-back"]).await, "canary-back");
    assert!(stage.counts("last_reload_successful 1"));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_turns_brings_what_it_leads_to() {
    let (mut stage, reload) = Stage::with(|stage| {
        for (directory, password) in [("..1", "canary-one"), ("..2", "canary-second")] {
            fs::create_dir(stage.path(directory)).unwrap();
            stage.write(&format!("{directory}/password"), password);
        }
        symlink("..1", stage.path("..data")).unwrap();
        symlink("..data/password", stage.path("password")).unwrap();
    });
    spawn(reload);
    symlink("..2", stage.path("..data_tmp")).unwrap();
    fs::rename(stage.path("..data_tmp"), stage.path("..data")).unwrap();
    assert_eq!(stage.sent(&["canary-one", "canary-second"]).await, "canary-second");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_named_anew_is_looked_at_twice_too() {
    let (mut stage, reload) = Stage::new();
    spawn(reload);
    stage.write("other", "canary-half");
    let toml = fs::read_to_string(stage.path("proxy.toml")).unwrap();
    stage.write("proxy.toml", &toml.replace("/password'", "/other'"));
    // It is read for the first time now, and counts at the look after.
    pass(2 * INTERVAL + INTERVAL / 2).await;
    stage.nothing_was_sent();
    stage.write("other", "canary-half and the rest");
    let taken = stage.sent(&["canary-one", "canary-half", "canary-half and the rest"]).await;
    assert_eq!(taken, "canary-half and the rest");
}

#[tokio::test(start_paused = true)]
async fn a_hangup_takes_at_once_what_is_there() {
    let (mut stage, mut reload) = Stage::new();
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Unchanged));
    stage.nothing_was_sent();
    stage.write("password", "canary-second");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Ok));
    assert_eq!(stage.sent(&["canary-one", "canary-second"]).await, "canary-second");
    for (outcome, count) in [("ok", 1), ("unchanged", 1), ("invalid", 0)] {
        assert!(stage.counts(&format!("reload_total{{result=\"{outcome}\"}} {count}")), "{outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_while_it_is_read_is_not_taken_whoever_vouches() {
    let (stage, reload) = Stage::new();
    let Reload { mut watch, sources, .. } = reload;
    for vouched in [false, true] {
        let read = sources.read().look;
        stage.write("password", &format!("canary-second {vouched}"));
        assert!(!watch.may_take(&read, vouched).await);
        // Once it rests it may.
        assert!(watch.may_take(&sources.read().look, false).await);
    }
}

#[tokio::test(start_paused = true)]
async fn policy_and_log_change_and_what_cannot_is_reported() {
    let (mut stage, mut reload) = Stage::new();
    stage.write_toml("log = 'error'\nlisten = '127.0.0.1:1'\nsession.on-kick = 'manual'");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Ok));
    let Ok(Change::Policy(policy)) = stage.changes.try_recv() else { panic!("{}", stage.logged()) };
    assert_eq!(policy.on_kick, OnKick::Manual);
    stage.nothing_was_sent();
    for line in [
        "listen changed; it takes effect at the next restart",
        "session.on-kick changed; it is in force now",
        "log changed; it is in force now",
    ] {
        assert!(stage.logged().contains(line), "{}", stage.logged());
    }
    let before = stage.logged();
    tracing::warn!("not an error");
    assert_eq!(stage.logged(), before);
    // Taken back, it is no change any more; only the port had never been taken.
    stage.write_toml("log = 'error'\nsession.on-kick = 'manual'");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Unchanged));
}

#[tokio::test(start_paused = true)]
async fn another_seat_takes_a_restart_with_all_that_belongs_to_it() {
    let (mut stage, mut reload) = Stage::new();
    for more in ["env = 'live'\nlive = true", "upstream-url = 'https://elsewhere.example'"] {
        stage.write_toml(more);
        stage.write("password", &format!("canary of another {}", more.len()));
        assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Ok));
        stage.nothing_was_sent();
        let said = "credentials.password changed; it takes effect at the next restart";
        assert!(stage.logged().contains(said), "{}", stage.logged());
    }
    // Should the table of settings be wrong about a seat, this is the last door.
    reload.controls.seat.push('x');
    stage.write_toml("");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Invalid));
    stage.nothing_was_sent();
    assert!(stage.logged().contains("belong to another user or place"), "{}", stage.logged());
}

#[tokio::test(start_paused = true)]
async fn with_one_problem_nothing_changes_and_no_secret_is_said() {
    let (mut stage, mut reload) = Stage::new();
    stage.write("password", "canary-second");
    stage.write_toml("listen = 'canary@'\nlogg = 'debug'\nsession.on-kick = 'manual'\nx = = 1");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Invalid));
    stage.nothing_was_sent();
    for part in
        ["listen: ", "logg: unknown; did you mean log?", "configuration file: not valid TOML", "advice="]
    {
        assert!(stage.logged().contains(part), "no {part:?} in {}", stage.logged());
    }
    assert!(!stage.logged().contains("canary"), "{}", stage.logged());
    stage.write_toml("");
    assert_eq!(reload.reload(Occasion::Hangup).await, Some(Outcome::Ok));
    assert_eq!(stage.sent(&["canary-second"]).await, "canary-second");
}
