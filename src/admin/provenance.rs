//! Whether an order comes from an operator of this machine, or from what must not give any.

use std::net::IpAddr;

use http::{HeaderMap, header::ORIGIN};

/// Who may not give orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    /// A name that resolves here, and that is not ours: DNS rebinding.
    #[error("this is not the host that the order was sent to")]
    AnotherHost,
    /// A page in a browser.
    #[error("the order comes from a web page: the request has {header}")]
    Page {
        /// What gives it away.
        header: &'static str,
    },
    /// Another machine.
    #[error("the order comes from another machine")]
    Remote,
}

impl Stranger {
    /// The last part of the problem's `type`.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::AnotherHost => "another-host",
            Self::Page { .. } => "from-a-page",
            Self::Remote => "from-elsewhere",
        }
    }

    /// How an operator gets through.
    pub(super) fn help(self) -> &'static str {
        match self {
            Self::AnotherHost => {
                "use localhost or an address, or name the host in TRADOVATE_PROXY_ADMIN_HOSTS"
            }
            Self::Page { .. } => "give orders with the commands of `tradovate-proxy`, or with curl",
            Self::Remote => {
                "run `tradovate-proxy` on the machine, or in the container, that the proxy runs in"
            }
        }
    }
}

/// Turns away what a browser sends for a page, and other machines.
///
/// Every browser sends `Origin` with a POST that a script or a form of another origin makes (Fetch §3.2), and
/// `Sec-Fetch-Site` with every request (Fetch Metadata §2.4): `none` is a person who typed the address. There is
/// no authentication here, so where the listener is open to other machines, for a scraper, it is open for
/// looking only.
pub(super) fn check(headers: &HeaderMap, peer: IpAddr) -> Result<(), Stranger> {
    if headers.contains_key(ORIGIN) {
        return Err(Stranger::Page { header: "Origin" });
    }
    if headers.get_all("sec-fetch-site").iter().any(|site| site != "none") {
        return Err(Stranger::Page { header: "Sec-Fetch-Site" });
    }
    if peer.to_canonical().is_loopback() { Ok(()) } else { Err(Stranger::Remote) }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn judge(fields: &[(&'static str, &'static str)], peer: &str) -> Result<(), Stranger> {
        let mut headers = HeaderMap::new();
        for &(name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        check(&headers, peer.parse().unwrap())
    }

    #[test]
    fn only_what_no_page_sends_and_no_other_machine_passes() {
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(judge(&[("content-type", "application/json")], local), Ok(()), "{local}");
        }
        assert_eq!(judge(&[("sec-fetch-site", "none")], "::1"), Ok(()));
        for origin in ["null", "https://evil.example", "http://127.0.0.1:9464", ""] {
            let page = Err(Stranger::Page { header: "Origin" });
            assert_eq!(judge(&[("origin", origin)], "127.0.0.1"), page, "{origin}");
        }
        for site in ["cross-site", "same-site", "same-origin", "None", ""] {
            let page = Err(Stranger::Page { header: "Sec-Fetch-Site" });
            assert_eq!(judge(&[("sec-fetch-site", site)], "127.0.0.1"), page, "{site}");
        }
        assert!(judge(&[("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], "::1").is_err());
        for remote in ["10.0.0.7", "192.168.1.2", "::ffff:10.0.0.7", "fe80::1"] {
            assert_eq!(judge(&[], remote), Err(Stranger::Remote), "{remote}");
        }
    }
}
