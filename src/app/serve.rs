//! `serve`: the proxy in front of Tradovate.

use crate::{
    app::{App, AppError, Seat, Signals, Source},
    auth::Vault,
    clock::Clock,
    config::Config,
    tradovate::Hosts,
};

/// Serves until a signal.
///
/// # Errors
/// When it cannot start, or a part of it ends by itself.
pub async fn serve(config: &Config) -> Result<(), AppError> {
    let signals = Signals::listen()?;
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
    tokio::select! {
        ended = app.run(signals.clone().first()) => ended,
        () = signals.second() => Ok(()),
    }
}

fn seat(config: &Config, vault: Vault) -> Result<Seat, AppError> {
    let hosts = Hosts::new(config.environment, config.upstream.clone(), &config.trusted_hosts);
    let clock = Clock::system();
    let source = Source::new(config, hosts, &clock)?;
    Ok(Seat { environment: config.environment.name(), source, vault, clock })
}
