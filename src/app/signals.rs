//! SIGTERM and SIGINT: the first asks for an end, the second insists. SIGHUP: reads the configuration again. SIGUSR1:
//! the kill switch.

use std::sync::Arc;

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
};

use crate::{
    app::AppError,
    guard::{Cancels, Cause, Guards},
};

/// Counts the signals that ask for an end.
#[derive(Clone, Debug)]
pub struct Signals(watch::Receiver<u32>);

impl Signals {
    /// Takes both signals over from the system's default, which would be to die. Must be called in a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Self, AppError> {
        let mut terminate = signal(SignalKind::terminate()).map_err(AppError::Signals)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(AppError::Signals)?;
        let (count, counted) = watch::channel(0);
        tokio::spawn(async move {
            while tokio::select! {
                came = terminate.recv() => came,
                came = interrupt.recv() => came,
            }
            .is_some()
            {
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self(counted))
    }

    /// Waits for the first. Cancel safe.
    pub async fn first(mut self) {
        self.reach(1).await;
        tracing::info!("asked to stop: draining; a second signal ends at once");
    }

    /// Waits for the second. Cancel safe.
    pub async fn second(mut self) {
        self.reach(2).await;
        tracing::warn!("asked twice to stop: ending at once");
    }

    async fn reach(&mut self, count: u32) {
        if self.0.wait_for(|&counted| counted >= count).await.is_err() {
            // No signal can come any more: nobody will ask.
            std::future::pending::<()>().await;
        }
    }
}

/// SIGHUP, which by the system's default would end the process.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Takes the signal over. Must be called in a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Self, AppError> {
        signal(SignalKind::hangup()).map(Self).map_err(AppError::Signals)
    }

    /// Waits for the next; several that came meanwhile are one. Cancel safe.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// SIGUSR1, which by the system's default would end the process.
#[derive(Debug)]
pub struct Kills(Signal);

impl Kills {
    /// Takes the signal over. Must be called in a runtime. One that comes before it is heeded is not lost.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Self, AppError> {
        signal(SignalKind::user_defined1()).map(Self).map_err(AppError::Signals)
    }

    /// Switches everything off at each signal. There is no signal that switches it on again: that is to be meant.
    /// Does not end.
    pub async fn heed(mut self, guards: Arc<Guards>) {
        while self.0.recv().await.is_some() {
            let guards = Arc::clone(&guards);
            // Not waited for: once it is taken back, the next signal must not have to wait for the last one's cancels.
            tokio::spawn(async move { guards.kill(Cause::Signal, Cancels::AsSet).await });
        }
        std::future::pending::<()>().await;
    }
}
