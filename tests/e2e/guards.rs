//! Trading guards: what they refuse never reaches upstream, what they let pass does byte for byte, and the kill switch
//! under traffic.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::support::{
    Answer, Client, Proxy, RawUpstream, Setup,
    client::write,
    stage::{ORDER, Stage, Way},
    upstream::{raw, raw_with},
    within,
};

/// One request on a new connection, refused so that upstream sees nothing of it; and the connection goes on.
async fn refuses(settings: &[(&str, &str)], request: &str, body: &str, status: u16, code: &str) -> Answer {
    let (mut upstream, proxy) =
        raw_with(|setup| settings.iter().fold(setup, |setup, (name, value)| setup.with(name, value))).await;
    let mut client = proxy.client().await;
    let answer = client.ask(request, body).await;
    assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{request} {body}");
    assert_eq!(answer.outcome(), Some("not-sent"), "{request}");
    assert_eq!(answer.header("x-proxy-environment"), Some("demo"), "{request}");
    client.send(write("GET /v1/account/list", "")).await;
    let witness = upstream.request().await;
    assert_eq!(witness.head.start, "GET /v1/account/list HTTP/1.1", "{request}");
    witness.ok("[]").await;
    assert_eq!(client.answer().await.header("x-proxy-environment"), None, "upstream's answers are its own");
    proxy.shows("tradovate_proxy_guard_refusals_total", &[], 1.0).await;
    answer
}

const PLACE: &str = "POST /v1/order/placeorder";

#[tokio::test]
async fn what_a_guard_refuses_never_reaches_upstream() {
    let large = ORDER.replace("\"orderQty\":1", "\"orderQty\":3");
    for (settings, request, body, status, code) in [
        (("TRADOVATE_PROXY_GUARDS_MODE", "read-only"), PLACE, ORDER, 403, "guard-read-only"),
        (
            ("TRADOVATE_PROXY_GUARDS_MODE", "read-only"),
            "POST /v1/order/cancelorder",
            "{\"orderId\":1}",
            403,
            "guard-read-only",
        ),
        (("TRADOVATE_PROXY_GUARDS_MODE", "cancel-only"), PLACE, ORDER, 403, "guard-cancel-only"),
        (
            ("TRADOVATE_PROXY_GUARDS_MODE", "cancel-only"),
            "POST /v1/userAccountAutoLiq/update",
            "{}",
            403,
            "guard-cancel-only",
        ),
        (("TRADOVATE_PROXY_GUARDS_ACCOUNTS", "DEMO15460"), PLACE, ORDER, 403, "guard-accounts"),
        (("TRADOVATE_PROXY_GUARDS_SYMBOLS", "NQ*"), PLACE, ORDER, 403, "guard-symbols"),
        (("TRADOVATE_PROXY_GUARDS_ORDER_TYPES", "Limit"), PLACE, ORDER, 403, "guard-order-types"),
        (("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2"), PLACE, &large, 403, "guard-max-quantity"),
        (("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2"), "POST /v1/no/such", ORDER, 422, "guard-body"),
        (
            ("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2"),
            "POST /v1/order/placeorder?orderQty=1",
            ORDER,
            422,
            "guard-body",
        ),
        (("TRADOVATE_PROXY_GUARDS_KILL_FILE", "/"), PLACE, ORDER, 403, "guard-kill"),
        (
            ("TRADOVATE_PROXY_GUARDS_MODE", "all"),
            "GET /v1/account/list\r\nX-Expect-Env: live",
            "",
            412,
            "wrong-environment",
        ),
    ] {
        let answer = refuses(&[settings], request, body, status, code).await;
        let help = answer.json()["help"].as_str().unwrap().to_owned();
        assert!(help.len() > 20, "{help}");
        assert!(!answer.text().contains("6270") || code == "guard-accounts", "{}", answer.text());
    }
}

#[tokio::test]
async fn what_was_judged_is_byte_for_byte_what_is_sent() {
    let (mut upstream, proxy) = raw_with(|setup| {
        setup
            .with("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "2")
            .with("TRADOVATE_PROXY_GUARDS_SYMBOLS", "ES*")
            .with("TRADOVATE_PROXY_GUARDS_ACCOUNTS", "DEMO15460")
    })
    .await;
    let body = " {\t\"account\\u0053pec\" : \"DEMO15460\",\r\n\"symb\\u006fl\":\"E\\u0053Z6\" , \"orderQty\":2,\"price\":1.50e1,\"text\":\"\\\"orderQty\\\":9\"}\n";
    let mut client = proxy.client().await;
    client.send(write("POST /v1/order/PlaceOrder\r\nX-Expect-Env: demo\r\nX_Expect_Env: demo", body)).await;
    let request = upstream.request().await;
    assert_eq!(request.body, body.as_bytes());
    assert_eq!(request.head.start, "POST /v1/order/PlaceOrder HTTP/1.1");
    assert!(
        !request.head.fields.iter().any(|(name, _)| name.to_lowercase().contains("expect")),
        "{:?}",
        request.head
    );
    request.ok("{\"orderId\":1}").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn orders_of_all_callers_share_a_minute() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_GUARDS_ORDERS_PER_MINUTE", "1")).await;
    let mut first = proxy.client().await;
    first.send(write(PLACE, ORDER)).await;
    upstream.request().await.ok("{\"orderId\":1}").await;
    assert_eq!(first.answer().await.status(), 200);
    let answer = proxy.ask(PLACE, ORDER).await;
    assert_eq!((answer.status(), answer.problem().as_str()), (429, "guard-orders-per-minute"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    upstream.is_untouched();
    let mut other = proxy.client().await;
    other.send(write("POST /v1/order/cancelorder", "{\"orderId\":1}")).await;
    upstream.request().await.ok("{\"commandId\":1}").await;
    assert_eq!(other.answer().await.status(), 200);
}

#[tokio::test]
async fn login_calls_are_answered_whatever_the_guards_say() {
    let stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_GUARDS_MODE", "read-only")).await;
    let login = "POST /v1/auth/accesstokenrequest";
    assert_eq!(stage.ask(login, "{}").await.status(), 200);
    let answer = stage.ask(&format!("{login}\r\nX-Expect-Env: live"), "{}").await;
    assert_eq!((answer.status(), answer.header("x-proxy-environment")), (412, Some("demo")));
}

async fn order(proxy: &Proxy, request: &str) -> Answer {
    Client::connect(proxy.admin).await.ask(request, "").await
}

#[tokio::test]
async fn after_the_word_that_it_is_on_no_order_passes() {
    let stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_WORKERS", "4")).await;
    let (is_killed, passed, refused) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for _ in 0..8 {
        let mut client = stage.client().await;
        let (is_killed, passed, refused) =
            (Arc::clone(&is_killed), Arc::clone(&passed), Arc::clone(&refused));
        callers.push(tokio::spawn(async move {
            // Each goes on for a while after the word, which is said before the order is.
            let mut after = 0;
            while after < 5 {
                let was_killed = is_killed.load(Ordering::SeqCst);
                let answer = client.ask(PLACE, ORDER).await;
                match answer.status() {
                    200 => passed.fetch_add(1, Ordering::SeqCst),
                    403 => refused.fetch_add(1, Ordering::SeqCst),
                    other => panic!("{other}: {}", answer.text()),
                };
                assert!(
                    !was_killed || answer.status() == 403,
                    "an order passed after the kill: {}",
                    answer.text()
                );
                after += usize::from(was_killed);
            }
        }));
    }
    let mut first = stage.client().await;
    assert_eq!(first.ask(PLACE, ORDER).await.status(), 200);
    let answer = order(&stage.proxy, "POST /guards/kill").await;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    is_killed.store(true, Ordering::SeqCst);
    for caller in callers {
        within("a caller", caller).await.unwrap();
    }
    assert!(refused.load(Ordering::SeqCst) >= 40);
    let seen = stage.seen().iter().filter(|record| record.path().ends_with("/order/placeorder")).count();
    assert_eq!(seen, passed.load(Ordering::SeqCst) + 1);

    assert_eq!(stage.ask("GET /v1/order/list", "").await.status(), 200, "reads pass");
    let status = stage.proxy.admin("/status").await.json();
    assert_eq!(status["guards"]["kill"]["engaged"], true);
    stage.proxy.shows("tradovate_proxy_guard_active", &[("guard", "kill")], 1.0).await;
    assert_eq!(order(&stage.proxy, "POST /guards/release").await.status(), 200);
    assert_eq!(stage.ask(PLACE, ORDER).await.status(), 200);
    stage.proxy.shows("tradovate_proxy_guard_active", &[("guard", "kill")], 0.0).await;
}

#[tokio::test]
async fn an_order_that_waits_when_the_kill_comes_does_not_leave() {
    let mut upstream = RawUpstream::start().await;
    // No token yet: the order will have passed the guards, and wait.
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20s").start().await;
    let mut client = proxy.client().await;
    client.send(write(PLACE, ORDER)).await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 1.0).await;
    assert_eq!(order(&proxy, "POST /guards/kill").await.status(), 200);
    upstream.answers_session_calls(true);
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.problem().as_str()), (403, "guard-kill"), "{}", answer.text());
    upstream.is_untouched();
}

#[tokio::test]
async fn only_an_operator_of_this_machine_turns_the_switch() {
    let (_upstream, proxy) = raw().await;
    for (request, status) in [
        ("GET /guards/kill", 405),
        ("POST /guards/kill\r\nOrigin: https://evil.example", 403),
        ("POST /guards/kill\r\nSec-Fetch-Site: cross-site", 403),
        ("POST /guards/kill?cancel=all", 400),
        ("POST /guards/release?now", 400),
        ("POST /guards/KILL", 404),
        ("POST /guards", 404),
    ] {
        let answer = order(&proxy, request).await;
        assert_eq!(answer.status(), status, "{request}: {}", answer.text());
        let help = answer.text().to_owned();
        let names_another = help.contains("shows the session") || help.contains("session`");
        assert!(!names_another || help.contains("`kill`"), "{request}: {help}");
    }
    let mut elsewhere = Client::connect(proxy.admin).await;
    elsewhere.send("POST /guards/kill HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(elsewhere.answer().await.status(), 421);
    let status = proxy.admin("/status").await.json();
    assert_eq!(status["guards"]["kill"]["engaged"], false, "{status}");
}
