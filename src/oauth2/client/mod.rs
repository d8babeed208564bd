//! The source of tokens.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    auth::{
        courier::Courier,
        fingerprint::{Fingerprint, FingerprintKey},
        source::{Grant, Means, SourceError, TokenSource, Vitality},
    },
    bearer::Bearer,
    clock::Clock,
    oauth2::{
        Registration, ResourceServer,
        answer::{self, Granted},
    },
    origin::Origin,
};

/// Trades refresh tokens for access tokens. Not `Clone`: of two with one refresh token that rotates, one loses it.
#[derive(Debug)]
pub struct RefreshClient<R> {
    courier: Courier,
    registration: Registration,
    /// The first refresh token. Every later one comes with the [`Means`].
    seed: SecretString,
    resource: R,
    clock: Clock,
    /// Until when a renewal may spare the refresh token, if the API can renew without it.
    spare_until: Timestamp,
}

impl<R: ResourceServer> RefreshClient<R> {
    /// Puts the parts together; sends nothing.
    pub fn new(
        courier: Courier,
        registration: Registration,
        seed: SecretString,
        resource: R,
        clock: Clock,
    ) -> Self {
        // How old the refresh token is, nobody knows yet.
        Self { courier, registration, seed, resource, clock, spare_until: Timestamp::MIN }
    }

    /// One refresh request.
    async fn refresh(&mut self, means: &Means, opened: bool) -> Result<Grant, SourceError> {
        let refresh = means.refresh.as_ref().unwrap_or(&self.seed);
        let (headers, body) = self.registration.request(refresh);
        let asked = self.clock.now();
        let answer = self.courier.post(&self.registration.token_url.whole(), headers, body).await?;
        let secrets = self.registration.secrets(refresh);
        let secrets: Vec<&str> = secrets.iter().map(|secret| secret.as_str()).collect();
        if answer.status.is_success()
            && let Some(objection) = self.resource.objection_in(&answer.body, &secrets)
        {
            return Err(objection);
        }
        let Granted { token, life, refresh: next, refresh_life } = answer::decode(&answer, &secrets)?;
        let server_date = answer.server_date();
        let origin = self.resource.origin_in(&answer.body);
        let next = next.filter(|next| next.expose_secret() != refresh.expose_secret());
        // One that is told no end lives on by itself; any other is to be used again in good time.
        self.spare_until = match refresh_life {
            Some(life) => asked.saturating_add(life / 2).unwrap_or(Timestamp::MAX),
            None => Timestamp::MAX,
        };
        // Told as a length, but told onwards as an instant of the server's clock, like everybody's.
        let answered = server_date.unwrap_or(asked);
        let expires_at = life.and_then(|life| answered.checked_add(life).ok());
        Ok(Grant {
            token,
            expires_at,
            server_date,
            user: None,
            origin,
            refresh: next,
            opened,
            proves_bearer: false,
        })
    }
}

impl<R: ResourceServer> TokenSource for RefreshClient<R> {
    async fn acquire(&mut self, means: &Means) -> Result<Grant, SourceError> {
        self.refresh(means, true).await
    }

    /// By the API's own renewal, if it has one and the refresh token need not be used to stay alive; else by the
    /// refresh token.
    async fn renew(&mut self, means: &Means, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        if self.clock.now() < self.spare_until
            && let Some(renewed) = self.resource.renew(bearer, origin).await
        {
            return renewed;
        }
        let granted = self.refresh(means, false).await;
        granted.map_err(|error| {
            // The next try takes the other way, where there is one.
            self.spare_until = self.clock.now().saturating_add(SPARED).unwrap_or(Timestamp::MAX);
            apart_from_the_token(error)
        })
    }

    async fn examine(&mut self, bearer: &Bearer, origin: &Origin) -> Vitality {
        self.resource.examine(bearer, origin).await
    }

    /// Asks the authorization server, since nothing goes on without it.
    async fn is_well(&mut self) -> bool {
        self.courier.is_answered(&format!("{}/", self.registration.token_url.origin())).await
    }

    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.resource.moved(from, location)
    }

    fn longest_life(&self) -> Option<Duration> {
        self.resource.longest_life()
    }

    fn origin(&self) -> &Origin {
        self.resource.origin()
    }

    fn seat(&self) -> String {
        let Registration { token_url, client_id, .. } = &self.registration;
        format!("client {client_id} of {token_url} at {}", self.resource.origin())
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        let Registration { client_id, client_secret, .. } = &self.registration;
        key.fingerprint(&[
            b"oauth2",
            client_id.as_bytes(),
            client_secret.expose_secret().as_bytes(),
            self.seed.expose_secret().as_bytes(),
        ])
    }

    /// Without the client's secret, which may change while the chain of refresh tokens goes on.
    fn seed(&self, key: &FingerprintKey) -> Fingerprint {
        let seed = self.seed.expose_secret().as_bytes();
        key.fingerprint(&[b"oauth2", self.registration.client_id.as_bytes(), seed])
    }
}

/// A refused renewal means a dead session everywhere else ([`SourceError::Refused`]). A refused refresh token means
/// nothing for the access token in use: it is said in the log, and the failure is one to be tried again.
fn apart_from_the_token(error: SourceError) -> SourceError {
    if let SourceError::Refused { status, text } = error {
        tracing::warn!(status, %text, "the refresh token was refused; the token in use serves on");
        return SourceError::UnexpectedStatus { status };
    }
    error
}

/// After a refresh token was refused, how long renewals go without it.
const SPARED: SignedDuration = SignedDuration::from_hours(1);

#[cfg(test)]
mod tests;
