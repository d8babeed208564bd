//! How the session is kept.

use crate::{
    auth::RenewalPolicy,
    config::{
        setting::{Kind, Preset, Setting, credential, plain},
        value::duration_text,
    },
};

settings! { SESSION:
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
}

fn policy() -> RenewalPolicy {
    RenewalPolicy::default()
}
