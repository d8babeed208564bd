//! The process itself.

use crate::config::setting::{Preset, Setting, flagged};

settings! { PROCESS:
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
        Preset::Text("10s"), "how long requests in flight, and what a kill cancels, may take to finish after SIGTERM");
}
