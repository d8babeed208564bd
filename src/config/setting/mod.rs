//! What one setting is, and the table of all of them, a file for each group.

/// Declares a group of settings and collects them, so that none can be left out of the table.
macro_rules! settings {
    ($group:ident: $($name:ident = $setting:expr;)*) => {
        $(pub(in crate::config) static $name: Setting = $setting;)*

        pub(super) static $group: &[&Setting] = &[$(&$name),*];
    };
}

mod audit;
mod budget;
mod callers;
mod credentials;
mod guards;
mod idempotency;
mod limits;
mod listeners;
mod oauth2;
mod process;
mod session;
mod timeouts;
mod upstream;

use std::{fmt, path::Path, sync::LazyLock};

pub(super) use self::{
    audit::{AUDIT_DIR, AUDIT_FSYNC, AUDIT_KEEP, AUDIT_KEY, AUDIT_LOG, AUDIT_ON_FAILURE, AUDIT_ROTATE_SIZE},
    budget::{
        BUDGET_HOLD, BUDGET_HOLD_CANCELS, BUDGET_PER_HOUR, BUDGET_PER_MINUTE, BUDGET_RESERVE, BUDGET_WARN_AT,
    },
    callers::{
        ADMIN_HOSTS, ADMIN_KEY, ADMIN_KEYS, ADMIN_LISTEN, ALLOW_ORIGINS, CALLER_KEYS, CONTENT_TYPES, HOSTS,
        LISTEN, UNSAFE_OPEN,
    },
    credentials::{APP_ID, APP_VERSION, CID, DEVICE_ID, NAME, PASSWORD, SEC, TOKEN},
    guards::{
        GUARDS_ACCOUNTS, GUARDS_KILL_CANCELS, GUARDS_KILL_FILE, GUARDS_MAX_QUANTITY, GUARDS_MODE,
        GUARDS_ORDER_TYPES, GUARDS_ORDERS_PER_MINUTE, GUARDS_SYMBOLS,
    },
    idempotency::{IDEMPOTENCY_ANSWER_BYTES, IDEMPOTENCY_ENTRIES, IDEMPOTENCY_MAX_AGE},
    limits::{
        LIMIT_BODY_BYTES, LIMIT_BUFFERED_BYTES, LIMIT_CONCURRENT_REQUESTS, LIMIT_CONNECTIONS,
        LIMIT_HEAD_BYTES,
    },
    listeners::{ADMIN_TLS, SOCKET_MODE, SOCKET_USERS, TLS_CERT, TLS_CLIENT_CA, TLS_KEY},
    oauth2::{
        OAUTH2_CLIENT_AUTH, OAUTH2_CLIENT_ID, OAUTH2_CLIENT_SECRET, OAUTH2_PARAMETERS, OAUTH2_REFRESH_TOKEN,
        OAUTH2_RENEWAL, OAUTH2_TOKEN_URL,
    },
    process::{CONFIG, DRAIN_TIMEOUT, LOG, LOG_FORMAT, STATE_DIR, WORKERS},
    session::{
        SESSION_FAILURES_PER_HOUR, SESSION_HOLD_OFF, SESSION_LOCK_WAIT, SESSION_LOGINS_PER_HOUR,
        SESSION_ON_KICK, SESSION_RENEW_MARGIN, SESSION_RENEWALS_PER_HOUR, SESSION_STORE, SESSION_STORE_KEY,
        SESSION_YIELD_FOR,
    },
    timeouts::{
        TIMEOUT_CONNECT, TIMEOUT_DOWNSTREAM_IDLE, TIMEOUT_KEEP_ALIVE, TIMEOUT_POOL_IDLE,
        TIMEOUT_REQUEST_BODY, TIMEOUT_REQUEST_HEAD, TIMEOUT_RESPONSE_HEAD, TIMEOUT_TLS, TIMEOUT_TOKEN,
        TIMEOUT_UPSTREAM_IDLE,
    },
    upstream::{
        API, ENV, LIVE, SOURCE, TRUSTED_HOSTS, UPSTREAM_CA, UPSTREAM_HTTP2, UPSTREAM_URL, UPSTREAM_WARM,
    },
};

/// One setting: the single place from which its environment variable, TOML key, flag, help line and row in the
/// README are made.
#[derive(Debug)]
pub struct Setting {
    /// The TOML key; a dot stands for a table.
    pub key: &'static str,
    /// The environment variable.
    pub env: &'static str,
    /// The command-line flag, with its dashes.
    pub flag: Option<&'static str>,
    /// What the value looks like, for help.
    pub form: &'static str,
    /// What applies where nothing is set.
    pub default: Preset,
    /// How carefully the value is handled.
    pub kind: Kind,
    /// What it does, in one line of markdown.
    pub what: &'static str,
}

impl Setting {
    /// The variable that names a file to read the value from, for settings that have one.
    pub fn file_env(&self) -> Option<String> {
        self.is_credential().then(|| format!("{}_FILE", self.env))
    }

    /// The TOML key that names a file to read the value from, for settings that have one.
    pub fn file_key(&self) -> Option<String> {
        self.is_credential().then(|| format!("{}-file", self.key))
    }

    /// Whether the value may not be repeated in an error: a secret put into the wrong variable is one still.
    pub fn is_credential(&self) -> bool {
        match self.kind {
            Kind::Plain => false,
            Kind::Credential | Kind::Digests | Kind::Secret => true,
        }
    }

    /// The short name, as clap knows the flag: without dashes.
    pub fn flag_name(&self) -> Option<&'static str> {
        self.flag.map(|flag| flag.trim_start_matches('-'))
    }
}

/// What applies where a setting is not set.
#[derive(Clone, Copy)]
pub enum Preset {
    /// A value, written as a user would.
    Text(&'static str),
    /// A value that belongs to another module's `Default`.
    Of(fn() -> String),
    /// No fixed value: what happens instead, in words.
    Words(&'static str),
}

impl Preset {
    /// The value, written as a user would; `None` if there is no fixed one.
    pub fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.to_owned()),
            Self::Of(text) => Some(text()),
            Self::Words(_) => None,
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Words(text) => f.write_str(text),
            Self::Of(text) => f.write_str(&text()),
        }
    }
}

impl fmt::Debug for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How carefully a value is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Shown anywhere.
    Plain,
    /// Part of the login: shown by `check`, never repeated in an error, and may come from a file.
    Credential,
    /// What recognises the secrets of others: not shown, since a secret may stand there by mistake. In a file it has an
    /// entry a line, and comments.
    Digests,
    /// A credential that nothing ever shows, and that leaves the environment once read.
    Secret,
}

/// Every setting, in the order of the README.
pub static SETTINGS: LazyLock<Vec<&'static Setting>> = LazyLock::new(|| {
    [
        credentials::CREDENTIALS,
        upstream::UPSTREAM,
        callers::CALLERS,
        listeners::LISTENERS,
        guards::GUARDS,
        process::PROCESS,
        session::SESSION,
        audit::AUDIT,
        oauth2::OAUTH2,
        budget::BUDGET,
        idempotency::IDEMPOTENCY,
        limits::LIMITS,
        timeouts::TIMEOUTS,
    ]
    .concat()
});

/// Where the state lives when nothing says otherwise: `XDG_STATE_HOME` if it is absolute, as its specification
/// demands; else below the home directory; else (Docker gives users without a home `/`) the system's place.
pub(super) fn default_state_dir(xdg_state_home: Option<&Path>, home: Option<&Path>) -> std::path::PathBuf {
    let xdg = xdg_state_home.filter(|path| path.is_absolute());
    let home = home.filter(|path| path.is_absolute() && path.parent().is_some());
    match (xdg, home) {
        (Some(xdg), _) => xdg.join(DIRECTORY),
        (None, Some(home)) => home.join(".local/state").join(DIRECTORY),
        (None, None) => Path::new("/var/lib").join(DIRECTORY),
    }
}

const DIRECTORY: &str = "tradovate-proxy";

const fn plain(
    key: &'static str,
    env: &'static str,
    form: &'static str,
    default: Preset,
    what: &'static str,
) -> Setting {
    Setting { key, env, flag: None, form, default, kind: Kind::Plain, what }
}

const fn flagged(
    key: &'static str,
    env: &'static str,
    flag: &'static str,
    form: &'static str,
    default: Preset,
    what: &'static str,
) -> Setting {
    Setting { key, env, flag: Some(flag), form, default, kind: Kind::Plain, what }
}

const fn credential(key: &'static str, env: &'static str, kind: Kind, what: &'static str) -> Setting {
    Setting {
        key,
        env,
        flag: None,
        form: "TEXT",
        default: Preset::Words("required by `tradovate`"),
        kind,
        what,
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf};

    use super::*;

    #[test]
    fn names_follow_one_rule_and_are_unique() {
        let mut names = BTreeSet::new();
        for setting in SETTINGS.iter() {
            assert!(names.insert(setting.env), "{setting:?}");
            assert!(names.insert(setting.key), "{setting:?}");
            let stem = setting.key.replace("limits.", "limit.").replace("timeouts.", "timeout.");
            let stem = stem.replace(['.', '-'], "_").to_uppercase();
            let env = match stem.strip_prefix("CREDENTIALS_") {
                Some(name) => format!("TRADOVATE_{name}"),
                None => format!("TRADOVATE_PROXY_{stem}"),
            };
            assert_eq!(setting.env, env);
            if let Some(flag) = setting.flag {
                assert_eq!(flag, format!("--{}", setting.key));
            }
        }
    }

    #[test]
    fn the_state_directory_has_a_default_everywhere() {
        let dir = |xdg: Option<&str>, home: Option<&str>| {
            default_state_dir(xdg.map(Path::new), home.map(Path::new))
        };
        assert_eq!(dir(Some("/x"), Some("/home/u")), PathBuf::from("/x/tradovate-proxy"));
        assert_eq!(dir(Some("x"), Some("/home/u")), PathBuf::from("/home/u/.local/state/tradovate-proxy"));
        for homeless in [None, Some("/"), Some("")] {
            assert_eq!(dir(None, homeless), PathBuf::from("/var/lib/tradovate-proxy"));
        }
    }
}
