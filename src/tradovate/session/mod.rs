//! The two session calls over HTTP.
//!
//! A client of its own, apart from the one that forwards requests: no pool, no redirects, no proxy from the
//! environment, no retries, and an answer of bounded length. A login is put on the wire once per
//! call, so every convenience that might put it there twice is off.

mod failure;
mod resolver;

use std::time::Duration;

use http::{HeaderValue, header};
use reqwest::{RequestBuilder, Response, redirect, retry};
use secrecy::{ExposeSecret, zeroize::Zeroizing};

use self::resolver::LocalFirst;
use crate::{
    auth::{
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
    http: reqwest::Client,
    credentials: Credentials,
    steering: Steering,
    bootstrap: Origin,
}

/// How long one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimeouts {
    /// Name resolution, TCP and TLS handshake.
    pub connect: Duration,
    /// The whole call, from the first step to the answer's last byte. Must exceed `connect`, or an attempt that
    /// sent nothing could not be told from one whose fate is unknown.
    pub total: Duration,
}

impl Default for SessionTimeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), total: Duration::from_secs(15) }
    }
}

impl SessionClient {
    /// Puts the parts together; sends nothing. `tls` says which roots are trusted.
    ///
    /// # Errors
    /// When the HTTP client cannot be built, which says something about this program and not about its user.
    pub fn new(
        credentials: Credentials,
        hosts: Hosts,
        mut tls: rustls::ClientConfig,
        timeouts: SessionTimeouts,
    ) -> Result<Self, reqwest::Error> {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(LocalFirst)
            .referer(false)
            .retry(retry::never())
            // A connection that was idle may be dead, and what was sent on it neither here nor there.
            .pool_max_idle_per_host(0)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total.max(timeouts.connect + Duration::from_secs(1)))
            .user_agent(concat!("tradovate-proxy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let bootstrap = hosts.bootstrap();
        Ok(Self { http, credentials, steering: Steering::new(hosts), bootstrap })
    }

    async fn login(&self, ticket: Option<&Ticket>) -> Result<Grant, SourceError> {
        let body = wire::acquire_body(&self.credentials, ticket)
            .map_err(|_| SourceError::Malformed { what: "the request cannot be written" })?;
        let request = self
            .http
            .post(format!("{}{ACQUIRE}", self.bootstrap))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let Credentials { password, sec, .. } = &self.credentials;
        self.send(Call::Acquire, request, &[password.expose_secret(), sec.expose_secret()]).await
    }

    async fn renew_at(&self, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        let request =
            self.http.get(format!("{origin}{RENEW}")).header(header::AUTHORIZATION, bearer.value().clone());
        let token = bearer.value().to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
        self.send(Call::Renew, request, token.as_slice()).await
    }

    /// Sends a request that holds `secrets`.
    async fn send(
        &self,
        call: Call,
        request: RequestBuilder,
        secrets: &[&str],
    ) -> Result<Grant, SourceError> {
        let request = request.header(header::ACCEPT, "application/json");
        let response = request.send().await.map_err(failure::classify)?;
        let status = response.status();
        let date = response.headers().get(header::DATE).cloned();
        let body = match read(response).await {
            Ok(body) => body,
            // An error status says enough without its body.
            Err(_) if !status.is_success() => Zeroizing::default(),
            Err(error) => return Err(error),
        };
        let date = date.as_ref().map(HeaderValue::as_bytes);
        wire::decode(call, status.as_u16(), date, &body, &self.steering, secrets)
    }
}

impl TokenSource for SessionClient {
    /// Logs in at the bootstrap origin.
    async fn acquire(&mut self, means: &Means) -> Result<Grant, SourceError> {
        self.login(means.ticket.as_ref()).await
    }

    async fn renew(&mut self, _: &Means, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        self.renew_at(bearer, origin).await
    }

    /// Tradovate: `user/list` gives the token's user, works in both environments, and costs one of 5,000 requests
    /// an hour; `auth/me` would be cheaper to read and works on live alone, ten failures an hour.
    async fn examine(&mut self, bearer: &Bearer, origin: &Origin) -> Vitality {
        let request =
            self.http.get(format!("{origin}{EXAMINE}")).header(header::AUTHORIZATION, bearer.value().clone());
        let Ok(response) = request.header(header::ACCEPT, "application/json").send().await else {
            return Vitality::Unclear;
        };
        let status = response.status();
        match status.as_u16() {
            401 => match read(response).await {
                Ok(body) if !body.trim_ascii().is_empty() => Vitality::Dead,
                Ok(_) | Err(_) => Vitality::Unclear,
            },
            408 | 429 => Vitality::Unclear,
            _ if status.is_server_error() || status.is_redirection() => Vitality::Unclear,
            _ => Vitality::Alive,
        }
    }

    /// Any answer but a server's error will do: Tradovate's front end answers 404 to a path it does not know.
    async fn is_well(&mut self) -> bool {
        let answered =
            self.http.get(format!("{}{PROBE}", self.bootstrap)).timeout(PROBE_PATIENCE).send().await;
        answered.is_ok_and(|response| !response.status().is_server_error())
    }

    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        self.steering.redirected(from, location)
    }

    fn origin(&self) -> &Origin {
        &self.bootstrap
    }

    fn seat(&self) -> String {
        format!("{} at {}", self.credentials.name, self.bootstrap)
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        self.credentials.digest(key)
    }
}

async fn read(mut response: Response) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let mut body = Zeroizing::new(Vec::with_capacity(LARGEST_ANSWER));
    while let Some(chunk) = response.chunk().await.map_err(failure::classify)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(SourceError::Malformed { what: "it is longer than 64 KiB" });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

const ACQUIRE: &str = "/v1/auth/accesstokenrequest";
const RENEW: &str = "/v1/auth/renewaccesstoken";
const EXAMINE: &str = "/v1/user/list";
const PROBE: &str = "/v1/";

/// In bytes. Real answers have one kilobyte.
const LARGEST_ANSWER: usize = 64 * 1024;

/// How long upstream may take to show that it is there: twice this and the wait between must stay below the 15 s in
/// which service is to be back.
const PROBE_PATIENCE: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests;
