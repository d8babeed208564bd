//! Answers that speak against the token: what they set off, which is little, and what they do not.

use std::time::Duration;

use tokio::task::JoinSet;
use tradovate_proxy::{
    auth::State,
    sandbox::{Action, EvictedAnswer, Fault},
};

use crate::support::{
    Answer, Client,
    client::write,
    stage::{ORDER, Stage, Way},
    within,
};

const READ: &str = "GET /v1/account/list";
const ORDERS: &str = "POST /v1/order/placeorder";
const LOGIN: &str = "auth/accesstokenrequest";
const RENEWAL: &str = "auth/renewaccesstoken";
const EXAMINATION: &str = "user/list";

const MINUTE: Duration = Duration::from_secs(60);

fn denied() -> Action {
    Action::Respond { status: 401, headers: Vec::new(), body: "Access is denied".to_owned() }
}

/// The session's own calls so far: logins, renewals, examinations.
fn own(stage: &Stage) -> [usize; 3] {
    [LOGIN, RENEWAL, EXAMINATION].map(|path| stage.control().requests_to(path).len())
}

/// Callers who ask the same at once, each on a connection of its own.
async fn asked(stage: &Stage, count: usize, request: &'static str, body: &'static str) -> JoinSet<Answer> {
    let mut callers = JoinSet::new();
    for _ in 0..count {
        let mut client = stage.client().await;
        callers.spawn(async move {
            client.send(write(request, body)).await;
            client.answer_to(request).await
        });
    }
    callers
}

/// Waits until nothing speaks against the token any more.
async fn is_beyond_doubt(stage: &Stage) {
    let mut status = stage.proxy.session.watch();
    let beyond = status.wait_for(|status| status.state == State::Live && status.reason.is_none());
    within("a session beyond doubt", beyond).await.unwrap();
}

/// An operator's order, by the admin listener.
async fn order(stage: &Stage, errand: &str) -> Answer {
    Client::connect(stage.proxy.admin).await.ask(&format!("POST /session/{errand}"), "").await
}

#[tokio::test]
async fn refusals_of_a_token_that_has_been_replaced_since_change_nothing() {
    let stage = Stage::new().await;
    let late = |path| Fault::next(path, denied()).delayed_ms(60_000);
    stage.control().inject(late("account/list").times(20));
    stage.control().inject(late("order/placeorder").times(5));
    let (reads, orders) = (asked(&stage, 20, READ, "").await, asked(&stage, 5, ORDERS, ORDER).await);
    stage.control().wait_for_requests("account/list", 20).await;
    stage.control().wait_for_requests("order/placeorder", 5).await;
    stage.clock.advance(65 * MINUTE).unwrap();
    stage.proxy.reaches_generation(2).await;
    stage.control().clear_faults();
    for answer in within("the reads", reads.join_all()).await {
        assert_eq!(answer.status(), 200, "sent once more, with the token that is good");
    }
    for answer in within("the orders", orders.join_all()).await {
        assert_eq!((answer.status(), answer.outcome()), (401, Some("answered")));
    }
    assert_eq!(stage.control().requests_to("account/list").len(), 40);
    assert_eq!(stage.control().requests_to("order/placeorder").len(), 5, "none was sent again");
    assert_eq!(stage.proxy.session.status().reason, None);
    // Whatever they had set off would come before this renewal.
    stage.clock.advance(65 * MINUTE).unwrap();
    stage.proxy.reaches_generation(3).await;
    assert_eq!(own(&stage), [1, 2, 0]);
}

#[tokio::test]
async fn a_hundred_refusals_at_once_cause_one_examination_and_no_login() {
    let stage = Stage::new().await;
    stage.control().inject(Fault::next("account/list", denied()).delayed_ms(60_000).times(100));
    let reads = asked(&stage, 100, READ, "").await;
    stage.control().wait_for_requests("account/list", 100).await;
    stage.control().clear_faults();
    for answer in within("the reads", reads.join_all()).await {
        assert_eq!((answer.status(), answer.outcome()), (401, Some("answered")));
    }
    stage.control().wait_for_requests(EXAMINATION, 1).await;
    assert_eq!(stage.ask(ORDERS, ORDER).await.status(), 200, "the token lives, and serves");
    assert_eq!(own(&stage), [1, 0, 1]);
    // Those that came after its answer may raise the question once more, a minute later.
    for _ in 0..10 {
        stage.clock.advance(MINUTE).unwrap();
        is_beyond_doubt(&stage).await;
    }
    let [logins, renewals, examinations] = own(&stage);
    assert!((logins, renewals) == (1, 0) && examinations <= 2, "{:?}", own(&stage));
}

#[tokio::test]
async fn a_missing_permission_is_looked_into_once() {
    let stage = Stage::new().await;
    stage.control().change_rules(|rules| rules.without_permission = vec!["position/list".to_owned()]);
    let mut client = stage.client().await;
    let ask = async |client: &mut Client| {
        let answer = client.ask("GET /v1/position/list", "").await;
        assert_eq!((answer.status(), answer.outcome(), answer.text()), (401, Some("answered"), ""));
    };
    ask(&mut client).await;
    stage.control().wait_for_requests(EXAMINATION, 1).await;
    is_beyond_doubt(&stage).await;
    for generation in 2..6 {
        for _ in 0..20 {
            ask(&mut client).await;
            stage.clock.advance(Duration::from_secs(90)).unwrap();
        }
        stage.clock.advance(35 * MINUTE).unwrap();
        stage.proxy.reaches_generation(generation).await;
    }
    assert_eq!(own(&stage), [1, 4, 1]);
}

/// Takes the seat away, and lets callers find out. Returns how an order was answered.
async fn is_kicked(stage: &Stage, answer: EvictedAnswer) -> Answer {
    stage.control().change_rules(|rules| rules.evicted_answer = answer);
    for _ in 0..2 {
        drop(stage.control().log_in_elsewhere());
    }
    assert!(!stage.control().sessions()[0].is_open);
    let mut client = stage.client().await;
    let told = client.ask(ORDERS, ORDER).await;
    // Not one refusal, but several paths in a row that fail without a word, are what shows it.
    for request in [READ, "GET /v1/order/list"] {
        client.ask(request, "").await;
    }
    told
}

#[tokio::test]
async fn a_seat_that_another_took_is_noticed_however_that_is_answered_and_taken_back_once() {
    for answer in [
        EvictedAnswer::Unauthorized,
        EvictedAnswer::RequestTimeout,
        EvictedAnswer::TooManyRequests,
        EvictedAnswer::InternalServerError,
    ] {
        let stage = Stage::new().await;
        let told = is_kicked(&stage, answer).await;
        assert_eq!(told.status(), u16::from(answer), "upstream's own answer");
        let outcome = (answer == EvictedAnswer::Unauthorized).then_some("answered");
        assert_eq!(told.outcome(), outcome, "{answer:?}");
        stage.proxy.reaches_generation(2).await;
        assert_eq!(own(&stage), [2, 1, 1], "{answer:?}: examined, verified, and only then taken back");
        assert_eq!(stage.control().requests_to("order/placeorder").len(), 1, "the order was not sent again");
        assert_eq!(stage.ask(READ, "").await.status(), 200);
        assert_eq!(stage.ask(ORDERS, ORDER).await.status(), 200);
        assert_eq!(stage.control().entities("order").len(), 1);
        stage.clock.advance(65 * MINUTE).unwrap();
        stage.proxy.reaches_generation(3).await;
        assert_eq!(own(&stage)[0], 2, "{answer:?}");
        stage.proxy.shows("tradovate_proxy_session_kicks_total", &[], 1.0).await;
    }
}

#[tokio::test]
async fn a_seat_is_left_to_whoever_took_it_where_the_policy_says_so() {
    for (policy, returns) in [("yield", true), ("manual", false)] {
        let stage = Stage::with(Way::Plain, |setup| {
            setup
                .with("TRADOVATE_PROXY_SESSION_ON_KICK", policy)
                .with("TRADOVATE_PROXY_SESSION_YIELD_FOR", "1h")
        })
        .await;
        is_kicked(&stage, EvictedAnswer::Unauthorized).await;
        stage.proxy.reaches(State::Kicked).await;
        stage.control().forget_requests();
        for _ in 0..5 {
            let answer = stage.ask(ORDERS, ORDER).await;
            assert_eq!((answer.status(), answer.problem().as_str()), (503, "no-token"));
            assert_eq!(answer.outcome(), Some("not-sent"));
            stage.clock.advance(11 * MINUTE).unwrap();
        }
        assert!(stage.control().requests().is_empty(), "{policy}");
        if returns {
            stage.clock.advance(6 * MINUTE).unwrap();
        } else {
            stage.clock.advance(48 * 60 * MINUTE).unwrap();
            assert_eq!(stage.ask(ORDERS, ORDER).await.status(), 503);
            assert!(stage.control().requests().is_empty(), "{policy}");
            assert_eq!(order(&stage, "resume").await.status(), 200);
        }
        stage.proxy.reaches_generation(2).await;
        assert_eq!(own(&stage), [1, 0, 0], "{policy}");
        assert_eq!(stage.ask(ORDERS, ORDER).await.status(), 200);
    }
}

#[tokio::test]
async fn a_session_that_is_lent_sends_nothing_until_it_is_taken_back() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    assert_eq!(client.ask(READ, "").await.status(), 200);
    assert_eq!(order(&stage, "pause").await.status(), 200);
    stage.control().forget_requests();
    for (request, body) in [(READ, ""), (ORDERS, ORDER), ("POST /v1/auth/accesstokenrequest", "{}")] {
        let answer = client.ask(request, body).await;
        assert_eq!((answer.status(), answer.problem().as_str()), (503, "no-token"), "{request}");
        assert_eq!(answer.outcome(), Some("not-sent"), "{request}");
    }
    for errand in ["renew", "acquire"] {
        assert_eq!(order(&stage, errand).await.problem(), "session-paused");
    }
    stage.clock.advance(30 * MINUTE).unwrap();
    assert!(stage.control().requests().is_empty());

    assert_eq!(order(&stage, "resume").await.status(), 200);
    assert_eq!(client.ask(ORDERS, ORDER).await.status(), 200);
    is_beyond_doubt(&stage).await;
    assert_eq!(own(&stage), [0, 0, 1], "somebody may have taken the seat meanwhile");
    assert_eq!(order(&stage, "renew").await.status(), 200);
    assert_eq!(own(&stage), [0, 1, 1]);
    assert_eq!(order(&stage, "acquire").await.status(), 200);
    assert_eq!(own(&stage), [1, 1, 1]);
    assert_eq!(stage.proxy.session.last().unwrap().generation.0, 3);
    assert_eq!(client.ask(READ, "").await.status(), 200);
}
