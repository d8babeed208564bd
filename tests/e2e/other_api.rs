//! In front of an API that is not Tradovate's: every path goes through, and nothing is ever sent again.

use crate::support::{RawUpstream, Setup, client::write, proxy::Proxy};

async fn other() -> (RawUpstream, Proxy) {
    let upstream = RawUpstream::start().await;
    let origin = format!("http://{}", upstream.address);
    let setup = Setup::before(&origin, &upstream.clock)
        .with("TRADOVATE_PROXY_API", "other")
        .with("TRADOVATE_PROXY_SOURCE", "oauth2")
        .with("TRADOVATE_PROXY_OAUTH2_TOKEN_URL", &format!("{origin}/oauth/token"))
        .with("TRADOVATE_PROXY_OAUTH2_CLIENT_ID", "id")
        .with("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", "secret")
        .with("TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", "refresh");
    (upstream, setup.live().await)
}

#[tokio::test]
async fn any_path_goes_through_as_it_came_with_the_token_put_in() {
    let (mut upstream, proxy) = other().await;
    let mut client = proxy.client().await;
    for (request, body) in [
        ("GET /", ""),
        ("GET /api/v3/orders?status=open&x=%2F", ""),
        ("POST /v1/order/placeorder", "{}"),
        // Of Tradovate's these would be answered here, or refused.
        ("POST /auth/oauthtoken", "{}"),
        ("GET /v1/user/modifypassword", ""),
        ("DELETE /orders/7/", ""),
    ] {
        client.send(write(request, body)).await;
        let received = upstream.request().await;
        assert_eq!(received.head.start, format!("{request} HTTP/1.1"));
        let authorization = received.all("authorization");
        let [bearer] = authorization[..] else { panic!("{authorization:?}") };
        assert!(bearer.starts_with("Bearer SIM-access-"), "{bearer}");
        received.ok("{}").await;
        assert_eq!(client.answer().await.status(), 200, "{request}");
    }
    proxy.counts(&[("operation", "other"), ("effect", "order"), ("outcome", "answered")], 6.0).await;
}

#[tokio::test]
async fn what_has_two_readings_or_could_open_a_tunnel_is_refused_as_ever() {
    let (mut upstream, proxy) = other().await;
    for (request, status, code) in [
        ("TRACE /a", 405, "method-not-allowed"),
        ("GET /a/../b", 400, "ambiguous-path"),
        ("GET //", 400, "ambiguous-path"),
        ("GET /ws\r\nConnection: Upgrade\r\nUpgrade: websocket", 501, "upgrade-not-implemented"),
    ] {
        let answer = proxy.ask(request, "").await;
        assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{request}");
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn nothing_is_sent_again_since_nothing_is_known_to_only_read() {
    let (mut upstream, proxy) = other().await;
    let mut client = proxy.client().await;
    // The path that Tradovate's own table calls a read, on a connection that has been used before.
    client.send(write("GET /v1/account/list", "")).await;
    upstream.request().await.ok("").await;
    client.answer().await;
    client.send(write("GET /v1/account/list", "")).await;
    upstream.request().await.close().await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (502, Some("unknown")));
    let moved = "HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    client.send(write("GET /v1/account/list", "")).await;
    upstream.request().await.answer(moved).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (307, Some("answered")));
    upstream.is_untouched();
}
