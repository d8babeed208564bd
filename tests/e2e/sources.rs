//! Where tokens come from, besides a login: a refresh grant at Tradovate and at an authorization server of another kind,
//! and the user's own hands. Each through several renewals, a restart in between, and its end.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tradovate_proxy::{
    auth::State,
    clock::Clock,
    sandbox::{Action, CREDENTIALS, EDGETAG, Fault, Sandbox},
};

use crate::support::{Proxy, Setup, stage::broker};

pub(crate) const READ: &str = "GET /v1/account/list";
pub(crate) const LOGIN: &str = "auth/accesstokenrequest";
pub(crate) const RENEWAL: &str = "auth/renewaccesstoken";
pub(crate) const REFRESH: &str = "auth/oauthtoken";

/// What the tokens of the other API open, and where they come from.
pub(crate) const RESOURCE: &str = "GET /v1/oauth-app/client";
pub(crate) const TOKENS: &str = "oauth-app/client/token";

/// Tradovate's refresh grant, as its example makes it.
pub(crate) fn tradovate(sandbox: &Sandbox, clock: &Clock, refresh: &SecretString) -> Setup {
    oauth2(sandbox, clock, (&CREDENTIALS.cid.to_string(), CREDENTIALS.sec), refresh)
        .with("TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", "body")
}

/// EdgeTag's, as its documentation has it.
pub(crate) fn edgetag(sandbox: &Sandbox, clock: &Clock, refresh: &SecretString) -> Setup {
    let url = format!("http://{}/v1/{TOKENS}", sandbox.http_addr());
    oauth2(sandbox, clock, (EDGETAG.id, EDGETAG.secret), refresh)
        .with("TRADOVATE_PROXY_OAUTH2_TOKEN_URL", &url)
        .with("TRADOVATE_PROXY_API", "other")
}

fn oauth2(sandbox: &Sandbox, clock: &Clock, (id, secret): (&str, &str), refresh: &SecretString) -> Setup {
    before(sandbox, clock)
        .with("TRADOVATE_PROXY_SOURCE", "oauth2")
        .with("TRADOVATE_PROXY_OAUTH2_CLIENT_ID", id)
        .with("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", secret)
        .with("TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", refresh.expose_secret())
}

/// A token that somebody got elsewhere.
fn handed(sandbox: &Sandbox, clock: &Clock, token: &SecretString) -> Setup {
    before(sandbox, clock)
        .with("TRADOVATE_PROXY_SOURCE", "static")
        .with("TRADOVATE_TOKEN", token.expose_secret())
}

fn before(sandbox: &Sandbox, clock: &Clock) -> Setup {
    Setup::before(&format!("http://{}", sandbox.http_addr()), clock).without_login()
}

/// Lets `renewals` fall due one after the other, each token in use once it is there.
pub(crate) async fn lives_through(proxy: &Proxy, clock: &Clock, minutes: u64, renewals: u64, request: &str) {
    let first = proxy.session.status().last_success.unwrap().1.0;
    assert_eq!(proxy.ask(request, "").await.status(), 200);
    for generation in first + 1..=first + renewals {
        clock.advance(Duration::from_secs(minutes * 60)).unwrap();
        proxy.reaches_generation(generation).await;
        let answer = proxy.ask(request, "").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}

pub(crate) fn count(sandbox: &Sandbox, path: &str) -> usize {
    sandbox.control().requests_to(path).len()
}

#[tokio::test]
async fn tradovates_refresh_grant_opens_a_session_that_its_renewal_extends() {
    let (sandbox, clock) = broker().await;
    let seed = sandbox.control().mint_refresh_token();
    let setup = tradovate(&sandbox, &clock, &seed).with("TRADOVATE_PROXY_OAUTH2_RENEWAL", "tradovate");
    let proxy = setup.live().await;
    lives_through(&proxy, &clock, 65, 10, READ).await;
    assert_eq!([LOGIN, REFRESH, RENEWAL].map(|path| count(&sandbox, path)), [0, 1, 10]);
    let sessions = sandbox.control().sessions();
    assert_eq!((sessions.len(), sessions[0].grants), (1, 11));
}

#[tokio::test]
async fn another_apis_refresh_grant_renews_by_itself_and_over_a_restart() {
    let (sandbox, clock) = broker().await;
    let state = tempfile::tempdir().unwrap();
    let setup = edgetag(&sandbox, &clock, &sandbox.control().mint_edgetag_refresh_token());
    let setup = setup.stored_in(state.path());
    let proxy = setup.clone().live().await;
    lives_through(&proxy, &clock, 100, 3, RESOURCE).await;
    assert_eq!(count(&sandbox, TOKENS), 4);
    proxy.stop().await;

    let proxy = setup.live().await;
    assert_eq!(proxy.ask(RESOURCE, "").await.status(), 200);
    assert_eq!(count(&sandbox, TOKENS), 4, "the stored token is used");
    lives_through(&proxy, &clock, 100, 3, RESOURCE).await;
    assert_eq!([TOKENS, LOGIN, RENEWAL].map(|path| count(&sandbox, path)), [7, 0, 0]);
    for record in sandbox.control().requests_to(TOKENS) {
        assert!(record.header("authorization").count() == 1 && record.status == Some(200), "{record:?}");
    }
}

#[tokio::test]
async fn a_token_handed_in_lives_on_without_a_password() {
    let (sandbox, clock) = broker().await;
    let proxy = handed(&sandbox, &clock, &sandbox.control().log_in_elsewhere()).live().await;
    lives_through(&proxy, &clock, 8, 1, READ).await;
    lives_through(&proxy, &clock, 65, 5, READ).await;
    assert_eq!([LOGIN, REFRESH, RENEWAL].map(|path| count(&sandbox, path)), [0, 0, 6]);
    assert_eq!(sandbox.control().sessions().len(), 1);
}

#[tokio::test]
async fn a_token_handed_in_that_is_dead_is_told_and_not_tried_for_ever() {
    let (sandbox, clock) = broker().await;
    let token = sandbox.control().log_in_elsewhere();
    sandbox.control().evict(None);
    let proxy = handed(&sandbox, &clock, &token).start().await;
    proxy.reaches(State::Live).await;
    clock.advance(Duration::from_secs(8 * 60)).unwrap();
    proxy.reaches(State::Rejected).await;
    for _ in 0..5 {
        clock.advance(Duration::from_secs(3600)).unwrap();
        assert_eq!(proxy.ask(READ, "").await.status(), 503);
    }
    assert_eq!([LOGIN, RENEWAL].map(|path| count(&sandbox, path)), [0, 1]);
}

#[tokio::test]
async fn one_refusal_of_a_refresh_token_is_not_the_end() {
    let (sandbox, clock) = broker().await;
    // Tradovate: measured, and the connection renewed next day.
    let refusal =
        Action::Respond { status: 200, headers: Vec::new(), body: r#"{"error":"invalid_token"}"#.to_owned() };
    sandbox.control().inject(Fault::next(REFRESH, refusal));
    let proxy = tradovate(&sandbox, &clock, &sandbox.control().mint_refresh_token()).start().await;
    let refused = [("call", "acquire"), ("result", "refused")];
    proxy.shows("tradovate_proxy_session_attempts_total", &refused, 1.0).await;
    clock.advance(Duration::from_secs(180)).unwrap();
    proxy.reaches(State::Live).await;
    assert_eq!(count(&sandbox, REFRESH), 2);
}

#[tokio::test]
async fn a_wrong_client_is_refused_once() {
    let (sandbox, clock) = broker().await;
    let setup = edgetag(&sandbox, &clock, &sandbox.control().mint_edgetag_refresh_token());
    let proxy = setup.with("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", "wrong").start().await;
    proxy.reaches(State::Rejected).await;
    clock.advance(Duration::from_secs(24 * 3600)).unwrap();
    assert_eq!(proxy.ask(RESOURCE, "").await.status(), 503);
    assert_eq!(count(&sandbox, TOKENS), 1);
}
