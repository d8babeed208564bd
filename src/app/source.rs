//! The source of tokens that the configuration names.

use std::time::Duration;

use crate::{
    app::{AppError, device::device_id},
    auth::{
        courier::{Courier, Timeouts},
        fingerprint::{Fingerprint, FingerprintKey},
        source::{Grant, Means, SourceError, TokenSource, Vitality},
    },
    bearer::Bearer,
    clock::Clock,
    config::{self, Config, OAuth2, Renewal},
    oauth2::{AnyApi, RefreshClient, Registration, ResourceServer, TokenUrl},
    origin::Origin,
    proxy,
    tradovate::{Api, Credentials, Environment, HandedToken, Hosts, SessionClient},
    upstream::tls,
};

/// One of the sources there are.
#[derive(Debug)]
pub enum Source {
    /// Tradovate's login.
    Login(SessionClient),
    /// A token that the user hands in.
    Handed(HandedToken),
    /// The refresh grant, for Tradovate's tokens.
    Refresh(RefreshClient<Tradovate>),
    /// The refresh grant, for those of another API.
    RefreshElsewhere(RefreshClient<AnyApi>),
}

impl Source {
    /// Builds the source that `config` names: at the start, and again when its secrets have changed. Sends nothing; may
    /// ask the disk for the device id.
    ///
    /// # Errors
    /// When a part cannot be had; the text says what to do.
    pub fn new(config: &Config, clock: &Clock) -> Result<Self, AppError> {
        let courier = courier(config)?;
        let hosts = Hosts::new(config.environment, config.upstream.clone(), &config.trusted_hosts);
        match config.source.as_ref().ok_or(AppError::NoCredentials)? {
            config::TokenSource::Tradovate(credentials) => {
                let credentials = complete(credentials, config)?;
                Ok(Self::Login(SessionClient::new(credentials, Api::new(courier, hosts))))
            }
            config::TokenSource::Static(token) => {
                Ok(Self::Handed(HandedToken::new(token.clone(), Api::new(courier, hosts))))
            }
            config::TokenSource::OAuth2(settings) => {
                Ok(Self::oauth2(config.api, settings, courier, hosts, clock.clone()))
            }
        }
    }

    /// The source that logs in with `credentials`, at `hosts`.
    ///
    /// # Errors
    /// When a part cannot be had; the text says what to do.
    pub fn login(config: &Config, credentials: Credentials, hosts: Hosts) -> Result<Self, AppError> {
        let api = Api::new(courier(config)?, hosts);
        Ok(Self::Login(SessionClient::new(credentials, api)))
    }

    fn oauth2(served: proxy::Api, settings: &OAuth2, courier: Courier, hosts: Hosts, clock: Clock) -> Self {
        let registration = Registration {
            token_url: settings.token_url.clone().unwrap_or_else(|| tradovates_endpoint(&hosts)),
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            client_auth: settings.client_auth,
            parameters: settings.parameters.clone(),
        };
        let seed = settings.refresh_token.clone();
        match served {
            proxy::Api::Tradovate => {
                let api = Tradovate { api: Api::new(courier.clone(), hosts), renewal: settings.renewal };
                Self::Refresh(RefreshClient::new(courier, registration, seed, api, clock))
            }
            proxy::Api::Other => {
                let api = AnyApi { origin: hosts.bootstrap() };
                Self::RefreshElsewhere(RefreshClient::new(courier, registration, seed, api, clock))
            }
        }
    }
}

fn courier(config: &Config) -> Result<Courier, AppError> {
    let tls = tls::client_config(&config.upstream_ca, tls::Alpn::Http1).map_err(AppError::Tls)?;
    Courier::new(tls, Timeouts::default()).map_err(AppError::SessionClient)
}

/// The credentials with this machine's device id, which is made up and kept if none is set.
fn complete(credentials: &config::Credentials, config: &Config) -> Result<Credentials, AppError> {
    let config::Credentials { name, password, app_id, app_version, device_id: known, cid, sec } =
        credentials.clone();
    let device_id = match known {
        Some(id) => id,
        None => device_id(&config.state_dir).map_err(|source| AppError::Device {
            directory: config.state_dir.display().to_string(),
            source,
        })?,
    };
    Ok(Credentials { name, password, app_id, app_version, device_id, cid, sec })
}

/// Tradovate: the token endpoint is outside `/v1`. The one of `live` serves both environments; the one of `demo`
/// answers `Wrong client_id` to applications that were registered on `live`.
fn tradovates_endpoint(hosts: &Hosts) -> TokenUrl {
    let origin = match hosts {
        Hosts::Dynamic { .. } => Environment::Live.bootstrap(),
        Hosts::Movable { origin, .. } | Hosts::Fixed(origin) => origin.clone(),
    };
    TokenUrl::at(&origin, "/auth/oauthtoken")
}

/// Tradovate as the resource server of a refresh grant.
#[derive(Debug)]
pub struct Tradovate {
    api: Api,
    renewal: Renewal,
}

impl ResourceServer for Tradovate {
    fn origin(&self) -> &Origin {
        self.api.origin()
    }

    async fn renew(&self, bearer: &Bearer, origin: &Origin) -> Option<Result<Grant, SourceError>> {
        match self.renewal {
            Renewal::Refresh => None,
            Renewal::Tradovate => Some(self.api.renew(bearer, origin).await),
        }
    }

    async fn examine(&self, bearer: &Bearer, origin: &Origin) -> Vitality {
        self.api.examine(bearer, origin).await
    }

    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.api.moved(from, location)
    }

    fn origin_in(&self, body: &[u8]) -> Option<Origin> {
        self.api.origin_in(body)
    }

    fn objection_in(&self, body: &[u8], secrets: &[&str]) -> Option<SourceError> {
        self.api.objection_in(body, secrets)
    }
}

/// Hands a call on to whichever source it is.
macro_rules! dispatch {
    ($source:expr, $inner:ident => $call:expr) => {
        match $source {
            Source::Login($inner) => $call,
            Source::Handed($inner) => $call,
            Source::Refresh($inner) => $call,
            Source::RefreshElsewhere($inner) => $call,
        }
    };
}

impl TokenSource for Source {
    async fn acquire(&mut self, means: &Means) -> Result<Grant, SourceError> {
        dispatch!(self, source => source.acquire(means).await)
    }

    async fn renew(&mut self, means: &Means, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        dispatch!(self, source => source.renew(means, bearer, origin).await)
    }

    async fn examine(&mut self, bearer: &Bearer, origin: &Origin) -> Vitality {
        dispatch!(self, source => source.examine(bearer, origin).await)
    }

    async fn is_well(&mut self) -> bool {
        dispatch!(self, source => source.is_well().await)
    }

    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        dispatch!(self, source => source.moved(from, location))
    }

    fn is_handed(&self) -> bool {
        dispatch!(self, source => source.is_handed())
    }

    fn longest_life(&self) -> Option<Duration> {
        dispatch!(self, source => source.longest_life())
    }

    fn origin(&self) -> &Origin {
        dispatch!(self, source => source.origin())
    }

    fn seat(&self) -> String {
        dispatch!(self, source => source.seat())
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        dispatch!(self, source => source.fingerprint(key))
    }

    fn seed(&self, key: &FingerprintKey) -> Fingerprint {
        dispatch!(self, source => source.seed(key))
    }
}
