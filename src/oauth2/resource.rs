//! The API that the tokens open.

use std::{
    future::{Future, ready},
    time::Duration,
};

use crate::{
    auth::source::{Grant, SourceError, Vitality},
    bearer::Bearer,
    origin::Origin,
};

/// The API that the tokens open (RFC 6749 §1.1: the resource server), for whatever the standard leaves to it. All but
/// the origin has an answer for an API of which nothing is known.
pub trait ResourceServer: Send + Sync {
    /// Where requests go until a grant names another origin.
    fn origin(&self) -> &Origin;

    /// Extends a live token without the refresh token, with one request; `None` where it cannot.
    fn renew(
        &self,
        bearer: &Bearer,
        origin: &Origin,
    ) -> impl Future<Output = Option<Result<Grant, SourceError>>> + Send {
        let _ = (bearer, origin);
        ready(None)
    }

    /// As [`TokenSource::examine`](crate::auth::TokenSource::examine).
    fn examine(&self, bearer: &Bearer, origin: &Origin) -> impl Future<Output = Vitality> + Send {
        let _ = (bearer, origin);
        ready(Vitality::Unclear)
    }

    /// As [`TokenSource::moved`](crate::auth::TokenSource::moved).
    fn moved(&self, from: &Origin, location: &str) -> Option<Origin> {
        let _ = (from, location);
        None
    }

    /// As [`TokenSource::longest_life`](crate::auth::TokenSource::longest_life).
    fn longest_life(&self) -> Option<Duration> {
        None
    }

    /// The origin that the body of a token answer names beside the token, if that may receive it.
    fn origin_in(&self, body: &[u8]) -> Option<Origin> {
        let _ = body;
        None
    }

    /// What the body of a token answer with status 200 says against a grant, where it does not say it as the standard
    /// has it. Words that repeat one of `secrets` are left out.
    fn objection_in(&self, body: &[u8], secrets: &[&str]) -> Option<SourceError> {
        let _ = (body, secrets);
        None
    }
}

/// An API of which nothing more is known than where it is.
#[derive(Clone, Debug)]
pub struct AnyApi {
    /// Where.
    pub origin: Origin,
}

impl ResourceServer for AnyApi {
    fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Other APIs may grant a day; what states more is more likely to be wrong.
    fn longest_life(&self) -> Option<Duration> {
        Some(LONGEST_LIFE)
    }
}

const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);
