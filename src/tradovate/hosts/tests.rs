use super::*;

fn demo() -> Hosts {
    Hosts::new(Environment::Demo, None, &[])
}

/// A simulation that moves between names of one port.
fn simulation() -> Hosts {
    let origin = "http://a.localhost:9000".parse().unwrap();
    Hosts::new(Environment::Demo, Some(origin), &["localhost".to_owned()])
}

fn hosts(json: &str) -> ApiHosts {
    serde_json::from_str(json).unwrap()
}

/// Where `hosts` go when an answer names `host`: nowhere, somewhere, or refused.
fn named(of: &Hosts, host: &str) -> Result<Option<String>, Distrusted> {
    let answer = serde_json::json!({ "demo": host }).to_string();
    of.resolve(&hosts(&answer)).map(|origin| origin.map(|origin| origin.to_string()))
}

fn redirected(of: &Hosts, location: &str) -> Result<Option<String>, Distrusted> {
    of.redirect(&of.bootstrap(), location).map(|origin| origin.map(|origin| origin.to_string()))
}

#[test]
fn a_dedicated_host_is_followed_and_unknown_keys_are_ignored() {
    let json =
        r#"{"live":"live.tradovateapi.com","demo":"demo-eval-7.tradovateapi.com","mdDemo":7,"new":{"a":[]}}"#;
    let resolved = demo().resolve(&hosts(json)).unwrap().unwrap();
    assert_eq!(resolved.to_string(), "https://demo-eval-7.tradovateapi.com");
    let live = Hosts::new(Environment::Live, None, &[]);
    assert_eq!(live.resolve(&hosts(json)).unwrap(), Some(Environment::Live.bootstrap()));
}

#[test]
fn what_is_absent_says_nothing() {
    for json in
        ["{}", r#"{"demo":null}"#, r#"{"demo":1}"#, r#"{"demo":""}"#, r#"{"live":"live.tradovateapi.com"}"#]
    {
        assert_eq!(demo().resolve(&hosts(json)), Ok(None), "{json}");
    }
}

#[test]
fn whatever_could_steer_a_token_elsewhere_is_refused() {
    for host in [
        "evil.example",
        "tradovateapi.com.evil.example",
        "eviltradovateapi.com",
        "evil.example/.tradovateapi.com",
        "evil.example#.tradovateapi.com",
        "user@demo.tradovateapi.com",
        "demo.tradovateapi.com:8443",
        "demo.tradovateapi.com.",
        " demo.tradovateapi.com",
        "demo..tradovateapi.com",
        "-.tradovateapi.com",
        "dem\u{f6}.tradovateapi.com",
        "a.localhost",
        "127.0.0.1",
    ] {
        assert!(named(&demo(), host).is_err(), "{host:?}");
        assert!(redirected(&demo(), &format!("https://{host}/v1/account/list")).is_err(), "{host:?}");
    }
    assert!(named(&demo(), "demo.tradovateapi.com/v1").is_err());
}

#[test]
fn an_origin_set_by_the_operator_stays() {
    let fixed = Hosts::new(Environment::Demo, Some("http://127.0.0.1:9000".parse().unwrap()), &[]);
    assert_eq!(named(&fixed, "demo.tradovateapi.com"), Ok(None));
    assert_eq!(redirected(&fixed, "https://demo.tradovateapi.com/v1"), Ok(None));
    assert_eq!(fixed.bootstrap().to_string(), "http://127.0.0.1:9000");
}

#[test]
fn a_simulation_moves_between_names_that_the_operator_trusts_and_nowhere_else() {
    let to = |host| named(&simulation(), host);
    assert_eq!(to("b.localhost"), Ok(Some("http://b.localhost:9000".to_owned())));
    assert_eq!(to("A.localhost"), Ok(Some("http://a.localhost:9000".to_owned())));
    assert_eq!(to("a.localhost:9000"), Ok(Some("http://a.localhost:9000".to_owned())), "where it began");
    for host in ["demo.tradovateapi.com", "b.localhost:9001", "b.localhost.example", "127.0.0.1"] {
        assert!(to(host).is_err(), "{host}");
    }
    let plain = Hosts::new(
        Environment::Demo,
        Some("http://127.0.0.1:9000".parse().unwrap()),
        &["example.com".to_owned()],
    );
    assert_eq!(named(&plain, "demo.example.com").unwrap_err().why, "the token would travel in the clear");
    assert_eq!(named(&plain, "127.0.0.1"), Ok(Some("http://127.0.0.1:9000".to_owned())));
}

#[test]
fn a_redirect_leads_to_a_trusted_host_by_the_same_scheme_and_port() {
    for (location, origin) in [
        ("https://demo-7.tradovateapi.com/v1/account/list?x=1", "https://demo-7.tradovateapi.com"),
        ("HTTPS://Demo-7.tradovateapi.com:443", "https://demo-7.tradovateapi.com"),
        ("//demo-7.tradovateapi.com/v1", "https://demo-7.tradovateapi.com"),
    ] {
        assert_eq!(redirected(&demo(), location), Ok(Some(origin.to_owned())), "{location}");
    }
    let moved = redirected(&simulation(), "http://b.localhost:9000/v1/order/list");
    assert_eq!(moved, Ok(Some("http://b.localhost:9000".to_owned())));
    for location in [
        "/v1/account/list",
        "list",
        "?a=https://evil.example/",
        "",
        "https://demo.tradovateapi.com/v1",
        "https:demo-7.tradovateapi.com",
        "mailto:a@b",
    ] {
        assert_eq!(redirected(&demo(), location), Ok(None), "{location:?}");
    }
    for location in [
        "http://demo-7.tradovateapi.com/v1",
        "https://demo-7.tradovateapi.com:8443/v1",
        "https://user@demo-7.tradovateapi.com/v1",
        "https://demo-7.tradovateapi.com@evil.example/",
        "https://evil.example\\@demo-7.tradovateapi.com/",
        "https://evil.example?.tradovateapi.com",
        "wss://demo-7.tradovateapi.com/v1",
        "//evil.example/v1",
        "///evil.example",
        "http://a.localhost:9000/",
        "https://[::1]/",
    ] {
        assert!(redirected(&demo(), location).is_err(), "{location:?}");
    }
    for location in ["https://b.localhost:9000/", "http://b.localhost/", "http://b.localhost:9001/"] {
        assert!(redirected(&simulation(), location).is_err(), "{location}");
    }
}
