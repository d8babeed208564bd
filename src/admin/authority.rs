//! Whether a request means us, or was led here under another's name.

use std::net::IpAddr;

use http::{HeaderMap, Request, header::HOST, uri::Authority};

/// How a request's authority stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressed {
    /// To us.
    Us,
    /// To somebody else.
    Another,
    /// To nobody that can be made out.
    Unclear,
}

/// Judges the authority of `request`, where `names` are ours besides `localhost`.
///
/// A page in the operator's browser may be served under a name whose address its owner then changes to
/// 127.0.0.1, so that the browser takes us for the page's own origin and lets it read our answers (DNS
/// rebinding). The browser still sends the name, and that gives it away. An address cannot be rebound, so any
/// is accepted: behind a forwarded port it need not be one of ours.
pub(super) fn addressed<B>(request: &Request<B>, names: &[String]) -> Addressed {
    // A target in absolute form overrides Host (RFC 9112 §3.2.2).
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.clone()),
        None => match host(request.headers()) {
            Ok(authority) => authority,
            Err(Malformed) => return Addressed::Unclear,
        },
    };
    match authority {
        // HTTP/1.0 need not say (RFC 9112 §3.2); every browser does.
        None if request.version() == http::Version::HTTP_10 => Addressed::Us,
        None => Addressed::Unclear,
        Some(authority) if is_ours(authority.host(), names) => Addressed::Us,
        Some(_) => Addressed::Another,
    }
}

fn host(headers: &HeaderMap) -> Result<Option<Authority>, Malformed> {
    let mut values = headers.get_all(HOST).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // More than one Host is an error (RFC 9112 §3.2).
    if values.next().is_some() {
        return Err(Malformed);
    }
    Authority::try_from(value.as_bytes()).map(Some).map_err(|_| Malformed)
}

struct Malformed;

fn is_ours(host: &str, names: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| host.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

    fn judge(target: &str, version: Version, hosts: &[&str]) -> Addressed {
        let request = Request::get(target).version(version);
        let request = hosts.iter().fold(request, |request, host| request.header(HOST, *host));
        addressed(&request.body(()).unwrap(), &["proxy.internal".to_owned()])
    }

    #[test]
    fn names_of_others_are_turned_away() {
        let host = |host| judge("/", Version::HTTP_11, &[host]);
        for ours in
            ["localhost", "LocalHost:9464", "127.0.0.1:1", "[::1]:9464", "10.1.2.3", "proxy.internal:9464"]
        {
            assert_eq!(host(ours), Addressed::Us, "{ours}");
        }
        for other in ["evil.example:9464", "localhost.evil.example", "127.0.0.1.nip.io", "internal", "x@evil"]
        {
            assert_eq!(host(other), Addressed::Another, "{other}");
        }
    }

    #[test]
    fn the_target_overrides_host_and_only_http_1_0_may_leave_it_out() {
        let v11 = Version::HTTP_11;
        assert_eq!(judge("http://evil.example/", v11, &["localhost"]), Addressed::Another);
        assert_eq!(judge("/", v11, &[]), Addressed::Unclear);
        assert_eq!(judge("/", v11, &["localhost", "localhost"]), Addressed::Unclear);
        assert_eq!(judge("/", v11, &["a b"]), Addressed::Unclear);
        assert_eq!(judge("/", v11, &[""]), Addressed::Unclear);
        assert_eq!(judge("/", Version::HTTP_10, &[]), Addressed::Us);
        assert_eq!(judge("/", Version::HTTP_10, &["evil.example"]), Addressed::Another);
    }
}
