//! In front of another API than Tradovate's.

use super::*;

#[test]
fn another_api_needs_its_address_and_a_source_of_its_own() {
    let other = |more: &[(&str, &str)]| {
        environment(
            &[
                &[
                    ("TRADOVATE_PROXY_API", "other"),
                    ("TRADOVATE_PROXY_SOURCE", "oauth2"),
                    ("TRADOVATE_PROXY_OAUTH2_CLIENT_ID", "id"),
                    ("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", "secret"),
                    ("TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", "token"),
                ],
                more,
            ]
            .concat(),
        )
    };
    let url = ("TRADOVATE_PROXY_UPSTREAM_URL", "https://api.example.com");
    assert_eq!(load(&[], &environment(&[])).unwrap().api, proxy::Api::Tradovate);
    assert_eq!(load(&[], &other(&[url])).unwrap().api, proxy::Api::Other);
    for (more, expected) in [
        (vec![], "TRADOVATE_PROXY_API (environment): another API has no address of its own"),
        (
            vec![("TRADOVATE_PROXY_UPSTREAM_URL", "https://api.example.com/v1")],
            "\"https://api.example.com/v1\" is wrong: only a host, with nothing behind it",
        ),
        (
            vec![("TRADOVATE_PROXY_UPSTREAM_URL", "https://live.tradovateapi.com")],
            "live.tradovateapi.com is Tradovate's, and as another API it would show callers the token",
        ),
        (
            vec![("TRADOVATE_PROXY_SOURCE", "tradovate"), url],
            "TRADOVATE_PROXY_SOURCE (environment): another API does not know the calls by which Tradovate",
        ),
        (
            vec![("TRADOVATE_PROXY_OAUTH2_RENEWAL", "tradovate"), url],
            "TRADOVATE_PROXY_OAUTH2_RENEWAL (environment): another API does not know the calls",
        ),
    ] {
        let mut environment = other(&[]);
        for (name, value) in more {
            environment.insert(name, value);
        }
        let text = faults(&environment);
        assert!(text.contains(expected) && text.starts_with("1 problem "), "no {expected:?} in:\n{text}");
    }
    let text = faults(&environment(&[("TRADOVATE_PROXY_API", "edgetag")]));
    assert!(text.contains("not one of: tradovate, other"), "{text}");
}
