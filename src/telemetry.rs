//! Logs: what is written, and in which form.
//!
//! One subscriber, set once, writing whole lines to standard error. A line is one event whatever a caller put
//! into a path or a header: control characters leave as `\u00XX`, so that no request can forge a second line
//! (CWE-117) or steer a terminal. What is written can be changed while the process runs: [`Verbosity`].

use std::{
    fmt::{self, Write as _},
    io, panic,
    str::FromStr,
    sync::Arc,
};

use tracing::Subscriber;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::MakeWriter,
    layer::SubscriberExt as _,
    registry, reload,
};

/// In which form events are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error, for the whole process; panics are logged too.
pub fn start(filter: &Filter, format: Format) -> Result<Verbosity, AlreadyStarted> {
    let (subscriber, verbosity) = adjustable(filter, format, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| AlreadyStarted)?;
    panic::set_hook(Box::new(|panicked| {
        // A message that was put together at run time could hold anything; a constant one holds no secret.
        let message = panicked.payload().downcast_ref::<&'static str>();
        let at = panicked.location().map(ToString::to_string);
        tracing::error!(
            message,
            at,
            "a part of the proxy panicked, which only a defect can cause: please report it"
        );
    }));
    Ok(verbosity)
}

/// The subscriber that [`start`] sets, writing elsewhere: for tests of what is logged.
pub fn subscriber<W>(filter: &Filter, format: Format, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    adjustable(filter, format, writer).0
}

/// The same, and what turns it up and down.
pub fn adjustable<W>(
    filter: &Filter,
    format: Format,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, Verbosity)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter.targets.clone());
    let filtered = registry().with(filter);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        // Else a closed standard error would be reported by `eprintln!`, which panics there.
        .log_internal_errors(false)
        .with_writer(Lines(writer));
    let subscriber: Box<dyn Subscriber + Send + Sync> = match format {
        Format::Text => Box::new(filtered.with(lines)),
        Format::Json => Box::new(filtered.with(lines.json().flatten_event(true))),
    };
    (subscriber, Verbosity::of(handle))
}

/// Sets which events are logged from now on. Cheap to clone; clones turn the same log.
#[derive(Clone)]
pub struct Verbosity(Arc<dyn Fn(Targets) + Send + Sync>);

impl Verbosity {
    fn of<S: 'static>(handle: reload::Handle<Targets, S>) -> Self {
        Self(Arc::new(move |filter| {
            // Fails only where there is no log any more.
            let _ = handle.reload(filter);
        }))
    }

    /// From now on, these.
    pub fn set(&self, filter: &Filter) {
        (self.0)(filter.targets.clone());
    }
}

impl fmt::Debug for Verbosity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verbosity").finish_non_exhaustive()
    }
}

/// Logging was started before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("logging was started before")]
pub struct AlreadyStarted;

/// Which events are logged: a level, or `target=level` pairs with commas between.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    targets: Targets,
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

impl FromStr for Filter {
    type Err = InvalidFilter;

    fn from_str(text: &str) -> Result<Self, InvalidFilter> {
        for directive in text.split(',').map(str::trim) {
            // `Targets` takes a lone word for a target, so that `inof` would silence everything else.
            let is_word = !directive.contains(['=', '[', ':']);
            if is_word && (directive.is_empty() || directive.parse::<LevelFilter>().is_err()) {
                return Err(InvalidFilter::Level);
            }
        }
        // Without the blanks that people leave behind commas.
        let directives: Vec<_> = text.split(',').map(str::trim).collect();
        let targets = directives.join(",").parse().map_err(|_| InvalidFilter::Directive)?;
        Ok(Self { text: text.to_owned(), targets })
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is no log filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFilter {
    /// A lone word that is no level.
    #[error("not a level (error, warn, info, debug, trace, off); for one part write target=level")]
    Level,
    /// A directive that does not parse.
    #[error("not a list of target=level, with commas between")]
    Directive,
}

/// A maker of writers that keep each event on its line.
struct Lines<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Line(self.0.make_writer())
    }
}

/// Takes one whole event for each `write`, as the `fmt` layer gives it, and escapes what could end the line.
struct Line<W>(W);

impl<W: io::Write> io::Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut escaped = String::with_capacity(line.len() + 1);
        for c in line.chars() {
            if c.is_control() {
                // Also valid inside a JSON string, where C1 controls may stand bare.
                let _ = write!(escaped, "\\u{:04x}", u32::from(c));
            } else {
                escaped.push(c);
            }
        }
        escaped.push('\n');
        self.0.write_all(escaped.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, format: Format, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = subscriber(&filter.parse().unwrap(), format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_whatever_it_holds() {
        let nasty = "a\nERROR forged\r\x1b[2J\u{9b}2J\0\x7f";
        for format in [Format::Text, Format::Json] {
            let span_field = nasty.to_owned();
            let text = logged("info", format, || {
                let span = tracing::info_span!("request", target = %span_field);
                let _entered = span.enter();
                tracing::info!(path = %nasty, quoted = nasty, "message {nasty}");
            });
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(
                text.contains("forged") && !text.trim_end_matches('\n').contains(char::is_control),
                "{text:?}"
            );
        }
    }

    #[test]
    fn json_lines_are_json() {
        let text = logged("debug", Format::Json, || tracing::debug!(path = "a\u{9b}\n", "hello"));
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((event["message"].as_str(), event["path"].as_str()), (Some("hello"), Some("a\u{9b}\n")));
    }

    #[test]
    fn what_is_logged_changes_while_it_runs() {
        for format in [Format::Text, Format::Json] {
            let captured = Captured::default();
            let writer = captured.clone();
            let (subscriber, verbosity) =
                adjustable(&"warn".parse().unwrap(), format, move || writer.clone());
            tracing::subscriber::with_default(subscriber, || {
                // The same place each time, since it is places whose interest is remembered.
                for filter in ["warn", "debug", "tradovate_proxy=trace", "error"] {
                    verbosity.set(&filter.parse().unwrap());
                    tracing::debug!("at {filter}");
                }
            });
            let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
            assert_eq!(text.matches("at ").count(), 2, "{text}");
            assert!(text.contains("at debug") && text.contains("at tradovate_proxy=trace"), "{text}");
        }
    }

    #[test]
    fn a_filter_that_would_silence_everything_by_a_slip_is_refused() {
        for good in ["info", "WARN", "off", "info,hyper=debug", "tradovate_proxy::auth=trace,warn"] {
            assert_eq!(good.parse::<Filter>().unwrap().to_string(), good);
        }
        for slip in ["inof", "", "info,", "hyper", "debug warn"] {
            assert_eq!(slip.parse::<Filter>(), Err(InvalidFilter::Level), "{slip:?}");
        }
        assert_eq!("hyper=lots".parse::<Filter>(), Err(InvalidFilter::Directive));
        assert_eq!(logged("warn", Format::Text, || tracing::info!("quiet")), "");
    }
}
