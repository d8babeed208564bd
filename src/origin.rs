//! Scheme and authority of an upstream, checked once.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use http::{Uri, uri::Authority};

/// Where requests are sent: `https://host[:port]`, or `http://` to a loopback address only, since a bearer
/// token travels in the clear there.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    tls: bool,
    authority: Authority,
    host: String,
    port: u16,
}

impl Origin {
    /// Whether the connection is TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// `host[:port]` as it goes into `Host` (RFC 9112 §3.2): no default port.
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host alone, without brackets: a name, or an address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Reads a URL that names a host and nothing behind it, not even `/v1`: for an API whose paths are its own, where
    /// what stands there would be left out without a word.
    pub fn bare(url: &str) -> Result<Self, OriginError> {
        let origin: Self = url.parse()?;
        let has_path = url.parse::<Uri>().is_ok_and(|uri| !matches!(uri.path(), "" | "/"));
        if has_path { Err(OriginError::Prefix) } else { Ok(origin) }
    }

    /// `https` at this host and its usual port: how a host name from `apiHosts` becomes an origin.
    pub fn https(host: &str) -> Result<Self, OriginError> {
        format!("https://{host}").parse()
    }

    /// Another host, asked in the same way: scheme and port stay.
    pub fn at(&self, host: &str) -> Result<Self, OriginError> {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.port).parse()
    }
}

/// The addresses of `localhost` and of every name below it, for which DNS is not asked (RFC 6761 §6.3): a resolver
/// that answered otherwise would take what is meant to stay on this machine, and with it a token, elsewhere.
pub fn loopback_addresses(host: &str) -> Option<[IpAddr; 2]> {
    is_localhost(host).then_some([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)])
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(url: &str) -> Result<Self, OriginError> {
        let uri: Uri = url.parse().map_err(|_| OriginError::NotAUrl)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(OriginError::Scheme),
        };
        let authority = uri.authority().ok_or(OriginError::NotAUrl)?;
        if authority.as_str().contains('@') {
            return Err(OriginError::UserInfo);
        }
        if !matches!(uri.path(), "" | "/" | "/v1" | "/v1/") || uri.query().is_some() {
            return Err(OriginError::Path);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return Err(OriginError::NotAUrl);
        }
        if !tls && !is_loopback(&host) {
            return Err(OriginError::PlainToRemote);
        }
        let default_port = if tls { 443 } else { 80 };
        let port = match authority.port() {
            // `port` is silent about one that is empty or too large.
            None if !authority.as_str().ends_with(authority.host()) => return Err(OriginError::NotAUrl),
            None => default_port,
            Some(port) => port.as_str().parse().ok().filter(|&port| port != 0).ok_or(OriginError::NotAUrl)?,
        };
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let text = if port == default_port { bracketed } else { format!("{bracketed}:{port}") };
        let authority = text.parse().map_err(|_| OriginError::NotAUrl)?;
        Ok(Self { tls, authority, host, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a URL is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It does not parse, or has no host or a bad port.
    #[error("not a URL of the form https://host[:port]")]
    NotAUrl,
    /// Neither `https` nor `http`.
    #[error("the scheme must be https (or http, to a loopback address)")]
    Scheme,
    /// `user@host`: never meant, and a classic way to steer a token elsewhere.
    #[error("a user name has no place in this URL")]
    UserInfo,
    /// Something other than `/v1` behind the host: paths are the caller's.
    #[error("only a host, with or without /v1 behind it: paths come from the caller")]
    Path,
    /// `/v1` behind the host of another API.
    #[error("only a host, with nothing behind it: paths come from the caller, and are sent as they are")]
    Prefix,
    /// Plain HTTP would carry the token in the clear.
    #[error(
        "plain http is for loopback addresses only, since the token would travel in the clear: use https"
    )]
    PlainToRemote,
}

fn is_loopback(host: &str) -> bool {
    is_localhost(host) || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether every resolver of this crate takes the name to be this machine's own.
fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.strip_suffix("localhost").is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_authority() {
        for (url, text, host, port) in [
            (
                "https://demo.tradovateapi.com/v1",
                "https://demo.tradovateapi.com",
                "demo.tradovateapi.com",
                443,
            ),
            ("https://Example.com:443", "https://example.com", "example.com", 443),
            ("https://example.com:8443/", "https://example.com:8443", "example.com", 8443),
            ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000", "127.0.0.1", 9000),
            ("http://[::1]:9000", "http://[::1]:9000", "::1", 9000),
            ("http://localhost", "http://localhost", "localhost", 80),
            ("http://Demo.localhost:9000", "http://demo.localhost:9000", "demo.localhost", 9000),
        ] {
            let origin: Origin = url.parse().unwrap();
            assert_eq!((origin.to_string().as_str(), origin.host(), origin.port()), (text, host, port));
            assert_eq!(origin.to_string().parse::<Origin>().unwrap(), origin);
        }
    }

    #[test]
    fn a_bare_origin_has_no_path_at_all() {
        for url in ["https://example.com", "https://example.com/", "http://127.0.0.1:9000"] {
            assert_eq!(Origin::bare(url), url.parse(), "{url}");
        }
        for url in ["https://example.com/v1", "https://example.com/v1/"] {
            assert_eq!(Origin::bare(url).unwrap_err(), OriginError::Prefix, "{url}");
        }
        assert_eq!(Origin::bare("https://example.com/v2").unwrap_err(), OriginError::Path);
    }

    #[test]
    fn whatever_could_steer_a_token_is_refused() {
        for (url, error) in [
            ("http://example.com", OriginError::PlainToRemote),
            ("http://127.0.0.1.nip.io", OriginError::PlainToRemote),
            ("http://evillocalhost", OriginError::PlainToRemote),
            ("http://localhost.example.com", OriginError::PlainToRemote),
            ("https://user@example.com", OriginError::UserInfo),
            ("https://example.com/v2", OriginError::Path),
            ("https://example.com/?a", OriginError::Path),
            ("ftp://example.com", OriginError::Scheme),
            ("example.com", OriginError::Scheme),
            ("https://example.com:0", OriginError::NotAUrl),
            ("https://example.com:99999", OriginError::NotAUrl),
            ("https://", OriginError::NotAUrl),
        ] {
            assert_eq!(url.parse::<Origin>().unwrap_err(), error, "{url}");
        }
    }

    #[test]
    fn only_the_host_changes_when_an_origin_moves() {
        let moved =
            |url: &str, host| url.parse::<Origin>().unwrap().at(host).map(|origin| origin.to_string());
        assert_eq!(moved("https://a.example", "b.example").unwrap(), "https://b.example");
        assert_eq!(moved("https://a.example:8443", "b.example").unwrap(), "https://b.example:8443");
        assert_eq!(moved("http://a.localhost:9000", "b.localhost").unwrap(), "http://b.localhost:9000");
        assert_eq!(moved("http://a.localhost:9000", "b.example").unwrap_err(), OriginError::PlainToRemote);
        assert_eq!(moved("https://a.example", "x@b.example").unwrap_err(), OriginError::UserInfo);
    }

    #[test]
    fn names_of_this_machine_are_no_business_of_dns() {
        for name in ["localhost", "LOCALHOST", "localhost.", "a.localhost", "a.B.localhost."] {
            let addresses = loopback_addresses(name).unwrap_or_else(|| panic!("{name}"));
            assert!(addresses.iter().all(IpAddr::is_loopback));
        }
        for name in ["", "alocalhost", "localhost.example.com", "127.0.0.1", "localhost..", "local"] {
            assert_eq!(loopback_addresses(name), None, "{name}");
        }
    }
}
