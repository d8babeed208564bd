//! Refresh tokens that are replaced at each use: the newest is the one that is used, over restarts too.

use std::time::Duration;

use tradovate_proxy::{auth::State, sandbox::RenewalToken};

use crate::{
    sources::{LOGIN, READ, REFRESH, RENEWAL, RESOURCE, TOKENS, count, edgetag, lives_through, tradovate},
    support::stage::broker,
};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn tradovates_refresh_token_rotates_through_renewals_and_a_restart() {
    let (sandbox, clock) = broker().await;
    let state = tempfile::tempdir().unwrap();
    let setup = tradovate(&sandbox, &clock, &sandbox.control().mint_refresh_token()).stored_in(state.path());
    let proxy = setup.clone().live().await;
    lives_through(&proxy, &clock, 65, 4, READ).await;
    proxy.stop().await;
    assert_eq!(count(&sandbox, REFRESH), 5);

    // The access token is dead by now, the refresh token is not.
    clock.advance(20 * HOUR).unwrap();
    let proxy = setup.live().await;
    lives_through(&proxy, &clock, 65, 4, READ).await;
    assert_eq!([REFRESH, RENEWAL, LOGIN].map(|path| count(&sandbox, path)), [10, 0, 0]);
}

#[tokio::test]
async fn a_session_that_tradovates_renewal_extends_keeps_its_refresh_token_alive() {
    let (sandbox, clock) = broker().await;
    let seed = sandbox.control().mint_refresh_token();
    let setup = tradovate(&sandbox, &clock, &seed).with("TRADOVATE_PROXY_OAUTH2_RENEWAL", "tradovate");
    let proxy = setup.live().await;
    // Thirty hours: longer than a refresh token lives.
    lives_through(&proxy, &clock, 65, 28, READ).await;
    assert_eq!((count(&sandbox, REFRESH), count(&sandbox, RENEWAL)), (3, 26), "after each half of its life");

    // Another program takes the session's place.
    sandbox.control().evict(None);
    // Whoever asks just then is told, or asked for once more where the place has been taken back before that.
    let told = proxy.ask(READ, "").await.status();
    assert!([401, 200].contains(&told), "{told}");
    clock.advance(Duration::from_secs(61)).unwrap();
    proxy.reaches_generation(30).await;
    proxy.reaches(State::Live).await;
    assert_eq!(proxy.ask(READ, "").await.status(), 200);
    assert_eq!((count(&sandbox, REFRESH), count(&sandbox, LOGIN)), (4, 0));
}

#[tokio::test]
async fn another_apis_refresh_token_rotates_through_renewals_and_a_restart() {
    let (sandbox, clock) = broker().await;
    sandbox.control().change_rules(|rules| rules.edgetag_refresh_token = RenewalToken::New);
    let state = tempfile::tempdir().unwrap();
    let setup = edgetag(&sandbox, &clock, &sandbox.control().mint_edgetag_refresh_token());
    let setup = setup.stored_in(state.path());
    let proxy = setup.clone().live().await;
    lives_through(&proxy, &clock, 100, 4, RESOURCE).await;
    proxy.stop().await;

    clock.advance(48 * HOUR).unwrap();
    let proxy = setup.live().await;
    lives_through(&proxy, &clock, 100, 4, RESOURCE).await;
    let asked = sandbox.control().requests_to(TOKENS);
    assert_eq!(asked.len(), 10);
    let served = |record: &tradovate_proxy::sandbox::Record| record.status == Some(200);
    assert!(asked.iter().all(served), "no refresh token was used twice: {asked:?}");
}
