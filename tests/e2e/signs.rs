//! What upstream's answers say of the session: refusals and redirects, what is sent once more after them, and how a
//! caller can tell that it was upstream who spoke.

use std::time::Duration;

use tradovate_proxy::{
    auth::State,
    sandbox::{Action, Fault, OldToken, Record},
};

use crate::support::{
    RawUpstream, Setup,
    client::write,
    stage::{ORDER, Stage, Way},
    upstream::raw,
    wait::{PATIENCE, within},
};

const READ: &str = "GET /v1/account/list";
const RENEWAL: &str = "auth/renewaccesstoken";
const LOGIN: &str = "auth/accesstokenrequest";
const ORDERS: &str = "POST /v1/order/placeorder";

#[tokio::test]
async fn a_refusal_is_upstreams_own_and_says_so() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for (request, body) in [(READ, ""), (ORDERS, ORDER)] {
        for words in ["Access is denied", ""] {
            client.send(write(request, body)).await;
            let fields = format!(
                "Content-Length: {}\r\nWWW-Authenticate: Bearer\r\nX-Proxy-Outcome: not-sent\r\nx_proxy.outcome: x\r\n\
                 X-Test-A: 1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
                words.len()
            );
            upstream.request().await.answer(format!("HTTP/1.1 401 No\r\n{fields}\r\n{words}")).await;
            let answer = client.answer().await;
            assert_eq!((answer.head.start.as_str(), answer.text()), ("HTTP/1.1 401 No", words), "{request}");
            // Upstream's copy of the field is nobody's; the rest is as it came.
            assert_eq!(answer.outcome(), Some("answered"), "{request}");
            let names = answer.head.fields.iter().map(|(name, _)| name.as_str());
            // An order has a name.
            let names: Vec<&str> = names.filter(|name| *name != "X-Proxy-Request-Id").collect();
            let expected = ["WWW-Authenticate", "X-Test-A", "Date", "X-Proxy-Outcome", "Content-Length"];
            assert_eq!(names, expected, "{request}");
        }
    }
    upstream.is_untouched();
    proxy.counts(&[("status", "401"), ("outcome", "answered")], 4.0).await;
}

#[tokio::test]
async fn a_307_to_a_trusted_host_moves_the_session_and_a_read_goes_there_once_more() {
    let mut upstream = RawUpstream::start().await;
    let port = upstream.address.port();
    let setup = Setup::before(&format!("http://a.localhost:{port}"), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TRUSTED_HOSTS", "localhost").live().await;
    let mut client = proxy.client().await;
    let redirect = |host: &str| {
        let location = format!("http://{host}:{port}/v1/account/list");
        format!("HTTP/1.1 307 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
    };
    let at = |host: &str| format!("{host}.localhost:{port}");

    client.send(write(READ, "")).await;
    let first = upstream.request().await;
    assert_eq!(first.all("host"), [at("a")]);
    first.answer(redirect("b.localhost")).await;
    let second = upstream.request().await;
    assert_eq!(second.all("host"), [at("b")]);
    second.ok("[]").await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (200, None));

    // Two hosts that point at each other must not move the session with every request: so this is a while later.
    upstream.clock.advance(Duration::from_secs(11)).unwrap();
    // An order's caller is told, and only what is asked next goes there.
    let before = proxy.session.last().unwrap().generation;
    client.send(write(ORDERS, ORDER)).await;
    upstream.request().await.answer(redirect("c.localhost")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (307, Some("answered")));
    assert!(proxy.session.newer_than(before, PATIENCE).await.is_some(), "the session moved");
    upstream.is_untouched();
    client.send(write(ORDERS, ORDER)).await;
    let next = upstream.request().await;
    assert_eq!(next.all("host"), [at("c")]);
    next.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);

    // A host that may not have the token gets none.
    client.send(write(READ, "")).await;
    upstream.request().await.answer(redirect("c.localhost.example")).await;
    assert_eq!(client.answer().await.outcome(), Some("answered"));
    client.send(write(READ, "")).await;
    let next = upstream.request().await;
    assert_eq!(next.all("host"), [at("c")]);
    next.ok("[]").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn redirects_that_the_session_does_not_follow_are_passed_back() {
    for way in Way::ALL {
        // How long a redirected read waits for the session to move, which it does not: its origin is fixed.
        let stage = Stage::with(way, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20ms")).await;
        let elsewhere = format!("http://{}/v1/order/list", stage.sandbox.http_addr());
        for status in [301, 302, 303, 307, 308] {
            for (request, path, body) in [(READ, "account/list", ""), (ORDERS, "order/placeorder", ORDER)] {
                let headers = vec![("location".to_owned(), elsewhere.clone())];
                let respond = Action::Respond { status, headers, body: String::new() };
                stage.control().inject(Fault::next(path, respond));
                let answer = stage.ask(request, body).await;
                assert_eq!(answer.status(), status, "{way:?} {request}");
                let outcome = matches!(status, 307 | 308).then_some("answered");
                assert_eq!(answer.outcome(), outcome, "{way:?} {request} {status}");
                assert_eq!(answer.header("location"), Some(elsewhere.as_str()), "{way:?} {request}");
            }
        }
        assert!(stage.seen().iter().all(|seen| !seen.path().ends_with("order/list")), "{way:?}");
        assert_eq!(stage.seen().len(), 10, "{way:?}");
    }
}

#[tokio::test]
async fn a_401_to_a_token_that_has_been_replaced_since_sends_a_read_once_more_and_an_order_never() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let denied = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 16\r\n\r\nAccess is denied";
    let mut generation = 1;
    for (request, body, sent_again) in [(READ, "", true), (ORDERS, ORDER, false)] {
        client.send(write(request, body)).await;
        let first = upstream.request().await;
        assert_eq!(first.all("authorization"), [format!("Bearer SIM-access-raw-{generation}")]);
        // The token is renewed while the answer is awaited.
        upstream.clock.advance(Duration::from_secs(70 * 60)).unwrap();
        generation += 1;
        proxy.reaches_generation(generation).await;
        first.answer(denied).await;
        if sent_again {
            let second = upstream.request().await;
            assert_eq!(second.all("authorization"), [format!("Bearer SIM-access-raw-{generation}")]);
            // Whatever comes now is the answer.
            second.answer(denied).await;
        }
        let answer = client.answer().await;
        assert_eq!(
            (answer.status(), answer.text(), answer.outcome()),
            (401, "Access is denied", Some("answered"))
        );
        upstream.is_untouched();
    }
    // A 401 to the token in use is the answer, for a read too.
    client.send(write(READ, "")).await;
    upstream.request().await.answer(denied).await;
    assert_eq!(client.answer().await.status(), 401);
    upstream.is_untouched();
}

#[tokio::test]
async fn a_read_that_is_refused_while_the_next_token_is_on_its_way_waits_for_that() {
    let stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20s")).await;
    stage.control().change_rules(|rules| rules.old_token = OldToken::Dies);
    let refused = Action::Respond { status: 503, headers: Vec::new(), body: String::new() };
    for (action, status) in [(Action::Pass, 200), (refused.clone(), 401)] {
        // The broker has done its work, so that the old token is dead, and keeps the answer back.
        stage.control().inject(Fault::next(RENEWAL, action).handled().delayed_ms(60_000));
        stage.clock.advance(Duration::from_secs(70 * 60)).unwrap();
        stage.control().wait_for_requests(RENEWAL, 1).await;
        let mut reader = stage.client().await;
        reader.send(write(READ, "")).await;
        let is_refused = |seen: &Record| seen.bearer.is_some_and(|bearer| bearer.refused.is_some());
        within(
            "the read",
            stage.control().seen(|seen| seen.path().ends_with("account/list") && is_refused(seen)),
        )
        .await;
        // An order does not wait: what it was told is what became of it.
        let told = stage.ask(ORDERS, ORDER).await;
        assert_eq!((told.status(), told.outcome()), (401, Some("answered")));
        stage.control().clear_faults();
        // However late the read learns that this renewal has failed, neither another nor a login has brought a token.
        for call in [RENEWAL, LOGIN] {
            stage.control().inject(Fault::next(call, refused.clone()).times(1000));
        }
        assert_eq!(reader.answer().await.status(), status);
        stage.control().clear_faults();
        stage.control().forget_requests();
    }
}

#[tokio::test]
async fn a_broker_that_ends_old_tokens_at_renewal_fails_no_read() {
    let stage = Stage::new().await;
    stage.control().change_rules(|rules| rules.old_token = OldToken::Dies);
    let mut client = stage.client().await;
    for generation in 2..5 {
        stage.clock.advance(Duration::from_secs(70 * 60)).unwrap();
        stage.proxy.reaches_generation(generation).await;
        assert_eq!(client.ask(READ, "").await.status(), 200);
    }
    assert_eq!(stage.proxy.session.status().state, State::Live);
}
