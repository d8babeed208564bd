use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::client::{Answer, access_token, call, sandbox, sandbox_with, send};
use crate::sandbox::{CREDENTIALS, EDGETAG, OAuthBody, OAuthRefusal, OldToken, RenewalToken, Rules, Sandbox};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// Sends a token request.
async fn ask(sandbox: &Sandbox, path: &str, headers: &str, body: &str) -> Answer {
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(sandbox.http_addr(), &text).await
}

fn basic(id: &str, secret: &str) -> String {
    format!("{FORM}Authorization: Basic {}\r\n", STANDARD.encode(format!("{id}:{secret}")))
}

fn form(refresh: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={refresh}")
}

/// Refreshes at Tradovate's endpoint as its example does: everything in the form.
async fn refresh(sandbox: &Sandbox, refresh: &SecretString) -> Value {
    let body = format!(
        "{}&client_id={}&client_secret={}",
        form(refresh.expose_secret()),
        CREDENTIALS.cid,
        CREDENTIALS.sec
    );
    ask(sandbox, "/auth/oauthtoken", FORM, &body).await.json()
}

fn successor(grant: &Value) -> SecretString {
    grant["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {grant}")).into()
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_for_its_life() {
    let sandbox = sandbox().await;
    let seed = sandbox.control().mint_refresh_token();
    let granted = refresh(&sandbox, &seed).await;
    for (field, value) in [
        ("token_type", json!("Bearer")),
        ("expires_in", json!(4800)),
        ("refresh_token_expires_in", json!(26 * 3600)),
    ] {
        assert_eq!(granted[field], value, "{granted}");
    }
    assert!(granted["apiHosts"]["demo"].is_string() && granted["id_token"].is_string(), "{granted}");
    assert_eq!(refresh(&sandbox, &seed).await, json!({"error": "invalid_token"}));

    let next = successor(&granted);
    sandbox.control().advance(Duration::from_secs(26 * 3600 - 1));
    let granted = refresh(&sandbox, &next).await;
    let last = successor(&granted);
    sandbox.control().advance(Duration::from_secs(26 * 3600));
    assert_eq!(refresh(&sandbox, &last).await, json!({"error": "invalid_token"}));
}

#[tokio::test]
async fn of_two_programs_with_a_refresh_token_each_the_second_is_refused() {
    let sandbox = sandbox().await;
    let (one, other) = (sandbox.control().mint_refresh_token(), sandbox.control().mint_refresh_token());
    assert!(refresh(&sandbox, &one).await.get("access_token").is_some());
    assert_eq!(refresh(&sandbox, &other).await, json!({"error": "invalid_token"}));
}

#[tokio::test]
async fn a_token_of_a_refresh_grant_is_renewed_like_any_other() {
    let sandbox = sandbox_with(Rules { old_token: OldToken::Dies, ..Rules::default() }).await;
    let first = refresh(&sandbox, &sandbox.control().mint_refresh_token()).await;
    let second = refresh(&sandbox, &successor(&first)).await;
    let [first, second] = [first, second].map(|grant| grant["access_token"].as_str().unwrap().to_owned());
    assert_eq!(call(&sandbox, "GET /v1/user/list", &first, "").await.status, 401);
    access_token(&call(&sandbox, "GET /v1/auth/renewaccesstoken", &second, "").await);
    assert_eq!(sandbox.control().sessions().len(), 1);
}

#[tokio::test]
async fn what_is_no_refresh_request_is_refused_with_200_or_by_the_book() {
    let sandbox = sandbox().await;
    let seed = sandbox.control().mint_refresh_token();
    let right = basic(&CREDENTIALS.cid.to_string(), CREDENTIALS.sec);
    let good = form(seed.expose_secret());
    let json = json!({"grant_type": "refresh_token", "refresh_token": seed.expose_secret()}).to_string();
    let cases = [
        (FORM, good.as_str(), "invalid_client", 401),
        (&basic("2", CREDENTIALS.sec), &good, "invalid_client", 401),
        (&right, "refresh_token=x", "invalid_request", 400),
        (&right, "grant_type=authorization_code&code=x", "unsupported_grant_type", 400),
        (&right, "grant_type=refresh_token&refresh_token=x", "invalid_token", 400),
        (&right, "grant_type=refresh_token&grant_type=refresh_token", "invalid_request", 400),
        (&right, &json, "invalid_request", 400),
    ];
    for (rule, by_the_book) in [(OAuthRefusal::Ok, false), (OAuthRefusal::Standard, true)] {
        sandbox.control().change_rules(|rules| rules.oauth_refusal = rule);
        for (headers, body, error, status) in cases {
            let answer = ask(&sandbox, "/v1/auth/oAuthToken", headers, body).await;
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (if by_the_book { status } else { 200 }, Some(error))
            );
        }
    }
    sandbox.control().change_rules(|rules| rules.oauth_body = OAuthBody::Any);
    assert!(ask(&sandbox, "/auth/oauthtoken", &right, &json).await.json().get("access_token").is_some());
}

#[tokio::test]
async fn the_other_api_takes_a_form_and_basic_and_opens_to_its_own_tokens_for_two_hours() {
    let sandbox = sandbox().await;
    let seed = sandbox.control().mint_edgetag_refresh_token();
    let good = form(seed.expose_secret());
    let right = basic(EDGETAG.id, EDGETAG.secret);
    let untyped = right.replace(FORM, "");
    let twice = format!("{good}&client_secret=x");
    for (headers, body, status, error) in [
        (FORM, good.as_str(), 401, "invalid_client"),
        (&basic(EDGETAG.id, "x"), &good, 401, "invalid_client"),
        (&untyped, &good, 400, "invalid_request"),
        (&right, &twice, 400, "invalid_request"),
        (&right, "grant_type=refresh_token&refresh_token=x", 400, "invalid_grant"),
        (&right, "grant_type=password", 400, "unsupported_grant_type"),
    ] {
        let answer = ask(&sandbox, TOKENS, headers, body).await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (status, Some(error)), "{body}");
    }
    let granted = ask(&sandbox, TOKENS, &right, &good).await.json();
    assert_eq!((&granted["expires_in"], granted.get("refresh_token")), (&json!(7200), None));
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(call(&sandbox, "GET /v1/oauth-app/client", token, "").await.json()["clientId"], EDGETAG.id);
    assert_eq!(call(&sandbox, "GET /v1/account/list", token, "").await.status, 401);
    sandbox.control().advance(Duration::from_secs(7200));
    assert_eq!(call(&sandbox, "GET /v1/oauth-app/client", token, "").await.status, 401);

    sandbox.control().change_rules(|rules| rules.edgetag_refresh_token = RenewalToken::New);
    let granted = ask(&sandbox, TOKENS, &right, &good).await.json();
    assert_eq!(ask(&sandbox, TOKENS, &right, &good).await.json()["error"], "invalid_grant");
    let next = form(successor(&granted).expose_secret());
    assert_eq!(ask(&sandbox, TOKENS, &right, &next).await.status, 200);
    let kept = serde_json::to_string(&sandbox.control().requests()).unwrap();
    assert!(!kept.contains(seed.expose_secret()) && !kept.contains(EDGETAG.secret));
}

const TOKENS: &str = "/v1/oauth-app/client/token";
