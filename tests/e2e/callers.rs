//! Callers with keys: who is let in, what they are called, and that no key goes any further.

use secrecy::ExposeSecret as _;
use tradovate_proxy::callers::{Minted, mint};

use crate::support::{
    Client, Proxy, RawUpstream,
    stage::{ORDER, Stage, Way},
    upstream::raw_with,
};

async fn keyed(minted: &[&Minted]) -> (RawUpstream, Proxy) {
    let entries: Vec<&str> = minted.iter().map(|minted| minted.entry.as_str()).collect();
    raw_with(|setup| setup.with("TRADOVATE_PROXY_CALLER_KEYS", &entries.join(","))).await
}

#[tokio::test]
async fn a_key_opens_is_taken_out_and_names_its_caller() {
    let (desk, spare, bot) = (mint("desk").unwrap(), mint("desk").unwrap(), mint("bot").unwrap());
    let (mut upstream, proxy) = keyed(&[&desk, &spare, &bot]).await;
    for (minted, field) in [
        (&desk, "X-Proxy-Key: "),
        (&spare, "x-proxy-key: "),
        (&bot, "Authorization: Bearer "),
        (&bot, "Authorization: bearer  "),
    ] {
        let key = minted.key.expose_secret();
        let mut client = proxy.client().await;
        client
            .send(crate::support::client::write(&format!("GET /v1/account/list\r\n{field}{key}"), ""))
            .await;
        let request = upstream.request().await;
        let sent = String::from_utf8(request.raw.clone()).unwrap();
        assert!(!sent.contains(key) && !sent.to_ascii_lowercase().contains("proxy-key"), "{sent}");
        assert_eq!(request.all("authorization").len(), 1, "{sent}");
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
    for (caller, count) in [("desk", 2.0), ("bot", 2.0), ("local", 0.0)] {
        proxy.counts(&[("caller", caller), ("operation", "account-list")], count).await;
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent_or_answered() {
    let (desk, stranger) = (mint("desk").unwrap(), mint("desk").unwrap());
    let (mut upstream, proxy) = keyed(&[&desk]).await;
    let (key, other) = (desk.key.expose_secret(), stranger.key.expose_secret());
    let mut refused = 0.0;
    for fields in [
        String::new(),
        format!("X-Proxy-Key: {other}"),
        "X-Proxy-Key:".to_owned(),
        format!("X-Proxy-Key: {key}x"),
        format!("X-Proxy-Key: {}", &key[..key.len() - 1]),
        format!("X-Proxy-Key: {key}\r\nX-Proxy-Key: {key}"),
        format!("X-Proxy-Key: {other}\r\nAuthorization: Bearer {key}"),
        format!("Authorization: Basic {key}"),
        format!("Authorization: Bearer {key}\r\nAuthorization: Bearer {key}"),
        format!("Proxy-Authorization: Bearer {key}"),
        format!("Cookie: X-Proxy-Key={key}"),
        "Authorization: Bearer held-by-tradovate-proxy".to_owned(),
        // The digest that the configuration holds is no key.
        format!("X-Proxy-Key: {}", desk.entry.split_once("sha256:").unwrap().1),
    ] {
        // The login calls that the proxy answers by itself are no way in either.
        for (line, body) in [
            ("GET /v1/account/list", ""),
            ("POST /v1/order/placeorder", ORDER),
            ("POST /v1/auth/accesstokenrequest", "{}"),
            ("GET /v1/auth/renewaccesstoken", ""),
            ("GET /elsewhere", ""),
        ] {
            let answer = proxy.ask(&format!("{line}\r\n{fields}"), body).await;
            assert_eq!((answer.status(), answer.problem().as_str()), (401, "caller-key"), "{line} {fields}");
            assert_eq!(answer.header("www-authenticate"), Some(r#"Bearer realm="tradovate-proxy""#));
            assert_eq!(answer.outcome(), Some("not-sent"));
            assert!(!answer.text().contains("tpk_"), "{}", answer.text());
            refused += 1.0;
        }
    }
    upstream.is_untouched();
    // Nobody's, and refused before its path was looked at.
    proxy.counts(&[("caller", "none"), ("operation", "other"), ("status", "401")], refused).await;
    proxy
        .shows("tradovate_proxy_strangers_total", &[("reason", "caller-key"), ("listener", "proxy")], refused)
        .await;
}

#[tokio::test]
async fn names_are_the_configurations_and_no_request_makes_another() {
    let desk = mint("desk").unwrap();
    let stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_CALLER_KEYS", &desk.entry)).await;
    let key = desk.key.expose_secret();
    let mut client = stage.client().await;
    client.ask(&format!("POST /v1/order/placeorder\r\nX-Proxy-Key: {key}"), ORDER).await;
    for name in ["desk2", "evil\" 1", "local"] {
        let fields = format!("X-Proxy-Key: {name}\r\nX-Proxy-Caller: {name}\r\nAuthorization: Bearer {name}");
        assert_eq!(client.ask(&format!("GET /v1/account/list\r\n{fields}"), "").await.status(), 401);
    }
    stage.proxy.counts(&[("caller", "desk"), ("outcome", "answered")], 1.0).await;
    stage.proxy.counts(&[("caller", "none")], 3.0).await;
    stage.proxy.counts(&[("caller", "local")], 0.0).await;
    assert_eq!(stage.seen().len(), 1);
}

#[tokio::test]
async fn the_admin_listener_has_keys_of_its_own() {
    let (desk, ops) = (mint("desk").unwrap(), mint("ops").unwrap());
    let stage = Stage::with(Way::Plain, |setup| {
        setup.with("TRADOVATE_PROXY_CALLER_KEYS", &desk.entry).with("TRADOVATE_PROXY_ADMIN_KEYS", &ops.entry)
    })
    .await;
    for (minted, admin, proxy) in [(&desk, 401, 200), (&ops, 200, 401)] {
        let key = minted.key.expose_secret();
        let fields = format!("X-Proxy-Key: {key}");
        for path in ["/status", "/metrics", "/"] {
            let mut client = Client::connect(stage.proxy.admin).await;
            assert_eq!(client.ask(&format!("GET {path}\r\n{fields}"), "").await.status(), admin, "{path}");
        }
        assert_eq!(stage.ask(&format!("GET /v1/account/list\r\n{fields}"), "").await.status(), proxy);
    }
    // A trading key pauses nothing.
    let mut client = Client::connect(stage.proxy.admin).await;
    let pause = format!("POST /session/pause\r\nX-Proxy-Key: {}", desk.key.expose_secret());
    assert_eq!(client.ask(&pause, "{}").await.status(), 401);
}
