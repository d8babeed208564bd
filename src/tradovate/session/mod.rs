//! The session calls over HTTP: logging in, and what anybody may ask who has a token.

use http::{HeaderMap, HeaderValue, header};
use secrecy::ExposeSecret;

use crate::{
    auth::{
        courier::{Answer, Courier},
        fingerprint::{Fingerprint, FingerprintKey},
        source::{Grant, Means, SourceError, Ticket, TokenSource, Vitality},
        state::Call,
    },
    bearer::Bearer,
    origin::Origin,
    tradovate::{Credentials, Hosts, hosts::Steering, wire},
};

/// Logs in to Tradovate and renews. Not `Clone`: whoever has one can open sessions.
#[derive(Debug)]
pub struct SessionClient {
    credentials: Credentials,
    api: Api,
}

/// What Tradovate lets anybody do who has a token, however it was come by: extend it, and ask whether it lives. Cannot
/// open a session.
#[derive(Debug)]
pub struct Api {
    courier: Courier,
    steering: Steering,
    bootstrap: Origin,
}

impl SessionClient {
    /// Puts the parts together; sends nothing.
    pub fn new(credentials: Credentials, api: Api) -> Self {
        Self { credentials, api }
    }

    async fn login(&self, ticket: Option<&Ticket>) -> Result<Grant, SourceError> {
        let body = wire::acquire_body(&self.credentials, ticket)
            .map_err(|_| SourceError::Malformed { what: "the request cannot be written" })?;
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        let answer =
            self.api.courier.post(&format!("{}{ACQUIRE}", self.api.bootstrap), headers, body).await?;
        let Credentials { password, sec, .. } = &self.credentials;
        self.api.decode(Call::Acquire, &answer, &[password.expose_secret(), sec.expose_secret()])
    }
}

impl Api {
    /// Puts the parts together; sends nothing.
    pub fn new(courier: Courier, hosts: Hosts) -> Self {
        let bootstrap = hosts.bootstrap();
        Self { courier, steering: Steering::new(hosts), bootstrap }
    }

    /// Extends the session that `bearer` belongs to, asking at `origin`, with one request.
    ///
    /// # Errors
    /// Why it was not extended. [`SourceError::Refused`] means that it is dead.
    pub async fn renew(&self, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        let answer = self.courier.ask(&format!("{origin}{RENEW}"), bearer).await?;
        let token = bearer.value().to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        self.decode(Call::Renew, &answer, token.as_slice())
    }

    /// Whether `bearer` is still honoured at `origin`.
    ///
    /// Tradovate: `user/list` gives the token's user, works in both environments, and costs one of 5,000 requests
    /// an hour; `auth/me` would be cheaper to read and works on live alone, ten failures an hour.
    pub async fn examine(&self, bearer: &Bearer, origin: &Origin) -> Vitality {
        let Ok(Answer { status, body, .. }) = self.courier.ask(&format!("{origin}{EXAMINE}"), bearer).await
        else {
            return Vitality::Unclear;
        };
        match status.as_u16() {
            401 if body.trim_ascii().is_empty() => Vitality::Unclear,
            401 => Vitality::Dead,
            // A host of the wrong kind answers 404 or 421, whatever the token.
            404 | 408 | 421 | 429 => Vitality::Unclear,
            _ if status.is_server_error() || status.is_redirection() => Vitality::Unclear,
            _ => Vitality::Alive,
        }
    }

    /// Whether it answers at all. Any answer but a server's error will do: Tradovate's front end answers 404 to a
    /// path it does not know.
    pub async fn is_well(&self) -> bool {
        self.courier.is_answered(&format!("{}{PROBE}", self.bootstrap)).await
    }

    /// The origin that a redirect of `from` to `location` leads to, if that may receive a token.
    pub fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.steering.redirected(from, location)
    }

    /// Where requests go until an answer names another origin.
    pub fn origin(&self) -> &Origin {
        &self.bootstrap
    }

    /// The origin that an answer names, whatever call it answers, if that may receive a token.
    pub fn origin_in(&self, body: &[u8]) -> Option<Origin> {
        wire::origin(body, &self.steering, &[])
    }

    /// What stands in the way, where an answer with status 200 is in truth a penalty or a refusal.
    pub fn objection_in(&self, body: &[u8], secrets: &[&str]) -> Option<SourceError> {
        wire::objection(body, secrets)
    }

    fn decode(&self, call: Call, answer: &Answer, secrets: &[&str]) -> Result<Grant, SourceError> {
        let date = answer.date.as_ref().map(HeaderValue::as_bytes);
        wire::decode(call, answer.status.as_u16(), date, &answer.body, &self.steering, secrets)
    }
}

impl TokenSource for SessionClient {
    /// Logs in at the bootstrap origin.
    async fn acquire(&mut self, means: &Means) -> Result<Grant, SourceError> {
        self.login(means.ticket.as_ref()).await
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

    fn origin(&self) -> &Origin {
        self.api.origin()
    }

    fn seat(&self) -> String {
        format!("{} at {}", self.credentials.name, self.api.origin())
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        self.credentials.digest(key)
    }
}

const ACQUIRE: &str = "/v1/auth/accesstokenrequest";
const RENEW: &str = "/v1/auth/renewaccesstoken";
const EXAMINE: &str = "/v1/user/list";
const PROBE: &str = "/v1/";

#[cfg(test)]
mod tests;
