//! A token that somebody else came by.
//!
//! Tradovate: any token, however granted, is extended by `renewaccesstoken` while it lives. So a proxy that is handed
//! one needs no password, can open no session, and can keep this one for as long as it runs.

use secrecy::{ExposeSecret, SecretString};

use crate::{
    auth::{
        fingerprint::{Fingerprint, FingerprintKey},
        source::{Grant, Means, SourceError, TokenSource, Vitality},
    },
    bearer::Bearer,
    origin::Origin,
    tradovate::Api,
};

/// Hands on the token it was given, and renews what comes of it. Not `Clone`, like every source.
#[derive(Debug)]
pub struct HandedToken {
    token: SecretString,
    api: Api,
}

impl HandedToken {
    /// Puts the parts together; sends nothing.
    pub fn new(token: SecretString, api: Api) -> Self {
        Self { token, api }
    }
}

impl TokenSource for HandedToken {
    /// Hands the token on, without a request: nobody knows yet how long it lives.
    async fn acquire(&mut self, _: &Means) -> Result<Grant, SourceError> {
        Ok(Grant {
            token: self.token.clone(),
            expires_at: None,
            server_date: None,
            user: None,
            origin: None,
            refresh: None,
            opened: false,
            proves_bearer: false,
        })
    }

    async fn renew(&mut self, _: &Means, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        self.api.renew(bearer, origin).await
    }

    async fn examine(&mut self, bearer: &Bearer, origin: &Origin) -> Vitality {
        self.api.examine(bearer, origin).await
    }

    async fn is_well(&mut self) -> bool {
        self.api.is_well().await
    }

    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.api.moved(from, location)
    }

    fn is_handed(&self) -> bool {
        true
    }

    fn origin(&self) -> &Origin {
        self.api.origin()
    }

    fn seat(&self) -> String {
        format!("whoever the token belongs to at {}", self.api.origin())
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        key.fingerprint(&[b"handed", self.token.expose_secret().as_bytes()])
    }
}
