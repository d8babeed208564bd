use serde_json::{Value, json};

use super::client::{Answer, access_token, call, login, login_body, sandbox, send, token};
use crate::sandbox::Sandbox;

/// Sends a read to the sandbox by this name.
async fn at(sandbox: &Sandbox, authority: &str, target: &str, token: &str) -> Answer {
    let text = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    send(sandbox.http_addr(), &text).await
}

fn hosts(grant: &Answer) -> Vec<Value> {
    grant.json()["apiHosts"].as_object().unwrap().values().cloned().collect()
}

#[tokio::test]
async fn without_a_home_every_name_will_do() {
    let sandbox = sandbox().await;
    let grant = login(&sandbox, &login_body()).await;
    assert!(hosts(&grant).iter().all(|host| *host == sandbox.http_addr().to_string()));
    for name in ["a.localhost:1", "anything", "[::1]:80"] {
        assert_eq!(at(&sandbox, name, "/v1/account/list", &access_token(&grant)).await.status, 200, "{name}");
        assert_eq!(sandbox.control().requests().pop().unwrap().host, name);
    }
}

#[tokio::test]
async fn a_move_is_named_in_grants_and_enforced_by_redirects() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let patch = json!({"home_host": "b.localhost"});
    sandbox.control().patch_rules(patch.as_object().unwrap().clone()).unwrap();

    let astray = at(&sandbox, "a.localhost:9000", "/v1/account/List?x=%20", &token).await;
    assert_eq!((astray.status, astray.body.as_str()), (307, ""));
    assert_eq!(astray.header("location"), Some("http://b.localhost:9000/v1/account/List?x=%20"));
    assert_eq!(at(&sandbox, "B.localhost:9000", "/v1/account/list", &token).await.status, 200);
    // Who is unknown has no home.
    assert_eq!(at(&sandbox, "a.localhost", "/v1/account/list", "unknown").await.status, 401);

    // Logging in and renewing go on where they always did, and tell.
    for grant in [
        login(&sandbox, &login_body()).await,
        call(&sandbox, "GET /v1/auth/renewAccessToken", &token, "").await,
    ] {
        assert_eq!(grant.status, 200);
        assert!(hosts(&grant).iter().all(|host| host == "b.localhost"), "{grant:?}");
    }
    let order = json!({"accountSpec": "DEMO15460", "accountId": 6270, "action": "Buy", "symbol": "ESZ6",
        "orderQty": 1, "orderType": "Market", "isAutomated": true});
    let astray = call(&sandbox, "POST /v1/order/placeorder", &token, &order.to_string()).await;
    assert_eq!(astray.status, 307);
    assert!(sandbox.control().entities("order").is_empty(), "nothing is done at the wrong host");
}
