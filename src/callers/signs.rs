//! What a request's head says of who sent it.

use std::{fmt, net::IpAddr};

use crate::{
    callers::{
        host::{Called, HostName},
        stranger::Stranger,
    },
    http1::{RequestHead, Version},
};

/// The fields that tell a caller from a stranger, found in one pass over a head.
#[derive(Clone, Copy, Default)]
pub struct Signs<'a> {
    is_http10: bool,
    host: Field<'a>,
    origin: Field<'a>,
    key: Field<'a>,
    authorization: Field<'a>,
    is_of_other_site: bool,
    is_preflight: bool,
}

/// A field that may stand there once.
#[derive(Clone, Copy, Default)]
enum Field<'a> {
    #[default]
    Absent,
    Once(&'a [u8]),
    /// What stands there twice says nothing: two readers may each take another.
    Repeated,
}

impl<'a> Signs<'a> {
    /// Those of a head that was read from `bytes`.
    pub fn of(head: &'a RequestHead, bytes: &'a [u8]) -> Self {
        Self::read(head.version() == Version::Http10, head.fields(bytes).raw())
    }

    /// Those among `fields`, in any order and case.
    pub fn read(is_http10: bool, fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut signs = Self { is_http10, ..Self::default() };
        for (name, value) in fields {
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            match name.len() {
                4 if is("host") => signs.host.add(value),
                6 if is("origin") => signs.origin.add(value),
                11 if is("x-proxy-key") => signs.key.add(value),
                13 if is("authorization") => signs.authorization.add(value),
                // Fetch Metadata §2.4: `none` is a person, who typed the address or has it in a bookmark.
                14 if is("sec-fetch-site") => {
                    signs.is_of_other_site |= value != b"none" && value != b"same-origin";
                }
                // Fetch §3.2.2, and Private Network Access's own.
                24.. => {
                    let asks = name.get(..PREFLIGHT.len());
                    signs.is_preflight |=
                        asks.is_some_and(|asks| asks.eq_ignore_ascii_case(PREFLIGHT.as_bytes()));
                }
                _ => {}
            }
        }
        signs
    }

    /// Whether the sender meant a listener of these names.
    pub(super) fn addressed_to(
        &self,
        names: &[HostName],
        arrived_at: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<(), Stranger> {
        match self.host {
            // HTTP/1.0 need not say (RFC 9112 §3.2); every browser does.
            Field::Absent if self.is_http10 => Ok(()),
            Field::Once(value) if is_loopback_spelled_out(value) => Ok(()),
            Field::Once(value) => match Called::read(value) {
                Some(called) if called.is_ours(names, arrived_at) => Ok(()),
                Some(_) => Err(Stranger::UnknownHost),
                None => Err(Stranger::BadHost),
            },
            // RFC 9112 §3.2: missing, or more than one, is answered with 400.
            Field::Absent | Field::Repeated => Err(Stranger::BadHost),
        }
    }

    /// Whether no browser sends it for a page, unless for one of these origins. `Sec-Fetch-Site` adds what has no
    /// `Origin`: images, scripts, frames and links (Fetch §3.1: `Origin` goes with CORS requests and with POST).
    pub(super) fn sent_by_no_page(&self, origins: &[String]) -> Result<(), Stranger> {
        if self.is_preflight {
            return Err(Stranger::Page { header: "Access-Control-Request-…" });
        }
        match self.origin {
            Field::Absent if self.is_of_other_site => Err(Stranger::Page { header: "Sec-Fetch-Site" }),
            Field::Absent => Ok(()),
            Field::Once(origin) if origins.iter().any(|allowed| allowed.as_bytes() == origin) => Ok(()),
            Field::Once(_) | Field::Repeated => Err(Stranger::Page { header: "Origin" }),
        }
    }

    /// The key that it brings: `X-Proxy-Key`, else `Authorization: Bearer` (RFC 6750 §2.1), which stock clients and
    /// scrapers can be given. Neither goes upstream: see `hygiene`.
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        match (self.key, self.authorization) {
            (Field::Once(key), _) => Some(key),
            (Field::Absent, Field::Once(credentials)) => bearer(credentials),
            (Field::Repeated, _) | (Field::Absent, Field::Absent | Field::Repeated) => None,
        }
    }
}

impl<'a> Field<'a> {
    fn add(&mut self, value: &'a [u8]) {
        *self = match self {
            Self::Absent => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }
}

/// No values: one may be a key.
impl fmt::Debug for Signs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signs").finish_non_exhaustive()
    }
}

/// What nearly every caller says, known by its bytes: `localhost` or `127.0.0.1`, alone or with a port.
fn is_loopback_spelled_out(host: &[u8]) -> bool {
    let behind = host.strip_prefix(b"localhost").or_else(|| host.strip_prefix(b"127.0.0.1"));
    match behind {
        Some([]) => true,
        // RFC 3986 §3.2.3, and none above 65535 by its length.
        Some([b':', port @ ..]) => (1..=4).contains(&port.len()) && port.iter().all(u8::is_ascii_digit),
        Some(_) | None => false,
    }
}

/// RFC 9110 §11.1: the scheme is case-insensitive, and spaces follow it.
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = credentials.split_at_checked(SCHEME.len())?;
    (scheme.eq_ignore_ascii_case(SCHEME) && rest.starts_with(b" ")).then(|| rest.trim_ascii())
}

const SCHEME: &[u8] = b"bearer";
const PREFLIGHT: &str = "access-control-request-";

#[cfg(test)]
mod tests {
    use super::*;

    fn signs<'a>(fields: &[(&'a str, &'a str)]) -> Signs<'a> {
        Signs::read(false, fields.iter().map(|&(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    #[test]
    fn a_key_is_taken_from_one_place_only() {
        for (fields, key) in [
            (vec![("X-Proxy-Key", "a")], Some("a")),
            (vec![("x-proxy-key", "a"), ("Authorization", "Bearer b")], Some("a")),
            (vec![("Authorization", "Bearer b")], Some("b")),
            (vec![("authorization", "bEARER   b ")], Some("b")),
            (vec![("X-Proxy-Key", "a"), ("X-PROXY-KEY", "a")], None),
            (vec![("X-Proxy-Key", "a"), ("X-Proxy-Key", "a"), ("Authorization", "Bearer b")], None),
            (vec![("Authorization", "Bearer b"), ("Authorization", "Bearer b")], None),
            (vec![("Authorization", "Basic b")], None),
            (vec![("Authorization", "Bearerb")], None),
            (vec![("Authorization", "Bea")], None),
            (vec![("X_Proxy_Key", "a")], None),
            (vec![], None),
        ] {
            assert_eq!(signs(&fields).key(), key.map(str::as_bytes), "{fields:?}");
        }
    }

    #[test]
    fn nothing_of_a_head_is_shown() {
        let signs = signs(&[("X-Proxy-Key", "canary"), ("Origin", "canary")]);
        assert!(!format!("{signs:?}").contains("canary"));
    }
}
