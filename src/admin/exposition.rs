//! `/metrics`: what is registered here, and how all of it is written.

use prometheus::{IntGauge, Opts, Registry, TextEncoder};

/// Adds what belongs to the process as a whole: which build it is, and the usual `process_…` metrics where the
/// system has them.
pub(super) fn register(registry: &Registry) -> Result<(), prometheus::Error> {
    let build = Opts::new("tradovate_proxy_build_info", "Which build this is; always 1.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = IntGauge::with_opts(build)?;
    build.set(1);
    registry.register(Box::new(build))?;
    #[cfg(target_os = "linux")]
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    Ok(())
}

/// Everything registered, as [`CONTENT_TYPE`].
pub(super) fn text(registry: &Registry) -> Result<String, prometheus::Error> {
    TextEncoder::new().encode_to_string(&registry.gather())
}

/// The text format of Prometheus, with its version, as its scraper wants it.
pub(super) const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;
