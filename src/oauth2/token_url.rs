//! The token endpoint's address.

use std::{fmt, str::FromStr};

use http::Uri;

use crate::origin::{Origin, OriginError};

/// Where tokens are asked for (RFC 6749 §3.2): `https`, or `http` to a loopback address, since the client's secret
/// goes there. `Debug` and `Display` leave out the query, in which some servers want a key.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUrl {
    origin: Origin,
    path_and_query: String,
}

impl TokenUrl {
    /// The endpoint at `origin` below `path`.
    pub fn at(origin: &Origin, path: &str) -> Self {
        Self { origin: origin.clone(), path_and_query: path.to_owned() }
    }

    /// Scheme and authority.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// All of it.
    pub(super) fn whole(&self) -> String {
        format!("{}{}", self.origin, self.path_and_query)
    }
}

impl FromStr for TokenUrl {
    type Err = TokenUrlError;

    fn from_str(url: &str) -> Result<Self, TokenUrlError> {
        // `Uri` drops a fragment without a word.
        if url.contains('#') {
            return Err(TokenUrlError::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| OriginError::NotAUrl)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(OriginError::NotAUrl.into());
        };
        let origin = format!("{scheme}://{authority}").parse()?;
        let path_and_query = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { origin, path_and_query })
    }
}

impl fmt::Display for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path_and_query.split('?').next().unwrap_or_default();
        write!(f, "{}{path}", self.origin)
    }
}

impl fmt::Debug for TokenUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a URL is no token endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenUrlError {
    /// Something is wrong in front of the path.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// RFC 6749 §3.2: "The endpoint URI MUST NOT include a fragment component."
    #[error("a fragment (#…) has no place in the address of a token endpoint")]
    Fragment,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_url_keeps_its_path_and_query_and_shows_no_query() {
        for (url, whole, shown) in [
            ("https://a.example/v1/token", "https://a.example/v1/token", "https://a.example/v1/token"),
            ("https://a.example", "https://a.example/", "https://a.example/"),
            ("https://A.example:443/T?k=canary", "https://a.example/T?k=canary", "https://a.example/T"),
            ("http://127.0.0.1:1/t", "http://127.0.0.1:1/t", "http://127.0.0.1:1/t"),
        ] {
            let parsed: TokenUrl = url.parse().unwrap();
            assert_eq!((parsed.whole().as_str(), parsed.to_string().as_str()), (whole, shown));
            assert_eq!(format!("{parsed:?}"), shown);
        }
    }

    #[test]
    fn whatever_could_carry_the_secret_elsewhere_or_in_clear_is_refused() {
        for (url, error) in [
            ("http://a.example/token", OriginError::PlainToRemote),
            ("https://user@a.example/token", OriginError::UserInfo),
            ("ftp://a.example/token", OriginError::Scheme),
            ("/token", OriginError::NotAUrl),
            ("a.example", OriginError::NotAUrl),
            ("https://", OriginError::NotAUrl),
        ] {
            assert_eq!(url.parse::<TokenUrl>().unwrap_err(), error.into(), "{url}");
        }
        assert_eq!("https://a.example/#b".parse::<TokenUrl>().unwrap_err(), TokenUrlError::Fragment);
    }
}
