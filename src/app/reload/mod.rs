//! Change without a restart: the configuration is read again, on SIGHUP and when one of its files has changed.
//!
//! ```text
//! SIGHUP ────────────┐                       ┌ problems ──▶ logged; the old one stays in force
//! a file changed ────┴─▶ read all of it ─────┤
//!   (every 5 s; twice the same)              └ difference ─┬ credentials ──▶ Change::Source ─▶ renewer
//!                                                          ├ session.… ────▶ Change::Policy ─▶ renewer
//!                                                          ├ budget.… ─────▶ the limits
//!                                                          ├ tls.… ────────▶ handshakes to come
//!                                                          ├ hosts, keys ──▶ who may call
//!                                                          ├ guards.… ─────▶ the trading guards
//!                                                          ├ log ──────────▶ the log's filter
//!                                                          └ all else ─────▶ reported: at the next restart
//! ```
//!
//! Flags and environment are as they were at the start; only files can change, and what they say. All of it or
//! nothing: with a single problem nothing changes. What waits for a restart is reported each time it is read, and
//! the difference is always to what is in force, so that a change that is taken back is none.

mod metrics;
mod watch;

use std::{panic, sync::Arc};

use tokio::{sync::mpsc, task::spawn_blocking};

pub(super) use self::metrics::Metrics;
use self::{metrics::Outcome, watch::Watch};
use crate::{
    app::{AppError, Hangups, Source, serve::Launch},
    auth::{Change, TokenSource as _},
    budget::Budget,
    callers::Callers,
    clock::Clock,
    config::{Applies, Config, Difference, Sources},
    downstream::Tls,
    guard::Guards,
    telemetry::Verbosity,
};

/// Reads the configuration again, and puts into force what can change.
#[derive(Debug)]
pub(super) struct Reload {
    sources: Arc<Sources>,
    /// What is in force.
    running: Config,
    watch: Watch,
    verbosity: Verbosity,
    controls: Controls,
}

/// What of a running app can be changed from outside.
#[derive(Clone, Debug)]
pub(super) struct Controls {
    /// To the renewer.
    pub(super) changes: mpsc::Sender<Change<Source>>,
    /// Whose session it keeps: no other source may take its source's place.
    pub(super) seat: String,
    /// To the count of what is sent.
    pub(super) budget: Arc<Budget>,
    /// What callers are shown, if they speak TLS.
    pub(super) tls: Option<Arc<Tls>>,
    /// Who may call the proxy.
    pub(super) callers: Callers,
    /// Who may call the admin listener.
    pub(super) operators: Callers,
    pub(super) metrics: Metrics,
    pub(super) guards: Arc<Guards>,
    pub(super) clock: Clock,
}

/// Why the configuration is read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// An operator says so, and vouches for the files.
    Hangup,
    /// Files have changed.
    Changed,
}

impl Reload {
    pub(super) fn new(launch: Launch, controls: Controls) -> Self {
        let Launch { config, look, sources, verbosity } = launch;
        let (sources, watch) = (Arc::new(sources), Watch::from(look));
        Self { sources, running: config, watch, verbosity, controls }
    }

    /// Never ends.
    pub(super) async fn run(mut self, mut hangups: Hangups) {
        loop {
            let occasion = tokio::select! {
                () = hangups.next() => Occasion::Hangup,
                () = self.watch.changed() => Occasion::Changed,
            };
            self.reload(occasion).await;
        }
    }

    /// Reads all of it; `None` if the files were being written, so that it is to be read once they are done.
    async fn reload(&mut self, occasion: Occasion) -> Option<Outcome> {
        tracing::info!(
            because = match occasion {
                Occasion::Hangup => "SIGHUP",
                Occasion::Changed => "a file has changed",
            },
            "reading the configuration again"
        );
        let sources = Arc::clone(&self.sources);
        let reading = blocking(move || sources.read()).await;
        if !self.watch.may_take(&reading.look, occasion == Occasion::Hangup).await {
            tracing::info!("the files of the configuration are changing: they are read once they rest");
            return None;
        }
        self.watch.settle(reading.look);
        let outcome = match reading.config {
            Ok(new) => self.take(new).await,
            Err(errors) => {
                for problem in errors.0 {
                    let (from, advice) = (problem.source, problem.fault.remedy());
                    tracing::error!(%from, advice, "{}: {}", problem.name, problem.fault);
                }
                Outcome::Invalid
            }
        };
        if outcome == Outcome::Invalid {
            tracing::error!(
                advice = "correct it: it is read again when one of its files changes, or on SIGHUP",
                "the new configuration cannot be used: the proxy goes on with the old one"
            );
        }
        self.controls.metrics.reloaded(outcome, self.controls.clock.wall());
        Some(outcome)
    }

    async fn take(&mut self, new: Config) -> Outcome {
        let difference = Difference::between(&self.running, &new);
        if difference.is_empty() {
            tracing::info!("the configuration says what is in force already");
            return Outcome::Unchanged;
        }
        let mut next = self.running.clone();
        next.adopt(new, &difference);
        if difference.has(Applies::ToSource) {
            match self.source(&next).await {
                Ok(source) => self.send(Change::Source(source)).await,
                Err(error) => {
                    tracing::error!(%error, "the new credentials cannot be used");
                    return Outcome::Invalid;
                }
            }
        }
        if difference.has(Applies::ToPolicy) {
            self.send(Change::Policy(next.policy)).await;
        }
        if difference.has(Applies::ToBudget) {
            self.controls.budget.set(next.budget);
        }
        if difference.has(Applies::ToTls)
            && let Some((tls, identity)) = self.controls.tls.as_ref().zip(next.listening.tls.clone())
        {
            tls.replace(identity);
        }
        if difference.has(Applies::ToCallers) {
            self.controls.callers.replace(next.callers.clone());
            self.controls.operators.replace(next.operators.clone());
        }
        if difference.has(Applies::ToGuards) {
            self.controls.guards.adopt(next.guards.clone());
        }
        for (setting, applies) in difference.settings() {
            if applies == Applies::AtRestart {
                tracing::warn!("{setting} changed; it takes effect at the next restart");
            } else {
                tracing::info!("{setting} changed; it is in force now");
            }
        }
        // Last, so that a quieter log still says so.
        if difference.has(Applies::ToLog) {
            self.verbosity.set(&next.log);
        }
        self.running = next;
        Outcome::Ok
    }

    async fn source(&self, config: &Config) -> Result<Source, AppError> {
        let (config, clock) = (config.clone(), self.controls.clock.clone());
        let source = blocking(move || Source::new(&config, &clock)).await?;
        if source.seat() == self.controls.seat { Ok(source) } else { Err(AppError::OtherSeat) }
    }

    /// Waits while the renewer is in the middle of an attempt. That it is gone means that the process is ending.
    async fn send(&self, change: Change<Source>) {
        let _ = self.controls.changes.send(change).await;
    }
}

/// Changes that may wait for the renewer. They come seconds apart, and it takes them between two attempts.
pub(super) const PENDING: usize = 8;

/// What may have to wait for a disk, on a thread that may. A panic goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => panic::resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests;
