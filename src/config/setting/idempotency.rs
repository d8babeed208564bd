//! What is remembered of orders with an idempotency key.

use crate::{
    config::{
        setting::{Preset, Setting, plain},
        value::{duration_text, size_text},
    },
    idempotency::Bounds,
};

settings! { IDEMPOTENCY:
    IDEMPOTENCY_ENTRIES = plain("idempotency.entries", "TRADOVATE_PROXY_IDEMPOTENCY_ENTRIES", "NUMBER",
        Preset::Of(|| bounds().entries.to_string()),
        "keys remembered; above it the oldest one that was answered is forgotten");
    IDEMPOTENCY_ANSWER_BYTES = plain("idempotency.answer-bytes", "TRADOVATE_PROXY_IDEMPOTENCY_ANSWER_BYTES",
        "SIZE", Preset::Of(|| size_text(bounds().answer_bytes)),
        "largest answer that is kept to be given again");
    IDEMPOTENCY_MAX_AGE = plain("idempotency.max-age", "TRADOVATE_PROXY_IDEMPOTENCY_MAX_AGE", "DURATION",
        Preset::Of(|| duration_text(bounds().age)), "how long an answered key is remembered; 60s at least");
}

fn bounds() -> Bounds {
    Bounds::default()
}
