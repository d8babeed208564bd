//! Whole heads: who is let in, as whom, and in which order the questions are asked.

use prometheus::{Registry, TextEncoder};
use secrecy::ExposeSecret as _;

use super::*;
use crate::http1::RequestHead;

const ARRIVED: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3)));

struct Stage {
    callers: Callers,
    registry: Registry,
}

impl Stage {
    fn with(rules: Rules) -> Self {
        let registry = Registry::new();
        let callers = Callers::new(Listener::Proxy, rules, &Metrics::register(&registry).unwrap());
        Self { callers, registry }
    }

    /// The caller's name, or what a stranger is answered with.
    fn admits(&self, fields: &str) -> Result<String, (u16, &'static str)> {
        let bytes = format!("POST /v1/order/placeorder HTTP/1.1\r\n{fields}\r\n");
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let signs = Signs::of(&head, bytes.as_bytes());
        let admitted = self.callers.admit(&signs, None, || ARRIVED);
        admitted
            .map(|caller| caller.to_string())
            .map_err(|stranger| (stranger.status().as_u16(), stranger.code()))
    }

    fn counted(&self, reason: &str) -> u64 {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        let series = format!("tradovate_proxy_strangers_total{{listener=\"proxy\",reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
    }
}

const PAGE: Result<String, (u16, &str)> = Err((403, "web-page"));
const HOST: Result<String, (u16, &str)> = Err((421, "unknown-host"));

#[test]
fn a_page_is_told_by_what_every_browser_sends_for_it() {
    let stage = Stage::with(Rules::default());
    let local = Ok("local".to_owned());
    for (fields, expected) in [
        // curl, requests, Go, a person who types the address, and what that page itself loads.
        ("Accept: */*", local.clone()),
        ("Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate", local.clone()),
        ("Sec-Fetch-Site: same-origin", local.clone()),
        ("Referer: https://evil.example/", local.clone()),
        // Fetch §3.1; CVE-2025-66414: a POST in any mode, and every form.
        ("Origin: https://evil.example", PAGE),
        ("origin: null", PAGE),
        ("Origin:", PAGE),
        ("Origin: http://localhost:3000", PAGE),
        // Our own page has no script, so this is somebody else's behind our name.
        ("Origin: http://localhost:8080", PAGE),
        ("Origin: http://localhost:8080\r\nSec-Fetch-Site: same-origin", PAGE),
        ("Origin: http://a\r\nOrigin: http://a", PAGE),
        // Fetch Metadata §2.4: image, script, frame, link.
        ("Sec-Fetch-Site: cross-site", PAGE),
        ("Sec-Fetch-Site: same-site", PAGE),
        ("Sec-Fetch-Site: None", PAGE),
        ("sec-fetch-site:", PAGE),
        ("Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", PAGE),
        // Fetch §3.2.2: a preflight, and Private Network Access's.
        ("Access-Control-Request-Method: POST", PAGE),
        ("access-control-request-headers: x", PAGE),
        ("Access-Control-Request-Private-Network: true", PAGE),
        // Somebody's own field.
        ("Access-Control-Max-Ageless-Thing: 1", local),
    ] {
        assert_eq!(stage.admits(&format!("Host: localhost:8080\r\n{fields}\r\n")), expected, "{fields}");
    }
    assert_eq!(stage.counted("web-page"), 15);
}

#[test]
fn an_allowed_origin_is_exactly_that_and_gets_no_preflight() {
    let origins = vec!["chrome-extension://abcdef".to_owned()];
    let stage = Stage::with(Rules { origins, ..Rules::default() });
    let ours = "Host: localhost\r\nOrigin: chrome-extension://abcdef\r\n";
    assert_eq!(stage.admits(&format!("{ours}Sec-Fetch-Site: cross-site\r\n")), Ok("local".to_owned()));
    assert_eq!(stage.admits(&format!("{ours}Access-Control-Request-Method: POST\r\n")), PAGE);
    for origin in [
        "chrome-extension://abcdefg",
        "chrome-extension://abcde",
        "Chrome-extension://abcdef",
        "chrome-extension://abcdef, null",
        "null",
    ] {
        assert_eq!(stage.admits(&format!("Host: localhost\r\nOrigin: {origin}\r\n")), PAGE, "{origin}");
    }
    // Without an origin of its own, what a page loads is a stranger's as before.
    assert_eq!(stage.admits("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n"), PAGE);
}

#[test]
fn a_host_is_judged_first_and_then_the_page_and_then_the_key() {
    let minted = mint("desk").unwrap();
    let keys: Keys = minted.entry.parse().unwrap();
    let stage =
        Stage::with(Rules { hosts: vec!["proxy.internal".parse().unwrap()], keys, ..Rules::default() });
    let key = format!("X-Proxy-Key: {}\r\n", minted.key.expose_secret());
    let bearer = format!("Authorization: Bearer {}\r\n", minted.key.expose_secret());
    let desk = Ok("desk".to_owned());
    let no_key = Err((401, "caller-key"));
    for (fields, expected) in [
        (format!("Host: localhost\r\n{key}"), desk.clone()),
        (format!("Host: Proxy.Internal:1\r\n{bearer}"), desk.clone()),
        (format!("Host: 10.1.2.3:8080\r\n{key}"), desk),
        (format!("Host: evil.example\r\nOrigin: null\r\n{key}"), HOST),
        (format!("Host: 10.1.2.4\r\n{key}"), HOST),
        (format!("Host: localhost\r\nOrigin: null\r\n{key}"), PAGE),
        ("Host: localhost\r\n".to_owned(), no_key.clone()),
        ("Host: localhost\r\nX-Proxy-Key: x\r\n".to_owned(), no_key.clone()),
        (format!("Host: localhost\r\nX-Proxy-Key: x\r\n{bearer}"), no_key.clone()),
        ("Host: localhost\r\nAuthorization: Bearer held-by-tradovate-proxy\r\n".to_owned(), no_key),
        ("Host:\r\n".to_owned(), Err((400, "bad-host"))),
    ] {
        assert_eq!(stage.admits(&fields), expected, "{fields}");
    }
    let counted = ["bad-host", "unknown-host", "web-page", "caller-key"].map(|reason| stage.counted(reason));
    assert_eq!(counted, [1, 2, 1, 4]);
}

#[test]
fn only_http_1_0_may_leave_host_out() {
    let stage = Stage::with(Rules::default());
    let admits = |is_http10, fields: &[(&'static [u8], &'static [u8])]| {
        stage.callers.admit(&Signs::read(is_http10, fields.iter().copied()), None, || ARRIVED)
    };
    assert_eq!(admits(true, &[]), Ok(Caller::Local));
    assert_eq!(admits(false, &[]), Err(Stranger::BadHost));
    assert_eq!(admits(true, &[(b"Host", b"evil.example")]), Err(Stranger::UnknownHost));
    assert_eq!(admits(true, &[(b"host", b"localhost"), (b"Host", b"localhost")]), Err(Stranger::BadHost));
    assert_eq!(admits(true, &[(b"Origin", b"null")]), Err(Stranger::Page { header: "Origin" }));
}

#[test]
fn new_rules_are_in_force_for_every_clone_at_once() {
    let (old, new) = (mint("desk").unwrap(), mint("desk").unwrap());
    let rules = |entries: &str| Rules { keys: entries.parse().unwrap(), ..Rules::default() };
    let stage = Stage::with(rules(&old.entry));
    let with = |minted: &Minted| {
        stage.admits(&format!("Host: localhost\r\nX-Proxy-Key: {}\r\n", minted.key.expose_secret()))
    };
    assert!(with(&old).is_ok() && with(&new).is_err());
    stage.callers.clone().replace(rules(&format!("{},{}", old.entry, new.entry)));
    assert!(with(&old).is_ok() && with(&new).is_ok());
    stage.callers.clone().replace(rules(&new.entry));
    assert!(with(&old).is_err() && with(&new).is_ok());
}

#[test]
fn what_keeps_others_out_is_told() {
    let (open, keyed) = (Rules::default(), mint("desk").unwrap().entry.parse().unwrap());
    let keyed = Rules { keys: keyed, ..Rules::default() };
    for (rules, reach, protection) in [
        (&open, Reach::Machine, Protection::Loopback),
        (&open, Reach::Network, Protection::Open),
        (&open, Reach::Certified, Protection::Certificates),
        (&keyed, Reach::Machine, Protection::Keys),
        (&keyed, Reach::Network, Protection::Keys),
        (&keyed, Reach::Certified, Protection::Certificates),
    ] {
        assert_eq!(Stage::with(rules.clone()).callers.protection(reach), protection, "{reach:?}");
    }
}
