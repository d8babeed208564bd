//! What hands out tokens, built in one place: at the start, and again when its secrets have changed.

use crate::{
    app::{AppError, device::device_id},
    config::Config,
    tradovate::{Credentials, Hosts, SessionClient, SessionTimeouts, TrustedSuffixes},
};

/// Whoever has it can log in.
pub(super) fn source(
    credentials: Credentials,
    hosts: Hosts,
    tls: rustls::ClientConfig,
) -> Result<SessionClient, AppError> {
    SessionClient::new(credentials, hosts, tls, SessionTimeouts::default()).map_err(AppError::SessionClient)
}

/// Who logs in. Asks the disk for the device id, if none is set.
pub(super) fn credentials(config: &Config) -> Result<Credentials, AppError> {
    let credentials = config.credentials.clone().ok_or(AppError::NoCredentials)?;
    let device_id = match credentials.device_id {
        Some(id) => id,
        None => device_id(&config.state_dir).map_err(|source| AppError::Device {
            directory: config.state_dir.display().to_string(),
            source,
        })?,
    };
    Ok(Credentials {
        name: credentials.name,
        password: credentials.password,
        app_id: credentials.app_id,
        app_version: credentials.app_version,
        device_id,
        cid: credentials.cid,
        sec: credentials.sec,
    })
}

/// Where.
pub(super) fn hosts(config: &Config) -> Hosts {
    match &config.upstream {
        Some(origin) => Hosts::Fixed(origin.clone()),
        None => Hosts::Dynamic { environment: config.environment, trusted: TrustedSuffixes::default() },
    }
}
