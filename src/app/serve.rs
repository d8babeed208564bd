//! `serve`: the proxy in front of Tradovate.

use crate::{
    app::{
        App, AppError, Hangups, Seat, Signals,
        reload::Reload,
        source::{credentials, hosts},
    },
    auth::Vault,
    clock::Clock,
    config::{Config, Look, Sources},
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
    let (signals, hangups) = (Signals::listen()?, Hangups::listen()?);
    let config = &launch.config;
    let app = App::bind(config, seat(config)?).await?;
    tracing::info!(
        listen = %app.listen()?,
        admin = %app.admin_listen()?,
        environment = config.environment.name(),
        version = env!("CARGO_PKG_VERSION"),
        "listening",
    );
    let mut reload = tokio::spawn(Reload::new(launch, app.controls()).run(hangups));
    tokio::select! {
        ended = app.run(signals.clone().first()) => ended,
        () = signals.second() => Ok(()),
        _ = &mut reload => Err(AppError::Ended { part: "reload" }),
    }
}

fn seat(config: &Config) -> Result<Seat, AppError> {
    // First, since it also makes the directory in which the device id is kept.
    let vault = Vault::open(&config.state_dir)?;
    Ok(Seat {
        environment: config.environment.name(),
        hosts: hosts(config),
        credentials: credentials(config)?,
        vault,
        clock: Clock::system(),
    })
}
