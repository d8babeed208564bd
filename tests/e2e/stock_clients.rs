//! Clients that insist on logging in by themselves: what the proxy answers in Tradovate's place.

use serde_json::Value;
use tradovate_proxy::{proxy::PLACEHOLDER, sandbox::CREDENTIALS};

use crate::support::{
    Answer, Client, RawUpstream, Setup,
    stage::{Stage, Way},
};

const LOGIN: &str =
    r#"{"name":"somebody","password":"their-own","appId":"x","appVersion":"1","cid":8,"sec":"y"}"#;
const FORM: &str = "grant_type=refresh_token&refresh_token=theirs";

/// Every way in which clients are known to spell the two calls that open and extend a session, and a few more.
const SESSION_CALLS: &[&str] = &[
    "POST /v1/auth/accesstokenrequest",
    "POST /v1/auth/accessTokenRequest",
    "POST /V1/AUTH/ACCESSTOKENREQUEST/?a=b",
    "GET /v1/auth/accessTokenRequest",
    "GET /v1/auth/renewaccesstoken",
    "POST /v1/auth/renewAccessToken",
    "GET /v1/Auth/RenewAccessToken HTTP/1.0\r\nConnection: keep-alive",
];

/// The same of the OAuth one. Tradovate: served with and without /v1.
const OAUTH_CALLS: &[&str] = &[
    "POST /v1/auth/oauthtoken",
    "POST /auth/oauthtoken",
    "GET /v1/auth/OAuthToken",
    "POST /Auth/oAuthToken",
];

/// What is sent along, and as what: the proxy looks at none of it.
const BODIES: &[(&str, &str)] = &[
    ("application/json", LOGIN),
    ("application/json; charset=utf-8", r#"{"name":"somebody","password":"x","p-ticket":"SIM-ticket-0001"}"#),
    ("application/x-www-form-urlencoded", FORM),
    ("text/plain;charset=UTF-8", LOGIN),
    ("application/json", "{ no JSON"),
    ("", "{}"),
    ("application/json", ""),
];

async fn ask(client: &mut Client, request: &str, content_type: &str, body: &str) -> Answer {
    let (line, fields) = request.split_once("\r\n").unwrap_or((request, ""));
    let line = if line.contains(" HTTP/") { line.to_owned() } else { format!("{line} HTTP/1.1") };
    let mut head = format!("{line}\r\nHost: localhost\r\n");
    for (name, value) in [("", fields), ("Content-Type: ", content_type)] {
        if !value.is_empty() {
            head = format!("{head}{name}{value}\r\n");
        }
    }
    client.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await;
    client.answer_to(request).await
}

fn names(answer: &Value) -> Vec<&str> {
    answer.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn whatever_they_send_they_get_a_placeholder_and_the_truth() {
    let stage = Stage::new().await;
    // By the broker's clock, which may be found a second off, since `Date` has whole ones.
    let skew = stage.proxy.session.status().clock_skew_seconds.unwrap();
    let expiry = stage.proxy.session.last().unwrap().expires_at + jiff::SignedDuration::from_secs(skew);
    let mut client = stage.client().await;
    for (content_type, body) in BODIES {
        for request in SESSION_CALLS {
            let context = format!("{request} with {content_type}: {body}");
            let answer = ask(&mut client, request, content_type, body).await;
            assert_eq!((answer.status(), answer.header("content-type")), (200, Some("application/json")));
            assert_eq!((answer.header("cache-control"), answer.outcome()), (Some("no-store"), None));
            let grant = answer.json();
            let expected =
                ["accessToken", "mdAccessToken", "expirationTime", "userStatus", "userId", "name", "hasLive"];
            assert_eq!(names(&grant), expected, "{context}");
            let tokens = (grant["accessToken"].as_str(), grant["mdAccessToken"].as_str());
            assert_eq!(tokens, (Some(PLACEHOLDER), Some(PLACEHOLDER)), "{context}");
            assert_eq!(grant["name"], CREDENTIALS.name, "{context}");
            assert!(grant["userId"].as_i64().is_some_and(|id| id > 0), "{context}: {grant}");
            let stated = grant["expirationTime"].as_str().unwrap();
            assert_eq!(stated.len(), "2026-11-20T16:20:00.000Z".len(), "{context}: {stated}");
            let stated: jiff::Timestamp = stated.parse().unwrap();
            assert!(stated.duration_since(expiry).as_millis().abs() <= 1, "{context}: {stated} {expiry}");
        }
        for request in OAUTH_CALLS {
            let context = format!("{request} with {content_type}: {body}");
            let grant = ask(&mut client, request, content_type, body).await.json();
            let expected = ["access_token", "token_type", "expires_in", "refresh_token"];
            assert_eq!(names(&grant), expected, "{context}");
            let tokens = (grant["access_token"].as_str(), grant["refresh_token"].as_str());
            assert_eq!(tokens, (Some(PLACEHOLDER), Some(PLACEHOLDER)), "{context}");
            assert_eq!(grant["token_type"], "Bearer", "{context}");
            assert!(
                grant["expires_in"].as_i64().is_some_and(|left| (4700..=4800).contains(&left)),
                "{context}"
            );
        }
    }
    assert!(stage.seen().is_empty(), "nothing of it went upstream");
    let control = stage.control();
    let session_calls = ["auth/accesstokenrequest", "auth/renewaccesstoken", "auth/oauthtoken"];
    assert_eq!(session_calls.map(|path| control.requests_to(path).len()), [1, 0, 0]);
    let asked = BODIES.len() * (SESSION_CALLS.len() + OAUTH_CALLS.len());
    let labels = [("effect", "auth"), ("status", "200"), ("outcome", "local")];
    stage.proxy.counts(&labels, f64::from(u32::try_from(asked).unwrap())).await;
}

#[tokio::test]
async fn a_head_request_gets_the_head_alone() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for path in ["/v1/auth/renewaccesstoken", "/auth/oauthtoken"] {
        let whole = client.ask(&format!("GET {path}"), "").await;
        let head = client.ask(&format!("HEAD {path}"), "").await;
        assert_eq!((head.status(), head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn what_they_then_send_is_treated_like_anybodys() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for authorization in [
        format!("Bearer {PLACEHOLDER}"),
        "Bearer of-their-own".to_owned(),
        "Basic c29tZWJvZHk6eA==".to_owned(),
    ] {
        let request = format!("GET /v1/account/list\r\nAuthorization: {authorization}");
        assert_eq!(client.ask(&request, "").await.status(), 200, "{authorization}");
    }
    for record in stage.seen() {
        assert!(record.bearer.is_some_and(|bearer| bearer.session == Some(1)), "{record:?}");
    }
}

#[tokio::test]
async fn after_a_renewal_they_are_told_of_the_new_expiry() {
    let stage = Stage::by(Way::Plain).await;
    let mut client = stage.client().await;
    let mut expiries = Vec::new();
    for generation in 1..=2 {
        stage.proxy.reaches_generation(generation).await;
        let grant = client.ask("GET /v1/auth/renewaccesstoken", "").await.json();
        let expiry: jiff::Timestamp = grant["expirationTime"].as_str().unwrap().parse().unwrap();
        expiries.push(expiry);
        stage.clock.advance(std::time::Duration::from_secs(70 * 60)).unwrap();
    }
    let later = expiries[1].duration_since(expiries[0]).as_mins();
    assert!((69..=71).contains(&later), "{later} min later");
}

#[tokio::test]
async fn without_a_session_they_are_told_so_in_a_way_that_none_takes_for_a_wrong_password() {
    let upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20ms").start().await;
    let mut client = proxy.client().await;
    for request in SESSION_CALLS.iter().chain(OAUTH_CALLS) {
        let answer = ask(&mut client, request, "application/json", LOGIN).await;
        assert_eq!((answer.status(), answer.problem().as_str()), (503, "no-token"), "{request}");
        assert!(answer.header("retry-after").is_some(), "{request}");
        let problem = answer.json();
        // Whoever looks for nothing else finds a refusal, and no token.
        assert!(problem["errorText"].as_str().unwrap().contains("no live access token"), "{problem}");
        assert_eq!((problem.get("accessToken"), problem.get("access_token")), (None, None));
    }
}
