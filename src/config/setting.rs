//! What one setting is, and the table of all of them.

use std::{fmt, path::Path};

use crate::{
    auth::RenewalPolicy,
    config::value::{duration_text, size_text},
    proxy, upstream,
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
            Kind::Credential | Kind::Secret => true,
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
    /// A credential that nothing ever shows, and that leaves the environment once read.
    Secret,
}

/// Declares the settings and collects them, so that none can be left out of the table.
macro_rules! settings {
    ($($name:ident = $setting:expr;)*) => {
        $(pub(super) static $name: Setting = $setting;)*

        /// Every setting, in the order of the README.
        pub static SETTINGS: &[&Setting] = &[$(&$name),*];
    };
}

settings! {
    NAME = credential("credentials.name", "TRADOVATE_NAME", Kind::Credential, "user name at Tradovate");
    PASSWORD = credential("credentials.password", "TRADOVATE_PASSWORD", Kind::Secret,
        "password of that user, or the dedicated API password if one was set with the key");
    APP_ID = credential("credentials.app-id", "TRADOVATE_APP_ID", Kind::Credential,
        "name of the API key, as written when it was made");
    APP_VERSION = Setting { default: Preset::Text("1.0"), ..credential("credentials.app-version",
        "TRADOVATE_APP_VERSION", Kind::Credential, "version to report to Tradovate with the key's name") };
    DEVICE_ID = Setting {
        default: Preset::Words("made once, and kept in the state directory"),
        ..credential("credentials.device-id", "TRADOVATE_DEVICE_ID", Kind::Credential,
            "stable id of this machine; `live` refuses orders from one that was not confirmed by e-mail")
    };
    CID = credential("credentials.cid", "TRADOVATE_CID", Kind::Credential, "client id of the API key: a number");
    SEC = credential("credentials.sec", "TRADOVATE_SEC", Kind::Secret,
        "secret of the API key: shown once, when it is made");

    TOKEN = Setting {
        default: Preset::Words("required by `static`"),
        ..credential("credentials.token", "TRADOVATE_TOKEN", Kind::Secret,
            "an access token that lives, for the source `static`: no password is needed then")
    };

    SOURCE = plain("source", "TRADOVATE_PROXY_SOURCE", "tradovate|static|oauth2", Preset::Text("tradovate"),
        "what hands out tokens: Tradovate's login, a token given by you, or an OAuth 2 refresh token");
    API = plain("api", "TRADOVATE_PROXY_API", "tradovate|other", Preset::Text("tradovate"),
        "what is forwarded to: Tradovate below `/v1`, or any API, below any path (needs `upstream-url`)");
    ENV = flagged("env", "TRADOVATE_PROXY_ENV", "--env", "demo|live", Preset::Text("demo"),
        "which Tradovate; `live` only together with `TRADOVATE_PROXY_LIVE=yes`");
    LIVE = plain("live", "TRADOVATE_PROXY_LIVE", "yes|no", Preset::Text("no"),
        "the second confirmation that real money is meant");
    LISTEN = flagged("listen", "TRADOVATE_PROXY_LISTEN", "--listen", "ADDRESS:PORT",
        Preset::Text("127.0.0.1:8080"), "where callers connect");
    ADMIN_LISTEN = flagged("admin-listen", "TRADOVATE_PROXY_ADMIN_LISTEN", "--admin-listen", "ADDRESS:PORT",
        Preset::Text("127.0.0.1:9464"), "where `/metrics`, `/livez`, `/readyz` and `/status` answer");
    ADMIN_HOSTS = plain("admin-hosts", "TRADOVATE_PROXY_ADMIN_HOSTS", "NAME,NAME", Preset::Words("none"),
        "names besides `localhost` and addresses by which the admin listener may be called");
    UNSAFE_OPEN = plain("unsafe-open", "TRADOVATE_PROXY_UNSAFE_OPEN", "yes|no", Preset::Text("no"),
        "allows listening beyond loopback: whoever reaches the port can then trade");
    UPSTREAM_URL = flagged("upstream-url", "TRADOVATE_PROXY_UPSTREAM_URL", "--upstream-url", "URL",
        Preset::Words("the environment's own"),
        "replaces Tradovate's address: `https`, or `http` to loopback only");
    TRUSTED_HOSTS = plain("trusted-hosts", "TRADOVATE_PROXY_TRUSTED_HOSTS", "NAME,NAME", Preset::Words("none"),
        "domains besides Tradovate's own to which answers may move the session, and so its token");
    UPSTREAM_CA = flagged("upstream-ca", "TRADOVATE_PROXY_UPSTREAM_CA", "--upstream-ca", "FILE",
        Preset::Words("none"), "PEM file of certificates to trust besides the public ones");
    UPSTREAM_HTTP2 = flagged("upstream-http2", "TRADOVATE_PROXY_UPSTREAM_HTTP2", "--upstream-http2", "yes|no",
        Preset::Text("no"), "speak HTTP/2 upstream where it is offered");
    STATE_DIR = flagged("state-dir", "TRADOVATE_PROXY_STATE_DIR", "--state-dir", "DIRECTORY",
        Preset::Words("`$XDG_STATE_HOME/tradovate-proxy`, or `~/.local/state/tradovate-proxy`, or \
            `/var/lib/tradovate-proxy` without a home"),
        "where the session is kept over restarts");
    CONFIG = flagged("config", "TRADOVATE_PROXY_CONFIG", "--config", "FILE", Preset::Words("none"),
        "TOML file with any of these settings, by their keys");
    LOG = flagged("log", "TRADOVATE_PROXY_LOG", "--log", "FILTER", Preset::Text("info"),
        "what is logged: a level, or `target=level,…`");
    LOG_FORMAT = flagged("log-format", "TRADOVATE_PROXY_LOG_FORMAT", "--log-format", "text|json",
        Preset::Text("text"), "how: a line for people, or one JSON object a line");
    WORKERS = flagged("workers", "TRADOVATE_PROXY_WORKERS", "--workers", "NUMBER",
        Preset::Words("one for each CPU"), "threads that serve requests");
    DRAIN_TIMEOUT = flagged("drain-timeout", "TRADOVATE_PROXY_DRAIN_TIMEOUT", "--drain-timeout", "DURATION",
        Preset::Text("10s"), "how long requests in flight may take to finish after SIGTERM");
    CONTENT_TYPES = plain("content-types", "TRADOVATE_PROXY_CONTENT_TYPES", "TYPE,TYPE", Preset::Words("none"),
        "content types that request bodies may have besides `application/json`");

    SESSION_STORE = plain("session.store", "TRADOVATE_PROXY_SESSION_STORE", "file|memory", Preset::Text("file"),
        "where the session waits between two runs: in the state directory, or nowhere");
    SESSION_STORE_KEY = Setting {
        default: Preset::Words("none: the token is stored in clear"),
        ..credential("session.store-key", "TRADOVATE_PROXY_SESSION_STORE_KEY", Kind::Secret,
            "256-bit key, as 64 hexadecimal digits, to encrypt the stored session with (`openssl rand -hex 32`)")
    };
    SESSION_LOCK_WAIT = plain("session.lock-wait", "TRADOVATE_PROXY_SESSION_LOCK_WAIT", "DURATION",
        Preset::Text("0s"), "how long a start waits for another process to leave the state directory");
    SESSION_ON_KICK = plain("session.on-kick", "TRADOVATE_PROXY_SESSION_ON_KICK", "reclaim|yield|manual",
        Preset::Text("reclaim"), "when another login takes the session's place: take it back (at once, then after \
            1, 5, 15, 60 min), leave it for a while, or until told");
    SESSION_YIELD_FOR = plain("session.yield-for", "TRADOVATE_PROXY_SESSION_YIELD_FOR", "DURATION",
        Preset::Text("5h"),
        "how long `yield` leaves it; below 5 h two proxies that want one seat alternate by the hour");
    SESSION_RENEW_MARGIN = plain("session.renew-margin", "TRADOVATE_PROXY_SESSION_RENEW_MARGIN", "DURATION",
        Preset::Of(|| duration_text(policy().margin)),
        "a token with less life left is renewed; at 80 % of its life if that is sooner");
    SESSION_LOGINS_PER_HOUR = plain("session.logins-per-hour", "TRADOVATE_PROXY_SESSION_LOGINS_PER_HOUR", "NUMBER",
        Preset::Of(|| policy().budgets.opened.to_string()), "logins that opened a session, in any hour");
    SESSION_FAILURES_PER_HOUR = plain("session.failures-per-hour", "TRADOVATE_PROXY_SESSION_FAILURES_PER_HOUR",
        "NUMBER", Preset::Of(|| policy().budgets.failed.to_string()),
        "logins that were refused or whose fate is unknown, in any hour; Tradovate locks a user out after 3 to 5");
    SESSION_RENEWALS_PER_HOUR = plain("session.renewals-per-hour", "TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR",
        "NUMBER", Preset::Of(|| policy().budgets.renewals.to_string()),
        "renewals in any hour, whatever came of them; Tradovate allows 15 an address");
    SESSION_HOLD_OFF = plain("session.hold-off", "TRADOVATE_PROXY_SESSION_HOLD_OFF", "DURATION",
        Preset::Of(|| duration_text(policy().budgets.hold_off)),
        "how long no login is tried after a captcha, a 423 or a 429");

    OAUTH2_TOKEN_URL = plain("oauth2.token-url", "TRADOVATE_PROXY_OAUTH2_TOKEN_URL", "URL",
        Preset::Words("Tradovate's own"), "where the source `oauth2` trades a refresh token for an access token");
    OAUTH2_CLIENT_ID = oauth2("oauth2.client-id", "TRADOVATE_PROXY_OAUTH2_CLIENT_ID", Kind::Credential,
        "the application's id there");
    OAUTH2_CLIENT_SECRET = oauth2("oauth2.client-secret", "TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", Kind::Secret,
        "its secret");
    OAUTH2_REFRESH_TOKEN = oauth2("oauth2.refresh-token", "TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", Kind::Secret,
        "the first refresh token; each that replaces it is kept in the state directory");
    OAUTH2_CLIENT_AUTH = plain("oauth2.client-auth", "TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", "basic|body",
        Preset::Text("basic"), "how id and secret are sent: in `Authorization`, or in the form");
    OAUTH2_PARAMETERS = plain("oauth2.parameters", "TRADOVATE_PROXY_OAUTH2_PARAMETERS", "NAME=VALUE,…",
        Preset::Words("none"), "further fields of the form, such as `scope` or `audience`");
    OAUTH2_RENEWAL = plain("oauth2.renewal", "TRADOVATE_PROXY_OAUTH2_RENEWAL", "refresh|tradovate",
        Preset::Text("refresh"), "how a live token is extended: by the refresh token, or by Tradovate's own renewal for as long as that keeps the refresh token alive");

    LIMIT_BODY_BYTES = plain("limits.body-bytes", "TRADOVATE_PROXY_LIMIT_BODY_BYTES", "SIZE",
        Preset::Of(|| size_text(limits().body_bytes)), "largest request body; above it 413");
    LIMIT_HEAD_BYTES = plain("limits.head-bytes", "TRADOVATE_PROXY_LIMIT_HEAD_BYTES", "SIZE",
        Preset::Of(|| size_text(limits().head_bytes)), "largest request head; above it 431, or 414");
    LIMIT_CONNECTIONS = plain("limits.connections", "TRADOVATE_PROXY_LIMIT_CONNECTIONS", "NUMBER",
        Preset::Of(|| limits().connections.to_string()), "connections from callers at once; above it 503");
    LIMIT_CONCURRENT_REQUESTS = plain("limits.concurrent-requests",
        "TRADOVATE_PROXY_LIMIT_CONCURRENT_REQUESTS", "NUMBER",
        Preset::Of(|| limits().concurrent_requests.to_string()), "requests in flight at once; above it 503");

    TIMEOUT_REQUEST_HEAD = plain("timeouts.request-head", "TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "DURATION",
        Preset::Of(|| duration_text(downstream().head)), "from the first byte of a request head to its last");
    TIMEOUT_DOWNSTREAM_IDLE = plain("timeouts.downstream-idle", "TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE",
        "DURATION", Preset::Of(|| duration_text(downstream().body_idle)),
        "between two bytes that a caller sends or takes of a body");
    TIMEOUT_KEEP_ALIVE = plain("timeouts.keep-alive", "TRADOVATE_PROXY_TIMEOUT_KEEP_ALIVE", "DURATION",
        Preset::Of(|| duration_text(downstream().keep_alive)), "how long a caller's idle connection stays open");
    TIMEOUT_TOKEN = plain("timeouts.token", "TRADOVATE_PROXY_TIMEOUT_TOKEN", "DURATION",
        Preset::Of(|| duration_text(downstream().token)), "how long a request waits for a token; then 503");
    TIMEOUT_CONNECT = plain("timeouts.connect", "TRADOVATE_PROXY_TIMEOUT_CONNECT", "DURATION",
        Preset::Of(|| duration_text(upstream().connect)), "name lookup and TCP handshake with Tradovate");
    TIMEOUT_TLS = plain("timeouts.tls", "TRADOVATE_PROXY_TIMEOUT_TLS", "DURATION",
        Preset::Of(|| duration_text(upstream().tls)), "TLS handshake with Tradovate");
    TIMEOUT_RESPONSE_HEAD = plain("timeouts.response-head", "TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "DURATION",
        Preset::Of(|| duration_text(upstream().response_head)),
        "from the request's last byte to the response head; then 504");
    TIMEOUT_UPSTREAM_IDLE = plain("timeouts.upstream-idle", "TRADOVATE_PROXY_TIMEOUT_UPSTREAM_IDLE", "DURATION",
        Preset::Of(|| duration_text(upstream().body_idle)), "between two bytes of a response body");
    TIMEOUT_POOL_IDLE = plain("timeouts.pool-idle", "TRADOVATE_PROXY_TIMEOUT_POOL_IDLE", "DURATION",
        Preset::Of(|| duration_text(upstream().pool_idle)), "how long an unused connection to Tradovate is kept");
}

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

/// A credential that only the source `oauth2` needs.
const fn oauth2(key: &'static str, env: &'static str, kind: Kind, what: &'static str) -> Setting {
    Setting { default: Preset::Words("required by `oauth2`"), ..credential(key, env, kind, what) }
}

fn policy() -> RenewalPolicy {
    RenewalPolicy::default()
}

fn limits() -> proxy::Limits {
    proxy::Limits::default()
}

fn downstream() -> proxy::Timeouts {
    proxy::Timeouts::default()
}

fn upstream() -> upstream::Timeouts {
    upstream::Timeouts::default()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::PathBuf};

    use super::*;

    #[test]
    fn names_follow_one_rule_and_are_unique() {
        let mut names = BTreeSet::new();
        for setting in SETTINGS {
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
