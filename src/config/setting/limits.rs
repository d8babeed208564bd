//! Bounds on what callers hold.

use crate::{
    config::{
        setting::{Preset, Setting, plain},
        value::size_text,
    },
    proxy,
};

settings! { LIMITS:
    LIMIT_BODY_BYTES = plain("limits.body-bytes", "TRADOVATE_PROXY_LIMIT_BODY_BYTES", "SIZE",
        Preset::Of(|| size_text(limits().body_bytes)), "largest request body; above it 413");
    LIMIT_HEAD_BYTES = plain("limits.head-bytes", "TRADOVATE_PROXY_LIMIT_HEAD_BYTES", "SIZE",
        Preset::Of(|| size_text(limits().head_bytes)), "largest request head; above it 431, or 414");
    LIMIT_CONNECTIONS = plain("limits.connections", "TRADOVATE_PROXY_LIMIT_CONNECTIONS", "NUMBER",
        Preset::Of(|| limits().connections.to_string()), "connections from callers at once; above it 503");
    LIMIT_BUFFERED_BYTES = plain("limits.buffered-bytes", "TRADOVATE_PROXY_LIMIT_BUFFERED_BYTES", "SIZE",
        Preset::Of(|| size_text(limits().buffered_bytes)),
        "request bodies above 16 KiB in memory at once, in sum; above it 503");
    LIMIT_CONCURRENT_REQUESTS = plain("limits.concurrent-requests",
        "TRADOVATE_PROXY_LIMIT_CONCURRENT_REQUESTS", "NUMBER",
        Preset::Of(|| limits().concurrent_requests.to_string()), "requests in flight at once; above it 503");
}

fn limits() -> proxy::Limits {
    proxy::Limits::default()
}
