//! The forms a value can take: durations, sizes, numbers, addresses, choices and lists, each parsed strictly.

use std::{
    net::{Ipv6Addr, SocketAddr},
    ops::RangeInclusive,
    time::Duration,
};

use crate::callers::HostName;

/// `1500ms`, `10s`, `5m` or `1h`: a whole number and a unit, at most [`LONGEST`].
pub(super) fn duration(text: &str) -> Result<Duration, Invalid> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| Invalid::Duration)?;
    let span = match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => return Err(Invalid::Duration),
    };
    span.filter(|span| *span <= LONGEST).ok_or(Invalid::TooLong)
}

/// A duration that is not zero: a bound of zero would fail every request.
pub(crate) fn bound(text: &str) -> Result<Duration, Invalid> {
    duration(text).and_then(|span| if span.is_zero() { Err(Invalid::Zero) } else { Ok(span) })
}

/// A duration of `least` or more.
pub(super) fn at_least(text: &str, least: Duration) -> Result<Duration, Invalid> {
    let span = duration(text)?;
    if span < least { Err(Invalid::TooShort { least: duration_text(least) }) } else { Ok(span) }
}

/// A number of bytes, or of `KiB`, `MiB` or `GiB`, inside `range`.
pub(super) fn size(text: &str, range: RangeInclusive<usize>) -> Result<usize, Invalid> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: usize = number.parse().map_err(|_| Invalid::Size)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(Invalid::Size),
    };
    number.checked_mul(factor).filter(|bytes| range.contains(bytes)).ok_or_else(|| Invalid::OutOfRange {
        least: size_text(*range.start()),
        most: size_text(*range.end()),
    })
}

/// A whole number inside `range`.
pub(super) fn count(text: &str, range: RangeInclusive<usize>) -> Result<usize, Invalid> {
    let number: usize = text.parse().map_err(|_| Invalid::Number)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(Invalid::OutOfRange { least: range.start().to_string(), most: range.end().to_string() })
}

/// `yes` or `no`; TOML's `true` and `false` mean the same.
pub(super) fn yes_or_no(text: &str) -> Result<bool, Invalid> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(Invalid::Choice { of: "yes, no" }),
    }
}

/// An address and a port. No names: what `localhost` means is up to a file, and may be two addresses.
pub(crate) fn address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse().map_err(|_| Invalid::Address)
}

/// Entries between commas, lower case, each accepted by `is_valid`.
pub(super) fn list(
    text: &str,
    form: &'static str,
    is_valid: fn(&str) -> bool,
) -> Result<Vec<String>, Invalid> {
    let entries: Vec<_> = text.split(',').map(|entry| entry.trim().to_ascii_lowercase()).collect();
    if entries.iter().all(|entry| is_valid(entry)) { Ok(entries) } else { Err(Invalid::List { form }) }
}

/// `type/subtype` without parameters or wildcards (RFC 9110 §8.3.1).
pub(super) fn is_content_type(text: &str) -> bool {
    let is_token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    text.split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

/// A host name without a port.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// Names or addresses by which a listener may be called.
pub(super) fn host_names(text: &str) -> Result<Vec<HostName>, Invalid> {
    let names: Result<_, _> = text.split(',').map(|entry| entry.trim().parse()).collect();
    names.map_err(|_| Invalid::List { form: "host names or addresses (without a port, and not 0.0.0.0)" })
}

/// Origins as a browser writes them (RFC 6454 §6.2), to which they are compared: in lower case, which [`list`] sees to,
/// and without the port that the scheme has anyway.
pub(super) fn web_origins(text: &str) -> Result<Vec<String>, Invalid> {
    let origins = list(text, ORIGINS, is_web_origin)?;
    let written = |origin: &String| {
        let bare = DEFAULT_PORTS.iter().filter(|(scheme, _)| origin.starts_with(scheme));
        bare.map(|(_, port)| *port).find_map(|port| origin.strip_suffix(port)).map(str::to_owned)
    };
    match origins.iter().find_map(written) {
        Some(write) => Err(Invalid::DefaultPort { write }),
        None => Ok(origins),
    }
}

/// Never `null`, which every sandboxed frame sends.
fn is_web_origin(text: &str) -> bool {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
    };
    let is_port = |text: &str| text.parse().is_ok_and(|port: u16| port > 0 && port.to_string() == text);
    let is_host = |text: &str| match text.strip_prefix('[') {
        Some(address) => address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => is_host_name(text),
    };
    let Some((scheme, authority)) = text.split_once("://") else { return false };
    is_scheme(scheme)
        && match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => is_host(host) && is_port(port),
            _ => is_host(authority),
        }
}

/// A duration in the largest unit that holds it whole; reads back as itself.
pub(super) fn duration_text(span: Duration) -> String {
    let millis = span.as_millis();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        // A minute and a half reads better as 90s, and two hours as 2h.
        if millis >= 2 * size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    if millis == 1_000 { "1s".to_owned() } else { format!("{millis}ms") }
}

/// A size in the largest unit that holds it whole; reads back as itself.
pub(super) fn size_text(bytes: usize) -> String {
    for (unit, size) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= size && bytes.is_multiple_of(size) {
            return format!("{}{unit}", bytes / size);
        }
    }
    bytes.to_string()
}

/// What is wrong with a value. Never the value itself, which may be a secret that strayed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No number and unit.
    #[error("not a duration: write a whole number and a unit, such as 1500ms, 10s, 5m or 1h")]
    Duration,
    /// A duration of more than a day: a slip of the unit.
    #[error("longer than a day")]
    TooLong,
    /// A duration in which what it is for cannot happen.
    #[error("shorter than {least}")]
    TooShort {
        /// The shortest accepted.
        least: String,
    },
    /// A bound of zero.
    #[error("zero would end every request at once")]
    Zero,
    /// No number of bytes.
    #[error("not a size: write a number of bytes, or one with KiB, MiB or GiB, such as 1MiB")]
    Size,
    /// No whole number.
    #[error("not a whole number")]
    Number,
    /// No 256-bit key.
    #[error("not 64 hexadecimal digits: make a key with openssl rand -hex 32")]
    Key,
    /// A number outside its range.
    #[error("not between {least} and {most}")]
    OutOfRange {
        /// The smallest accepted.
        least: String,
        /// The largest accepted.
        most: String,
    },
    /// None of the words accepted.
    #[error("not one of: {of}")]
    Choice {
        /// The words.
        of: &'static str,
    },
    /// No address and port.
    #[error("not an address and a port, such as 127.0.0.1:8080 or [::1]:8080")]
    Address,
    /// No place to listen at.
    #[error(transparent)]
    Listener(#[from] crate::downstream::AddressError),
    /// A PEM file that holds no private key.
    #[error(
        "no usable private key in this file: it must hold lines from BEGIN PRIVATE KEY to END PRIVATE KEY, unencrypted"
    )]
    PrivateKey,
    /// A list with an entry of another form.
    #[error("not a list of {form} with commas between")]
    List {
        /// What the entries must be.
        form: &'static str,
    },
    /// An origin that no request comes from.
    #[error("browsers leave the port out that the scheme has anyway: write {write}")]
    DefaultPort {
        /// The same origin as they write it.
        write: String,
    },
    /// Not an upstream.
    #[error(transparent)]
    Origin(#[from] crate::origin::OriginError),
    /// Not a token endpoint's address.
    #[error(transparent)]
    TokenUrl(#[from] crate::oauth2::TokenUrlError),
    /// Not further fields of a form.
    #[error(transparent)]
    Parameters(#[from] crate::oauth2::InvalidParameters),
    /// Not a list of keys.
    #[error(transparent)]
    Keys(#[from] crate::callers::InvalidKeys),
    /// Not a log filter.
    #[error(transparent)]
    Filter(#[from] crate::telemetry::InvalidFilter),
    /// A PEM file that holds no certificate, or a broken one.
    #[error(
        "no usable PEM certificate in this file: it must hold lines from BEGIN CERTIFICATE to END CERTIFICATE"
    )]
    Certificate,
    /// A file that cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
}

const ORIGINS: &str = "origins (scheme://host:port, as the browser sends them, and not `null`)";
/// WHATWG URL §4.2, as far as pages come by such.
const DEFAULT_PORTS: [(&str, &str); 2] = [("http://", ":80"), ("https://", ":443")];

/// No bound of this proxy is sensibly longer: a slip of the unit would be.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("24h"), Ok(LONGEST));
        for bad in ["", "10", "s", "-1s", "1.5s", "10 s", "10S", "1m30s", "99999999999999999999s"] {
            assert_eq!(duration(bad), Err(Invalid::Duration), "{bad:?}");
        }
        for long in ["25h", "18446744073709551615h", "18446744073709551615ms"] {
            assert_eq!(duration(long), Err(Invalid::TooLong), "{long:?}");
        }
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert_eq!(bound("0s"), Err(Invalid::Zero));
    }

    #[test]
    fn a_size_is_bytes_or_binary_units() {
        assert_eq!(size("1MiB", 1..=usize::MAX), Ok(1 << 20));
        assert_eq!(size("17", 1..=usize::MAX), Ok(17));
        for bad in ["", "1MB", "1 MiB", "MiB", "-1"] {
            assert_eq!(size(bad, 1..=usize::MAX), Err(Invalid::Size), "{bad:?}");
        }
        for far in ["0", "2KiB", "18446744073709551615GiB"] {
            assert!(matches!(size(far, 1..=1024), Err(Invalid::OutOfRange { .. })), "{far:?}");
        }
    }

    #[test]
    fn words_and_lists_are_strict() {
        assert_eq!(yes_or_no("yes"), Ok(true));
        for bad in ["1", "on", "YES", "", "y"] {
            assert!(yes_or_no(bad).is_err(), "{bad:?}");
        }
        let types = |text| list(text, "content types", is_content_type);
        assert_eq!(types("text/plain, Application/XML").unwrap(), ["text/plain", "application/xml"]);
        for bad in ["", "*/*", "text", "text/plain;charset=utf-8", "text/plain,", "a/b/c"] {
            assert!(types(bad).is_err(), "{bad:?}");
        }
        assert!(address("localhost:8080").is_err() && address("127.0.0.1").is_err());
    }

    #[test]
    fn an_origin_is_one_that_a_browser_would_send() {
        for (text, read) in [
            ("Chrome-Extension://ABC", "chrome-extension://abc"),
            ("https://A.example:8443", "https://a.example:8443"),
            ("https://a.example:80", "https://a.example:80"),
            ("app://a:443", "app://a:443"),
            ("http://[::1]", "http://[::1]"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            assert_eq!(web_origins(text), Ok(vec![read.to_owned()]), "{text}");
        }
        for (text, write) in [
            ("app://a,https://A.example:443", "https://a.example"),
            ("http://localhost:80", "http://localhost"),
            ("https://[::1]:443", "https://[::1]"),
        ] {
            assert_eq!(web_origins(text), Err(Invalid::DefaultPort { write: write.to_owned() }), "{text}");
        }
        for text in [
            "null",
            "*",
            "",
            "a.example",
            "://a",
            "1a://b",
            "https://",
            "https://a/",
            "https://a:",
            "https://a:0",
            "https://a:0443",
            "https://a:70000",
            "https://a:b",
            "https://a:1:2",
            "https://[::1",
            "https://[a]",
            "https://::1",
            "https://u@a",
        ] {
            assert_eq!(web_origins(text), Err(Invalid::List { form: ORIGINS }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in 0u64..86_400_000, bytes in 0usize..=1 << 40) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(duration(&duration_text(span)), Ok(span));
            prop_assert_eq!(size(&size_text(bytes), 0..=usize::MAX), Ok(bytes));
        }
    }
}
