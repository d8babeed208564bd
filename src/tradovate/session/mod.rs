//! The two session calls over HTTP.
//!
//! A client of its own, apart from the one that forwards requests: no pool, no redirects, no proxy from the
//! environment, no retries, and an answer of bounded length. A login is put on the wire once per
//! call, so every convenience that might put it there twice is off.

mod failure;

use std::time::Duration;

use http::{HeaderValue, header};
use reqwest::{RequestBuilder, Response, redirect, retry};
use secrecy::{ExposeSecret, zeroize::Zeroizing};

use crate::{
    auth::{
        fingerprint::{Fingerprint, FingerprintKey},
        source::{Grant, SourceError, Ticket, TokenSource},
        state::Call,
    },
    bearer::Bearer,
    origin::Origin,
    tradovate::{Credentials, Hosts, wire},
};

/// Logs in to Tradovate and renews. Not `Clone`: whoever has one can open sessions.
#[derive(Debug)]
pub struct SessionClient {
    http: reqwest::Client,
    credentials: Credentials,
    hosts: Hosts,
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
            .referer(false)
            .retry(retry::never())
            // A connection that was idle may be dead, and what was sent on it neither here nor there.
            .pool_max_idle_per_host(0)
            .connect_timeout(timeouts.connect)
            .timeout(timeouts.total.max(timeouts.connect + Duration::from_secs(1)))
            .user_agent(concat!("tradovate-proxy/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let bootstrap = hosts.bootstrap();
        Ok(Self { http, credentials, hosts, bootstrap })
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
        wire::decode(call, status.as_u16(), date, &body, &self.hosts, secrets)
    }
}

impl TokenSource for SessionClient {
    /// Logs in at the bootstrap origin. A penalty without captcha is waited out and its ticket sent back, once.
    async fn acquire(&mut self) -> Result<Grant, SourceError> {
        match self.login(None).await {
            Err(SourceError::Penalty { wait, ticket }) if wait <= LONGEST_PENALTY => {
                tracing::warn!(seconds = wait.as_secs(), "the broker imposed a penalty; waiting it out");
                tokio::time::sleep(wait).await;
                self.login(Some(&ticket)).await
            }
            answer => answer,
        }
    }

    /// Renews at `origin`. Tradovate: where that cannot be reached, or is the wrong host by now, the bootstrap
    /// origin is asked once. A renewal opens no session, so that a second one does no harm.
    async fn renew(&mut self, bearer: &Bearer, origin: &Origin) -> Result<Grant, SourceError> {
        match self.renew_at(bearer, origin).await {
            Err(error) if *origin != self.bootstrap && is_wrong_host(&error) => {
                tracing::warn!(%origin, %error, "renewing at the bootstrap origin instead");
                self.renew_at(bearer, &self.bootstrap).await
            }
            answer => answer,
        }
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

/// Tradovate: a host that is not the user's answers 307, and 421 to an upgrade.
fn is_wrong_host(error: &SourceError) -> bool {
    matches!(
        error,
        SourceError::Unreachable { .. } | SourceError::UnexpectedStatus { status: 301..=308 | 421 }
    )
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

/// In bytes. Real answers have one kilobyte.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A longer penalty is left to the renewer, which can be interrupted and says in `/status` what it waits for.
const LONGEST_PENALTY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
