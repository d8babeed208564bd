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
pub fn crosses_upstream(name: &str, fields: &Fields<'_>) -> bool {
    !(is_one_of(name, HOP_BY_HOP)
        || is_one_of(name, REQUEST_FRAMING)
        || is_one_of(name, CREDENTIALS)
        || is_one_of(name, BROWSER)
        || is_one_of(name, ROUTING)
        || is_one_of(name, OURS)
        || REQUEST_PREFIXES.iter().any(|prefix| has_prefix(name, prefix))
        || is_connection_option(name, fields))
}

/// Whether a response field may go back to the caller. `fields` as for [`crosses_upstream`].
pub fn crosses_downstream(name: &str, fields: &Fields<'_>) -> bool {
    may_be_answered(name) && !is_connection_option(name, fields)
}

/// The part of [`crosses_downstream`] that needs the name alone: all there is to ask of HTTP/2, which has no
/// `Connection` (RFC 9113 §8.2.2).
pub fn may_be_answered(name: &str) -> bool {
    !(is_one_of(name, HOP_BY_HOP)
        || is_one_of(name, RESPONSE_ONLY)
        || RESPONSE_PREFIXES.iter().any(|prefix| has_prefix(name, prefix)))
}

/// Whether a trailer field may go back to the caller. RFC 9110 §6.5.1: one that says how the answer is to be framed,
/// read, kept or followed has to be in its head, where somebody may have acted on it already.
pub fn may_be_trailed(name: &str) -> bool {
    may_be_answered(name) && !is_one_of(name, HEAD_ONLY)
}

/// RFC 9110 §7.6.1, and what old implementations send besides.
const HOP_BY_HOP: &[&str] = &[
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

fn is_one_of(name: &str, known: &[&str]) -> bool {
    let name = name.trim_end_matches(['-', '_', '.']);
    known.iter().any(|known| known.len() == name.len() && has_prefix(name, known))
}

/// `prefix` is in lower case with dashes.
fn has_prefix(name: &str, prefix: &str) -> bool {
    let fold = |byte: u8| match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    };
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(|(byte, known)| fold(byte) == known)
}

/// Every `Connection` line counts, not just the first.
fn is_connection_option(name: &str, fields: &Fields<'_>) -> bool {
    fields.all("connection").flat_map(list_members).any(|option| option.eq_ignore_ascii_case(name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::RequestHead;

    fn crossing(lines: &str) -> Vec<String> {
        let bytes = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let fields = head.fields(bytes.as_bytes());
        fields
            .iter()
            .filter(|(name, _)| crosses_upstream(name, &fields))
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
            assert!(!may_be_answered(name), "{name}");
        }
        for name in ["Date", "Content-Type", "Via", "WWW-Authenticate", "Retry-After", "Location"] {
            assert!(may_be_answered(name), "{name}");
        }
    }
}
