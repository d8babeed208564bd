//! By which names a listener may be called.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// A name or an address that the configuration adds to a listener's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostName {
    /// A name, lower case.
    Name(String),
    /// An address: that of a host which forwards a port to us, since of that we cannot know.
    Address(IpAddr),
}

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            // It reaches us on Linux, and browsers let public pages send there for years: no name for anybody.
            Ok(address) if address.is_unspecified() => Err(InvalidHost),
            Ok(address) => Ok(Self::Address(address.to_canonical())),
            Err(_) if !text.is_empty() && text.bytes().all(is_name_byte) => {
                Ok(Self::Name(text.to_ascii_lowercase()))
            }
            Err(_) => Err(InvalidHost),
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// No name for a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a host name or an address (without a port; 0.0.0.0 and [::] are nobody's)")]
pub struct InvalidHost;

/// What stands in `Host`, its port left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called<'a> {
    Name(&'a str),
    Address(IpAddr),
}

impl<'a> Called<'a> {
    /// RFC 9112 §3.2 with RFC 3986 §3.2: `host` or `host:port`; `None` where it is neither, or empty, which RFC 9110
    /// §4.2.1 calls invalid. No user-info: `Host` has none.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(value).ok()?;
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            is_port(port).then_some(())?;
            // No zone: it means something on the machine of the sender alone.
            return address.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (is_port(port) && !host.is_empty() && host.bytes().all(is_host_byte)).then_some(())?;
        // Only four decimals: what `127.1` or `0x7f.1` might mean is left to whoever sends it, and is no name of ours.
        Some(host.parse().map_or(Self::Name(host), Self::Address))
    }

    /// Whether that is a listener of ours, on a connection that `arrived_at` there.
    ///
    /// `localhost.` with its dot is not: resolvers may ask the network for it, and nobody needs it. Nor is `a.localhost`,
    /// which another server of this machine may go by.
    pub(super) fn is_ours(self, names: &[HostName], arrived_at: impl FnOnce() -> Option<IpAddr>) -> bool {
        match self {
            Self::Name(called) => {
                called.eq_ignore_ascii_case("localhost")
                    || names.iter().any(|name| match name {
                        HostName::Name(name) => name.eq_ignore_ascii_case(called),
                        HostName::Address(_) => false,
                    })
            }
            Self::Address(address) => {
                let address = address.to_canonical();
                address.is_loopback()
                    || names.contains(&HostName::Address(address))
                    || !address.is_unspecified()
                        && arrived_at().map(|arrived| arrived.to_canonical()) == Some(address)
            }
        }
    }
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    let digits = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

/// RFC 3986 §3.2.2, `reg-name`.
fn is_host_byte(byte: u8) -> bool {
    is_name_byte(byte) || b"~%!$&'()*+;=,".contains(&byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARRIVED: &str = "10.1.2.3";

    fn names() -> Vec<HostName> {
        ["proxy.internal", "192.168.1.5", "fd00::5"].map(|name| name.parse().unwrap()).into()
    }

    /// `None` where nothing can be made of it.
    fn is_ours(host: &str) -> Option<bool> {
        let arrived_at = || Some(ARRIVED.parse().unwrap());
        Called::read(host.as_bytes()).map(|called| called.is_ours(&names(), arrived_at))
    }

    #[test]
    fn exactly_our_own_names_are_ours() {
        for ours in [
            "localhost",
            "LocalHost",
            "localhost:8080",
            "localhost:1",
            "127.0.0.1",
            "127.0.0.1:65535",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:8080",
            "[0:0:0:0:0:0:0:1]:8080",
            "[::ffff:127.0.0.1]",
            // Configured.
            "proxy.internal",
            "Proxy.Internal:8080",
            "192.168.1.5:8080",
            "[fd00::5]",
            "[::ffff:192.168.1.5]",
            // Where the connection came to.
            "10.1.2.3:8080",
        ] {
            assert_eq!(is_ours(ours), Some(true), "{ours}");
        }
        for another in [
            // kubernetes #9287, CVE-2025-66414, CVE-2025-66416: rebound names, and such as look like ours.
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "evil-localhost",
            "127.0.0.1.nip.io",
            "localhost.localdomain",
            "localhost.",
            "127.0.0.1.",
            "a.localhost",
            "demo.tradovateapi.com",
            "proxy.internal.",
            "x.proxy.internal",
            "internal",
            // RFC 3986 §7.4: other spellings of addresses.
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.01",
            // Addresses that are not ours; 0.0.0.0 reaches us all the same.
            "0.0.0.0:8080",
            "[::]:8080",
            "[::ffff:0.0.0.0]",
            "10.1.2.4",
            "192.168.1.6",
            "8.8.8.8",
            "[fe80::1]",
            "%6cocalhost",
            "localhost,evil.example",
        ] {
            assert_eq!(is_ours(another), Some(false), "{another}");
        }
        for nothing in [
            "",
            ":8080",
            "localhost:",
            "localhost:x",
            "localhost:+1",
            "localhost:65536",
            "localhost:80:80",
            "user@localhost",
            "localhost@evil.example",
            "localhost/",
            "local host",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[127.0.0.1]",
            "[localhost]",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "l\u{f6}calhost",
            "localhost\0",
        ] {
            assert_eq!(is_ours(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn an_unknown_arrival_is_no_address() {
        assert!(!Called::read(b"10.1.2.3").unwrap().is_ours(&[], || None));
        assert!(!Called::read(b"0.0.0.0").unwrap().is_ours(&[], || Some("0.0.0.0".parse().unwrap())));
    }

    #[test]
    fn a_configured_name_has_its_form() {
        for (text, shown) in [("Proxy.Example", "proxy.example"), ("[::2]", "::2"), ("a_b", "a_b")] {
            assert_eq!(text.parse::<HostName>().unwrap().to_string(), shown);
        }
        for wrong in ["", "a:80", "http://a", "*.example", "a b", "0.0.0.0", "::", "[::]", "[a]"] {
            assert_eq!(wrong.parse::<HostName>(), Err(InvalidHost), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_ours(text in prop_oneof![
            "\\PC{0,24}",
            "[a-z.]{0,6}(localhost|127\\.0\\.0\\.1|proxy\\.internal|\\[::1\\])[a-z.:@0-9]{0,6}",
        ]) {
            if is_ours(&text) == Some(true) {
                let host = match text.rsplit_once(':') {
                    Some((host, port)) if !port.ends_with(']') => host,
                    _ => &text,
                };
                let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
                let is_address = bare.parse::<IpAddr>().is_ok_and(|address| {
                    let known = [ARRIVED, "192.168.1.5", "fd00::5"].map(|known| known.parse().unwrap());
                    address.to_canonical().is_loopback() || known.contains(&address.to_canonical())
                });
                prop_assert!(is_address || ["localhost", "proxy.internal"].contains(&&*bare), "{}", text);
            }
        }

        #[test]
        fn every_address_is_read_as_itself(bits in any::<u128>(), short in any::<u32>(), port in any::<u16>()) {
            let (v4, v6) = (std::net::Ipv4Addr::from(short), Ipv6Addr::from(bits));
            for (text, address) in
                [(format!("{v4}:{port}"), IpAddr::from(v4)), (format!("[{v6}]:{port}"), IpAddr::from(v6))]
            {
                prop_assert_eq!(Called::read(text.as_bytes()), Some(Called::Address(address)));
            }
        }
    }
}
