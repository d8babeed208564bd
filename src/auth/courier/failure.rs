//! What a transport error means for the attempt: whether a byte of the request can have left.

use std::{error::Error, io};

use crate::auth::source::{Loss, SourceError, Step};

/// Sorts `error` by how far the attempt came. When in doubt, its fate is unknown.
pub(super) fn classify(error: reqwest::Error) -> SourceError {
    // Before the connection stands, TLS included, the request has not been written.
    if error.is_connect() {
        let step = if is_tls(&error) { Step::Tls } else { Step::Connect };
        return SourceError::Unreachable { step, source: Box::new(error.without_url()) };
    }
    let how = if error.is_timeout() { Loss::TimedOut } else { Loss::Broken };
    tracing::debug!(error = %error.without_url(), "no answer");
    SourceError::Lost { how }
}

fn is_tls(error: &(dyn Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // An I/O error hides what it wraps from `source`.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => is_tls(wrapped),
        None => error.source().is_some_and(is_tls),
    }
}
