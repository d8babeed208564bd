//! The session's life as callers see it: from before the first token, through renewals, to after its expiry.

use std::time::Duration;

use tokio::sync::watch;
use tradovate_proxy::{
    auth::State,
    clock::Clock,
    sandbox::{Action, Fault, Options, Record, Sandbox},
};

use crate::support::{
    Answer, Client, RawUpstream, Setup,
    client::write,
    stage::{self, ORDER, Stage, Way, broker},
    within,
};

const READ: &str = "GET /v1/account/list";
const ORDERS: &str = "POST /v1/order/placeorder";
const LOGIN: &str = "auth/accesstokenrequest";
const RENEWAL: &str = "auth/renewaccesstoken";

/// A refusal for want of a token: certain, and with a time to come back.
fn is_without_token(answer: &Answer) {
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "no-token"));
    assert_eq!(answer.outcome(), Some("not-sent"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&wait), "{wait}");
}

#[tokio::test]
async fn before_the_first_token_a_request_waits_and_is_then_served() {
    let mut upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "1m").start().await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 1.0).await;
    upstream.is_untouched();
    upstream.answers_session_calls(true);
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn an_order_whose_caller_left_while_it_waited_for_a_token_is_not_sent() {
    let mut upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "1m").start().await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    client.finish().await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 1.0).await;
    upstream.answers_session_calls(true);
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "caller-left"));
    assert_eq!(answer.outcome(), Some("not-sent"));
    upstream.is_untouched();
    proxy.counts(&[("operation", "place-order"), ("outcome", "not-sent")], 1.0).await;
}

#[tokio::test]
async fn before_the_first_token_a_request_waits_no_longer_than_it_is_set_to() {
    let upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "50ms").start().await;
    let mut client = proxy.client().await;
    for (request, body) in [(READ, ""), (ORDERS, ORDER), ("POST /v1/auth/accesstokenrequest", "{}")] {
        let answer = client.ask(request, body).await;
        is_without_token(&answer);
        assert_eq!(answer.header("connection"), None);
    }
    for (operation, count) in [("account-list", 1.0), ("place-order", 1.0)] {
        let labels = [("operation", operation), ("status", "503"), ("outcome", "no-token")];
        proxy.counts(&labels, count).await;
    }
}

#[tokio::test]
async fn an_upstream_that_is_down_at_the_start_is_waited_for_and_costs_no_login() {
    let clock = Clock::simulated_from_now();
    let address = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let setup = Setup::before(&format!("http://{address}"), &clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "50ms").start().await;
    // More failures than a login may have in an hour, had any of them reached the broker.
    for attempt in 1..=6 {
        let failed = [("call", "acquire"), ("result", "unreachable")];
        proxy.shows("tradovate_proxy_session_attempts_total", &failed, f64::from(attempt)).await;
        is_without_token(&proxy.ask(ORDERS, ORDER).await);
        if attempt < 6 {
            clock.advance(Duration::from_secs(10)).unwrap();
        }
    }
    let sandbox = Sandbox::start(Options { http: address, clock: clock.clone(), ..Options::default() });
    let sandbox = sandbox.await.unwrap();
    clock.advance(Duration::from_secs(10)).unwrap();
    proxy.reaches(State::Live).await;
    assert_eq!(proxy.ask(ORDERS, ORDER).await.status(), 200);
    assert_eq!(sandbox.control().requests_to(LOGIN).len(), 1);
    assert_eq!(sandbox.control().entities("order").len(), 1, "no order of before was kept and sent");
}

#[tokio::test]
async fn ten_renewals_cost_no_request_and_no_second_login() {
    let stage = Stage::new().await;
    let (stop, stopped) = watch::channel(false);
    let callers: Vec<_> = (0..2)
        .map(|_| {
            let (address, stopped) = (stage.proxy.address, stopped.clone());
            tokio::spawn(async move {
                let mut client = Client::connect(address).await;
                let mut answered = 0;
                while !*stopped.borrow() {
                    let answer = client.ask(READ, "").await;
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for generation in 2..=11 {
        // Renewal is due by four fifths of eighty minutes.
        stage.clock.advance(Duration::from_secs(65 * 60)).unwrap();
        stage.proxy.reaches_generation(generation).await;
        // A request under each token, at the least.
        let answer = stage.ask(READ, "").await;
        assert_eq!(answer.status(), 200);
    }
    stop.send_replace(true);
    let mut answered = 10;
    for caller in callers {
        answered += within("a caller", caller).await.unwrap();
    }
    let control = stage.control();
    assert_eq!((control.requests_to(LOGIN).len(), control.requests_to(RENEWAL).len()), (1, 10));
    let seen = stage.seen();
    assert_eq!(seen.len(), answered, "each went out once");
    for record in &seen {
        let bearer = record.bearer.unwrap();
        assert!(bearer.refused.is_none() && bearer.session == Some(1), "{record:?}");
    }
    for serial in 2..=11 {
        let used = |record: &Record| record.bearer.is_some_and(|bearer| bearer.serial == Some(serial));
        assert!(seen.iter().any(used), "token {serial} was used");
    }
    assert_eq!(control.sessions().len(), 1);

    let metrics = stage.proxy.metrics().await;
    assert_eq!(metrics.only("tradovate_proxy_token_generation", &[]), Some(11.0));
    let renewed = [("call", "renew"), ("result", "ok")];
    assert_eq!(metrics.only("tradovate_proxy_session_attempts_total", &renewed), Some(10.0));
    let acquired = [("call", "acquire"), ("result", "ok")];
    assert_eq!(metrics.only("tradovate_proxy_session_attempts_total", &acquired), Some(1.0));
}

#[tokio::test]
async fn past_expiry_nothing_is_sent_until_there_is_a_new_token() {
    let stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "50ms")).await;
    let down = Action::Respond { status: 503, headers: Vec::new(), body: String::new() };
    stage.control().inject(Fault::next("token", down.clone()).times(100));
    stage.control().inject(Fault::next(LOGIN, down).times(100));
    let mut client = stage.client().await;
    assert_eq!(client.ask(READ, "").await.status(), 200);
    stage.control().forget_requests();

    stage.clock.advance(Duration::from_secs(80 * 60)).unwrap();
    for (request, body) in [(READ, ""), (ORDERS, ORDER)] {
        is_without_token(&client.ask(request, body).await);
    }
    assert!(stage.seen().is_empty(), "{:?}", stage.seen());
    assert!(stage.control().entities("order").is_empty());
    stage.proxy.reaches(State::Lapsed).await;

    stage.control().clear_faults();
    stage.clock.advance(Duration::from_secs(180)).unwrap();
    stage.proxy.reaches(State::Live).await;
    assert_eq!(client.ask(ORDERS, ORDER).await.status(), 200);
}

#[tokio::test]
async fn a_renewal_that_fails_takes_nothing_from_the_token_in_use() {
    let stage = Stage::new().await;
    stage.control().inject(Fault::next(RENEWAL, Action::Reset).times(100));
    stage.clock.advance(Duration::from_secs(66 * 60)).unwrap();
    stage.proxy.reaches(State::Overdue).await;
    assert_eq!(stage.ask(READ, "").await.status(), 200);
    stage.control().clear_faults();
    stage.clock.advance(Duration::from_secs(180)).unwrap();
    stage.proxy.reaches(State::Live).await;
    assert_eq!(stage.control().requests_to(LOGIN).len(), 1);
}

#[tokio::test]
async fn a_session_whose_seat_was_taken_is_verified_lost_and_taken_back() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    assert_eq!(stage.control().evict(None), Some(1));
    // Tradovate: a missing permission, an unknown device and a lost seat all look like this.
    let answer = client.ask(ORDERS, ORDER).await;
    assert_eq!((answer.status(), answer.outcome()), (401, Some("answered")), "upstream's own answer");
    stage.proxy.reaches_generation(2).await;
    assert_eq!(stage.control().requests_to("order/placeorder").len(), 1, "it was not sent again");
    assert_eq!(stage.control().requests_to(RENEWAL).len(), 1, "the session was verified first");
    assert_eq!(stage.control().requests_to(LOGIN).len(), 2);
    assert_eq!(client.ask(ORDERS, ORDER).await.status(), 200);
    let metrics = stage.proxy.metrics().await;
    assert_eq!(metrics.only("tradovate_proxy_session_kicks_total", &[]), Some(1.0));
}

#[tokio::test]
async fn wrong_credentials_are_tried_once_and_never_again() {
    let (sandbox, clock) = broker().await;
    let proxy = stage::setup(&sandbox, &clock, Way::Plain).with("TRADOVATE_PASSWORD", "wrong").start().await;
    proxy.reaches(State::Rejected).await;
    for _ in 0..5 {
        clock.advance(Duration::from_secs(3600)).unwrap();
        // There is no hope, so nobody is kept waiting.
        is_without_token(&proxy.ask(ORDERS, ORDER).await);
    }
    assert_eq!(sandbox.control().requests_to(LOGIN).len(), 1);
    assert_eq!(proxy.admin("/livez").await.status(), 200, "a restart would not help");
}
