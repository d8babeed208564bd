//! The fields that do not cross.
//!
//! Names are compared as a careless server might read them: case aside, and with `_` and `.` taken for `-`
//! (CGI and its heirs fold these) and dropped at the end, so that `X_Forwarded_For` and `Authorization.` find no gap.
//!
//! Nothing is added either: no `Forwarded`, and no `Via` (which RFC 9110 §7.6.3 asks of a gateway), since both
//! tell the broker what runs on the user's machine, and some servers answer differently when they see `Via`.

use crate::http1::{Fields, fields::list_members};

/// Whether a request field may go upstream. `fields` are all fields of the same head, since `Connection` can
/// name any of them as its own (RFC 9110 §7.6.1).
pub fn crosses_upstream(name: &[u8], fields: &Fields<'_>) -> bool {
    !(REQUEST.holds(name) || is_connection_option(name, fields))
}

/// Whether a response field may go back to the caller. `fields` as for [`crosses_upstream`].
pub fn crosses_downstream(name: &[u8], fields: &Fields<'_>) -> bool {
    may_be_answered(name) && !is_connection_option(name, fields)
}

/// The part of [`crosses_downstream`] that needs the name alone: all there is to ask of HTTP/2, which has no
/// `Connection` (RFC 9113 §8.2.2).
pub fn may_be_answered(name: &[u8]) -> bool {
    !RESPONSE.holds(name)
}

/// Whether a trailer field may go back to the caller. RFC 9110 §6.5.1: one that says how the answer is to be framed,
/// read, kept or followed has to be in its head, where somebody may have acted on it already.
pub fn may_be_trailed(name: &[u8]) -> bool {
    may_be_answered(name) && !TRAILER.holds(name)
}

/// What a request leaves behind.
static REQUEST: Names =
    Names::new(&[HOP_BY_HOP, REQUEST_FRAMING, CREDENTIALS, BROWSER, ROUTING, OURS], REQUEST_PREFIXES);
/// What an answer leaves behind.
static RESPONSE: Names = Names::new(&[HOP_BY_HOP, RESPONSE_ONLY], RESPONSE_PREFIXES);
/// What a trailer leaves behind besides.
static TRAILER: Names = Names::new(&[HEAD_ONLY], &[]);

/// RFC 9110 §7.6.1, and what old implementations send besides. `close` is an option of `Connection` that is never a
/// field of its own.
const HOP_BY_HOP: &[&str] = &[
    "close",
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Said anew for the request that is sent.
const REQUEST_FRAMING: &[&str] = &["content-length", "expect", "host"];

/// The caller's own would compete with ours, or leak to the broker.
const CREDENTIALS: &[&str] = &["authorization", "cookie", "cookie2"];

/// What a browser says of the page it shows: none of upstream's business.
const BROWSER: &[&str] = &["origin", "referer"];

/// Fields that some server lets override where a request goes, what it is, or whence it came.
const ROUTING: &[&str] = &[
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    // CVE-2016-5385 (httpoxy): CGI makes a setting of it.
    "proxy",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded",
    "x-host",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-override-url",
    "x-real-ip",
    "x-remote-addr",
    "x-remote-ip",
    "x-rewrite-url",
];

/// What the proxy itself heeds: nothing that upstream could make sense of.
const OURS: &[&str] = &["idempotency-key"];

/// Families of the same kinds; `x-proxy-` is ours, towards the caller only, and `x-expect-env` the caller's, towards
/// the proxy only.
const REQUEST_PREFIXES: &[&str] =
    &["sec-", "x-forwarded-", "x-original-", "x-envoy-", "proxy-", "x-proxy-", "x-expect-env"];

/// `Content-Length` is said anew. `Set-Cookie` would make a browser's or client's jar a second session.
/// `Alt-Svc` would lead the caller around the proxy.
/// `Idempotency-Replayed` is the proxy's word too.
const RESPONSE_ONLY: &[&str] =
    &["content-length", "set-cookie", "set-cookie2", "alt-svc", "idempotency-replayed"];

/// Those of RFC 9110 §6.5.1 that are not left out of every answer.
const HEAD_ONLY: &[&str] = &[
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "expires",
    "host",
    "location",
    "pragma",
    "retry-after",
    "vary",
    "warning",
    "www-authenticate",
];

/// The API grants every web page access (`Access-Control-Allow-Origin: *`); behind the proxy that grant would
/// be ours. `x-proxy-` may only be said by the proxy itself.
const RESPONSE_PREFIXES: &[&str] = &["access-control-", "x-proxy-"];

/// Names and families of names.
struct Names {
    lists: &'static [&'static [&'static str]],
    prefixes: &'static [&'static str],
    /// By first letter, the lengths that a name among `lists` has, a bit for each: one look tells most names apart.
    lengths: [u64; LETTERS],
    /// The same for what begins with one of `prefixes`.
    families: [u64; LETTERS],
}

impl Names {
    const fn new(lists: &'static [&'static [&'static str]], prefixes: &'static [&'static str]) -> Self {
        let (mut lengths, mut families) = ([0; LETTERS], [0; LETTERS]);
        let mut list = 0;
        while list < lists.len() {
            let mut at = 0;
            while at < lists[list].len() {
                let name = lists[list][at].as_bytes();
                lengths[letter(name)] |= length_bit(name);
                at += 1;
            }
            list += 1;
        }
        let mut at = 0;
        while at < prefixes.len() {
            let prefix = prefixes[at].as_bytes();
            // This length, and every greater one.
            families[letter(prefix)] |= length_bit(prefix).wrapping_neg();
            at += 1;
        }
        Self { lists, prefixes, lengths, families }
    }

    fn holds(&self, name: &[u8]) -> bool {
        let (row, length) = (letter(name), length_bit(name));
        let may_be_spelled_longer = matches!(name, [.., b'-' | b'_' | b'.']);
        if (self.lengths[row] | self.families[row]) & length == 0 && !may_be_spelled_longer {
            return false;
        }
        self.holds_this(name)
    }

    fn holds_this(&self, name: &[u8]) -> bool {
        let mut bare = name;
        while let [rest @ .., b'-' | b'_' | b'.'] = bare {
            bare = rest;
        }
        let is_listed = |known: &&str| known.len() == bare.len() && has_prefix(bare, known.as_bytes());
        self.lengths[letter(bare)] & length_bit(bare) != 0
            && self.lists.iter().any(|list| list.iter().any(&is_listed))
            || self.families[letter(name)] & length_bit(name) != 0
                && self.prefixes.iter().any(|prefix| has_prefix(name, prefix.as_bytes()))
    }
}

/// A row for a name's first byte: the same for both cases of a letter.
const fn letter(name: &[u8]) -> usize {
    if name.is_empty() { 0 } else { (name[0] & 0x1f) as usize }
}

/// A bit for a name's length; all that are too long for one share the last.
const fn length_bit(name: &[u8]) -> u64 {
    1 << if name.len() < 63 { name.len() } else { 63 }
}

const LETTERS: usize = 32;

/// `prefix` is in lower case with dashes.
fn has_prefix(name: &[u8], prefix: &[u8]) -> bool {
    let fold = |byte: u8| match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    };
    name.len() >= prefix.len() && name.iter().zip(prefix).all(|(&byte, &known)| fold(byte) == known)
}

/// Every `Connection` line counts, not just the first.
fn is_connection_option(name: &[u8], fields: &Fields<'_>) -> bool {
    fields.have_options()
        && fields.all("connection").flat_map(list_members).any(|option| option.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http1::RequestHead;

    proptest! {
        /// The one look must never let pass what looking at every name would have found.
        #[test]
        fn the_look_by_letter_and_length_decides_nothing(
            index in any::<prop::sample::Index>(),
            spoil in "[-_.a-zA-Z]{0,3}",
            at in any::<prop::sample::Index>(),
            other in "[!-~]{0,70}",
        ) {
            for names in [&REQUEST, &RESPONSE, &TRAILER] {
                let known: Vec<&str> =
                    names.lists.iter().copied().flatten().chain(names.prefixes).copied().collect();
                let mut name = index.get(&known).to_ascii_uppercase();
                name.insert_str(at.index(name.len() + 1), &spoil);
                for name in [name.as_bytes(), other.as_bytes()] {
                    let bare = String::from_utf8_lossy(name).trim_end_matches(['-', '_', '.']).to_owned();
                    let is = |known: &&str| {
                        known.len() == bare.len() && has_prefix(bare.as_bytes(), known.as_bytes())
                    };
                    let listed = names.lists.iter().copied().flatten().any(is);
                    let begun = names.prefixes.iter().any(|prefix| has_prefix(name, prefix.as_bytes()));
                    prop_assert_eq!(names.holds(name), listed || begun, "{}", String::from_utf8_lossy(name));
                }
            }
        }
    }

    fn crossing(lines: &str) -> Vec<String> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let fields = head.fields(bytes.as_bytes());
        fields
            .iter()
            .filter(|(name, _)| crosses_upstream(name.as_bytes(), &fields))
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    #[test]
    fn ordinary_fields_cross_as_they_are() {
        let lines = "Accept: */*\r\nX-Custom: 1\r\nx-custom: 2\r\nAccept-Encoding: gzip\r\nUser-Agent: a\r\nContent-Type: b\r\n";
        assert_eq!(
            crossing(lines),
            ["Accept", "X-Custom", "x-custom", "Accept-Encoding", "User-Agent", "Content-Type"]
        );
    }

    #[test]
    fn managed_fields_stay_however_they_are_spelled() {
        for name in [
            "Authorization",
            "AUTHORIZATION",
            "Proxy-Authorization",
            "proxy_authorization",
            "Cookie",
            "Origin",
            "Referer",
            "Sec-Fetch-Site",
            "Sec_Fetch_Mode",
            "Forwarded",
            "X-Forwarded-For",
            "x_forwarded_for",
            "X.Forwarded.Host",
            "X-Real-IP",
            "X-Original-URL",
            "X-HTTP-Method-Override",
            "TE",
            "Trailer",
            "Keep-Alive",
            "Proxy-Connection",
            "X-Proxy-Outcome",
            "X-Expect-Env",
            "x_expect_env",
            "X-Expect-Environment",
            "Idempotency-Key",
            "idempotency_key",
            "Expect_",
        ] {
            let kept = crossing(&format!("{name}: x\r\n"));
            assert!(kept.is_empty(), "{name}: {kept:?}");
        }
    }

    #[test]
    fn what_any_connection_line_names_stays() {
        let lines =
            "Connection:\r\nX-A: 1\r\nX-B: 2\r\nconnection: close , x-a\r\nConnection: ,\tX-b\r\nX-C: 3\r\n";
        assert_eq!(crossing(lines), ["X-C"]);
    }

    #[test]
    fn answers_lose_cookies_grants_and_our_own_words() {
        for name in
            ["Set-Cookie", "Access-Control-Allow-Origin", "Alt-Svc", "X-Proxy-Outcome", "Transfer-Encoding"]
        {
            assert!(!may_be_answered(name.as_bytes()), "{name}");
        }
        for name in ["Date", "Content-Type", "Via", "WWW-Authenticate", "Retry-After", "Location"] {
            assert!(may_be_answered(name.as_bytes()), "{name}");
        }
    }
}
