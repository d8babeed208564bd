//! Bounds on how long anybody is waited for.

use crate::{
    config::{
        setting::{Preset, Setting, plain},
        value::duration_text,
    },
    proxy, upstream,
};

settings! { TIMEOUTS:
    TIMEOUT_REQUEST_HEAD = plain("timeouts.request-head", "TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "DURATION",
        Preset::Of(|| duration_text(downstream().head)), "from the first byte of a request head to its last");
    TIMEOUT_REQUEST_BODY = plain("timeouts.request-body", "TRADOVATE_PROXY_TIMEOUT_REQUEST_BODY", "DURATION",
        Preset::Of(|| duration_text(downstream().body)), "from a request head's end to the last byte of its body");
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

fn downstream() -> proxy::Timeouts {
    proxy::Timeouts::default()
}

fn upstream() -> upstream::Timeouts {
    upstream::Timeouts::default()
}
