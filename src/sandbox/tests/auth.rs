use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::client::{access_token, call, login, login_body, sandbox, sandbox_with, send, token};
use crate::sandbox::{ApiHosts, EvictedAnswer, GrantFields, LockAnswer, Rules};

#[tokio::test]
async fn a_login_answers_every_field_and_its_token_opens_the_api() {
    let sandbox = sandbox().await;
    let answer = login(&sandbox, &login_body()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    for field in ["accessToken", "mdAccessToken", "expirationTime", "userStatus", "userId", "name", "hasLive"]
    {
        assert!(body.get(field).is_some(), "{field} in {body}");
    }
    let own = sandbox.http_addr().to_string();
    let hosts = body["apiHosts"].as_object().unwrap();
    assert!(
        hosts.contains_key("reportingDemo") && hosts.values().all(|host| *host == own),
        "nobody is sent to the real broker unasked: {hosts:?}"
    );
    let accounts = call(&sandbox, "GET /v1/account/list", &access_token(&answer), "").await;
    assert_eq!(accounts.json()[0]["name"], "DEMO15460");
    assert_eq!(accounts.header("via"), Some("1.1 google"));
    assert_eq!(accounts.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn api_hosts_and_the_least_answer_are_rules() {
    let hosts = BTreeMap::from([("demo".to_owned(), "demo-eval-7.tradovateapi.com".to_owned())]);
    let rules = Rules {
        api_hosts: ApiHosts::Override(hosts),
        grant_fields: GrantFields::Minimal,
        ..Rules::default()
    };
    let sandbox = sandbox_with(rules).await;
    let body = login(&sandbox, &login_body()).await.json();
    assert_eq!(body["apiHosts"]["demo"], "demo-eval-7.tradovateapi.com");
    assert_eq!(body["apiHosts"]["live"], "live.tradovateapi.com");
    assert!(body.get("mdAccessToken").is_none());
}

#[tokio::test]
async fn a_refused_login_is_a_200_and_a_malformed_one_a_400() {
    let sandbox = sandbox().await;
    for (field, value, text) in [
        ("password", json!("wrong"), "Incorrect username"),
        ("sec", json!(null), "Incorrect username"),
        ("cid", json!(2), "Incorrect username"),
        ("appId", json!("other"), "The app is not registered"),
    ] {
        let mut body = login_body();
        body[field] = value;
        let answer = login(&sandbox, &body).await;
        let refused = answer.json()["errorText"].as_str().is_some_and(|error| error.starts_with(text));
        assert!(answer.status == 200 && refused, "{field}: {answer:?}");
    }
    for body in [json!([]), json!({"name": 1, "password": "x"}), json!({"name": "x"})] {
        assert_eq!(login(&sandbox, &body).await.status, 400, "{body}");
    }
    let bare = "GET /v1/auth/accesstokenrequest HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n";
    assert_eq!(send(sandbox.http_addr(), bare).await.status, 400);
    assert!(sandbox.control().sessions().is_empty());
}

#[tokio::test]
async fn five_failures_lock_out_even_the_right_password_for_an_hour() {
    let sandbox = sandbox().await;
    let mut wrong = login_body();
    wrong["password"] = json!("wrong");
    for _ in 0..5 {
        assert!(login(&sandbox, &wrong).await.json().get("errorText").is_some());
    }
    let locked = login(&sandbox, &login_body()).await;
    assert_eq!((locked.status, &locked.json()["p-captcha"]), (200, &json!(true)));
    sandbox.control().change_rules(|rules| rules.lock_answer = LockAnswer::Locked);
    assert_eq!(login(&sandbox, &login_body()).await.status, 423);
    sandbox.control().advance(Duration::from_secs(3600));
    token(&sandbox).await;
}

#[tokio::test]
async fn a_401_has_three_bodies() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let unknown = call(&sandbox, "GET /v1/account/list", "nobody", "").await;
    assert_eq!((unknown.status, unknown.body.as_str()), (401, "Access is denied"));
    assert_eq!(unknown.header("content-type"), None);
    sandbox.control().change_rules(|rules| rules.without_permission = vec!["position/".into()]);
    let denied = call(&sandbox, "GET /v1/position/list", &token, "").await;
    assert_eq!((denied.status, denied.body.as_str()), (401, ""));
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 200);
    sandbox.control().advance(Duration::from_secs(4800));
    let expired = call(&sandbox, "GET /v1/account/list", &token, "").await;
    assert_eq!((expired.status, expired.body.as_str()), (401, "Expired Access Token"));
}

#[tokio::test]
async fn authorization_must_be_there_once_and_well_formed() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for (fields, status) in [
        (String::new(), 401),
        (format!("Authorization: {token}\r\n"), 401),
        (format!("Authorization: bearer {token}\r\n"), 401),
        (format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"), 400),
        (format!("Authorization: Bearer {token}\r\n"), 200),
    ] {
        let text =
            format!("GET /v1/account/list HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n{fields}\r\n");
        assert_eq!(send(sandbox.http_addr(), &text).await.status, status, "{fields:?}");
    }
}

#[tokio::test]
async fn a_session_lives_through_ten_renewals() {
    let sandbox = sandbox().await;
    let mut token = token(&sandbox).await;
    for round in 0..10 {
        sandbox.control().advance(Duration::from_secs(65 * 60));
        let (request, body) = if round % 2 == 0 {
            ("GET /v1/auth/renewAccessToken", "")
        } else {
            ("POST /v1/auth/renewaccesstoken", "{}")
        };
        let renewed = access_token(&call(&sandbox, request, &token, body).await);
        assert_ne!(renewed, token);
        token = renewed;
    }
    assert_eq!(call(&sandbox, "GET /v1/user/list", &token, "").await.status, 200);
    let sessions = sandbox.control().sessions();
    assert_eq!((sessions.len(), sessions[0].grants), (1, 11));
}

#[tokio::test]
async fn the_sixteenth_renewal_of_an_hour_gets_a_ticket() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for _ in 0..15 {
        access_token(&call(&sandbox, "GET /v1/auth/renewaccesstoken", &token, "").await);
    }
    let answer = call(&sandbox, "GET /v1/auth/renewaccesstoken", &token, "").await;
    let body = answer.json();
    assert!(
        answer.status == 200 && body["p-ticket"].is_string() && body.get("p-captcha").is_none(),
        "{body}"
    );
}

#[tokio::test]
async fn the_token_of_a_closed_session_answers_by_rule() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let _ = sandbox.control().log_in_elsewhere();
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 200);
    let _ = sandbox.control().log_in_elsewhere();
    for (rule, status) in [
        (EvictedAnswer::Unauthorized, 401),
        (EvictedAnswer::RequestTimeout, 408),
        (EvictedAnswer::TooManyRequests, 429),
        (EvictedAnswer::InternalServerError, 500),
    ] {
        sandbox.control().change_rules(|rules| rules.evicted_answer = rule);
        for request in ["GET /v1/account/list", "GET /v1/auth/renewaccesstoken"] {
            assert_eq!(call(&sandbox, request, &token, "").await.status, status, "{request}");
        }
    }
}

#[tokio::test]
async fn above_the_cap_every_request_is_an_empty_429() {
    let sandbox = sandbox_with(Rules { requests_per_hour: Some(2), ..Rules::default() }).await;
    let token = token(&sandbox).await;
    for status in [200, 200, 429] {
        let answer = call(&sandbox, "GET /v1/account/list", &token, "").await;
        assert_eq!(answer.status, status);
        if status == 429 {
            assert_eq!((answer.header("content-length"), answer.body.as_str()), (Some("0"), ""));
        }
    }
    sandbox.control().advance(Duration::from_secs(3600));
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 200);
}
