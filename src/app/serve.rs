//! `serve`: the proxy in front of Tradovate.

use crate::{
    app::{App, AppError, Hangups, Kills, Seat, Signals, Source, reload::Reload},
    auth::Vault,
    clock::Clock,
    config::{Config, Look, Sources},
    guard::Marker,
    telemetry::Verbosity,
};

/// What a long-running command begins with.
#[derive(Debug)]
pub struct Launch {
    /// What was read.
    pub config: Config,
    /// How its files stood then.
    pub look: Look,
    /// Where it was read, to be read again.
    pub sources: Sources,
    /// What turns the log up and down.
    pub verbosity: Verbosity,
}

/// Serves until a signal.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn serve(launch: Launch) -> Result<(), AppError> {
    let (signals, hangups, kills) = (Signals::listen()?, Hangups::listen()?, Kills::listen()?);
    let config = &launch.config;
    let vault = tokio::select! {
        vault = Vault::open_as(&config.store, &config.state_dir) => vault?,
        // Another process may leave the state directory late or never, and nobody has to wait for that.
        () = signals.clone().first() => return Ok(()),
    };
    let app = App::bind(config, seat(config, vault)?).await?;
    tracing::info!(
        listen = %app.listen()?,
        admin = %app.admin_listen()?,
        environment = config.environment.name(),
        version = env!("CARGO_PKG_VERSION"),
        "listening",
    );
    let mut kills = tokio::spawn(kills.heed(app.guards()));
    let mut reload = tokio::spawn(Reload::new(launch, app.controls()).run(hangups));
    tokio::select! {
        ended = app.run_until(signals.clone().first(), signals.second()) => ended,
        _ = &mut reload => Err(AppError::Ended { part: "reload" }),
        _ = &mut kills => Err(AppError::Ended { part: "kill signal" }),
    }
}

fn seat(config: &Config, vault: Vault) -> Result<Seat, AppError> {
    let clock = Clock::system();
    let source = Source::new(config, &clock)?;
    // Also where the session is not kept: who switched everything off did not mean until the next restart.
    let marker = Marker::In(config.state_dir.clone());
    let audit = config.audit.clone();
    Ok(Seat { environment: config.environment.name(), source, vault, marker, clock, audit })
}
