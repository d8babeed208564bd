//! `serve`: the proxy in front of Tradovate.

use crate::{
    app::{App, AppError, Seat, Signals, device::device_id},
    auth::Vault,
    clock::Clock,
    config::Config,
    tradovate::{Credentials, Hosts},
};

/// Serves until a signal.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn serve(config: &Config) -> Result<(), AppError> {
    let signals = Signals::listen()?;
    let app = App::bind(config, seat(config)?).await?;
    tracing::info!(
        listen = %app.listen()?,
        admin = %app.admin_listen()?,
        environment = config.environment.name(),
        version = env!("CARGO_PKG_VERSION"),
        "listening",
    );
    tokio::select! {
        ended = app.run(signals.clone().first()) => ended,
        () = signals.second() => Ok(()),
    }
}

fn seat(config: &Config) -> Result<Seat, AppError> {
    let vault = Vault::open(&config.state_dir)?;
    let credentials = config.credentials.clone().ok_or(AppError::NoCredentials)?;
    let device_id = match credentials.device_id {
        Some(id) => id,
        None => device_id(&config.state_dir).map_err(|source| AppError::Device {
            directory: config.state_dir.display().to_string(),
            source,
        })?,
    };
    Ok(Seat {
        environment: config.environment.name(),
        hosts: Hosts::new(config.environment, config.upstream.clone(), &config.trusted_hosts),
        credentials: Credentials {
            name: credentials.name,
            password: credentials.password,
            app_id: credentials.app_id,
            app_version: credentials.app_version,
            device_id,
            cid: credentials.cid,
            sec: credentials.sec,
        },
        vault,
        clock: Clock::system(),
    })
}
