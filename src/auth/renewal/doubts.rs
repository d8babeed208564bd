//! What answers to callers set off, and what operators and a changed configuration do.

use super::{
    scripted::{Answer, Asked, Rig, start},
    *,
};
use crate::auth::{
    console::Order,
    policy::OnKick,
    signs::Sign,
    source::{ErrorText, SourceError, Vitality},
    state::{Call, State},
};

fn refusal() -> Answer {
    Answer::Fail(SourceError::Refused { status: 401, text: ErrorText::new("Access is denied") })
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const HOUR: Duration = Duration::from_secs(3600);

async fn live() -> Rig {
    let mut rig = Rig::new([]);
    assert_eq!(rig.call().await.0, Call::Acquire);
    rig.published(1).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn a_hundred_reports_of_a_401_cause_one_examination_and_nothing_else() {
    let mut rig = live().await;
    for _ in 0..100 {
        let reader = rig.reader.clone();
        tokio::spawn(async move { reader.report(Generation(1), "account-list", Sign::Refused) });
    }
    assert_eq!(rig.asked().await, Asked::Examined);
    let (call, at) = rig.call().await;
    assert_eq!(call, Call::Renew);
    assert!(at >= 60.0, "when it is due: {at}");
    assert_eq!(rig.questions(), []);
    rig.published(2).await;
    (0..100).for_each(|_| rig.refused(1));
    let (_, at) = rig.call().await;
    assert!(at >= 120.0, "a late report on an old generation changes nothing: {at}");
    assert_eq!(rig.questions(), []);
}

#[tokio::test(start_paused = true)]
async fn where_an_examination_cannot_tell_a_renewal_does() {
    let mut rig = live().await;
    rig.finds(Vitality::Unclear);
    (0..100).for_each(|_| rig.refused(1));
    assert_eq!(rig.call().await, (Call::Renew, 0.0));
    rig.published(2).await;
    assert_eq!(rig.questions(), [Asked::Examined]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_always_answers_401_costs_few_questions_and_no_login() {
    let mut rig = live().await;
    let reader = rig.reader.clone();
    tokio::spawn(async move {
        loop {
            if let Some(generation) = reader.current().map(|current| current.generation) {
                reader.report(generation, "account-list", Sign::Refused);
                reader.report(generation, "fill-list", Sign::Denied);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let calls = rig.calls_within(6 * HOUR).await;
    assert!(calls.iter().all(|call| call.0 == Call::Renew) && calls.len() <= 6, "{calls:?}");
    let questions = rig.questions().len();
    assert!((60..=6 * 15).contains(&questions), "{questions}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_followed_up_once() {
    let mut rig = live().await;
    let denied = |rig: &Rig, operation| rig.reader.report(Generation(1), operation, Sign::Denied);
    denied(&rig, "fill-list");
    assert_eq!(rig.asked().await, Asked::Examined);
    rig.until(|status| status.reason.is_none()).await;
    (0..50).for_each(|_| denied(&rig, "fill-list"));
    denied(&rig, "order-list");
    assert_eq!(rig.asked().await, Asked::Examined);
    assert_eq!(rig.questions(), []);
}

#[tokio::test(start_paused = true)]
async fn a_kicked_session_is_reclaimed_at_once_and_then_after_growing_gaps() {
    let mut rig = live().await;
    // Another program that takes the seat back whenever we have it.
    let mut gaps = Vec::new();
    for generation in 1..=5 {
        rig.clock.sleep_until(rig.clock.now() + minutes(20)).await;
        rig.finds(Vitality::Dead);
        rig.answer(refusal());
        rig.refused(generation);
        let (call, kicked) = rig.call().await;
        assert_eq!(call, Call::Renew, "a 401 never leads to a login by itself");
        if generation > 1 {
            rig.until(|status| status.state == State::Kicked).await;
            assert!(rig.reader.current().is_none(), "a dead token is sent no more");
        }
        rig.finds(Vitality::Alive);
        let (call, reclaimed) = rig.call().await;
        assert_eq!(call, Call::Acquire);
        rig.published(generation + 1).await;
        gaps.push((reclaimed - kicked).round());
    }
    assert_eq!(gaps, [0.0, 1.0, 5.0, 15.0, 60.0]);
}

#[tokio::test(start_paused = true)]
async fn a_closed_session_that_answers_429_is_told_from_an_outage() {
    let limited = || Answer::Fail(SourceError::RateLimited);
    let mut rig = live().await;
    rig.answer(limited());
    rig.answer(limited());
    rig.finds(Vitality::Unclear);
    *rig.well.lock().unwrap() = false;
    let fail = |rig: &Rig| {
        for operation in ["account-list", "order-list", "position-list"] {
            rig.reader.report(Generation(1), operation, Sign::Doubtful);
        }
    };
    fail(&rig);
    assert_eq!(rig.call().await.0, Call::Renew);
    assert_eq!((rig.asked().await, rig.asked().await), (Asked::Examined, Asked::Probed));
    rig.until(|status| status.reason.is_none()).await;
    assert!(rig.reader.current().is_some(), "in an outage everybody is answered so");
    *rig.well.lock().unwrap() = true;
    fail(&rig);
    assert_eq!(rig.call().await.0, Call::Renew);
    assert_eq!(rig.call().await.0, Call::Acquire);
    rig.published(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_kick_is_left_alone_where_the_policy_says_so_until_an_operator_speaks() {
    let policy = RenewalPolicy { on_kick: OnKick::Manual, ..RenewalPolicy::default() };
    let mut rig = Rig::governed(
        policy,
        Vault::Memory,
        Clock::simulated(start()),
        [Answer::Grant(80), refusal()],
        || Answer::Grant(80),
    );
    rig.call().await;
    rig.published(1).await;
    rig.finds(Vitality::Dead);
    rig.refused(1);
    rig.call().await;
    let status = rig.until(|status| status.state == State::Kicked).await;
    assert_eq!(status.next, None);
    assert_eq!(rig.calls_within(48 * HOUR).await, []);
    rig.finds(Vitality::Alive);
    assert_eq!(rig.console.give(Order::Resume).await, Ok(()));
    assert_eq!(rig.call().await.0, Call::Acquire);
    rig.published(2).await;
}

#[tokio::test(start_paused = true)]
async fn orders_are_answered_once_they_are_carried_out() {
    let mut rig = live().await;
    assert_eq!(rig.console.give(Order::Renew).await, Ok(()));
    assert_eq!(rig.reader.current().unwrap().generation, Generation(2));
    assert_eq!(rig.console.give(Order::Acquire).await, Ok(()));
    assert_eq!(rig.reader.current().unwrap().generation, Generation(3));
    rig.answer(Answer::Fail(SourceError::Captcha));
    assert_eq!(rig.console.give(Order::Acquire).await, Err(Declined::Failed { result: "captcha" }));
    assert!(rig.reader.current().is_some(), "the session that lives stays in use");
    assert!(matches!(rig.console.give(Order::Acquire).await, Err(Declined::NotBefore { .. })));
    let made: Vec<Call> = rig.calls_within(Duration::from_secs(1)).await.iter().map(|call| call.0).collect();
    assert_eq!(made, [Call::Renew, Call::Acquire, Call::Acquire]);
}

#[tokio::test(start_paused = true)]
async fn a_seat_is_lent_and_taken_back() {
    let mut rig = live().await;
    let until = rig.clock.now() + minutes(30);
    assert_eq!(rig.console.give(Order::Pause { until: Some(until) }).await, Ok(()));
    assert!(rig.reader.current().is_none());
    assert_eq!(rig.reader.status().state, State::Paused);
    assert_eq!(rig.calls_within(minutes(29)).await, []);
    rig.until(|status| status.state == State::Live).await;
    assert_eq!(rig.asked().await, Asked::Examined);
    assert_eq!(rig.reader.current().unwrap().generation, Generation(1));
    // The next pause outlives the token.
    assert_eq!(rig.console.give(Order::Pause { until: None }).await, Ok(()));
    assert_eq!(rig.calls_within(24 * HOUR).await, []);
    assert_eq!(rig.console.give(Order::Resume).await, Ok(()));
    assert_eq!(rig.call().await.0, Call::Acquire);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_moves_the_session_only_to_where_the_token_may_go() {
    let rig = live().await;
    rig.reader.report_moved(Generation(1), "https://evil.example");
    rig.refused(1);
    rig.until(|status| status.reason.is_none()).await;
    assert_eq!(rig.reader.current().unwrap().origin.host(), "demo.tradovateapi.com");
    rig.reader.report_moved(Generation(1), "https://demo-eval-7.tradovateapi.com");
    let moved = rig.reader.newer_than(Generation(1), minutes(1)).await.unwrap();
    assert_eq!((moved.origin.host(), moved.generation), ("demo-eval-7.tradovateapi.com", Generation(2)));
}

#[tokio::test(start_paused = true)]
async fn limits_change_without_a_restart() {
    let mut rig = live().await;
    let margin = minutes(70);
    let policy = RenewalPolicy { margin, ..RenewalPolicy::default() };
    rig.changes.send(Change::Policy(policy)).await.unwrap();
    assert_eq!(rig.call().await.0, Call::Renew);
    rig.published(2).await;
    let first = rig.now();
    let (_, second) = rig.call().await;
    assert!(second - first <= 40.0, "with 70 minutes left, or half its life: {first} {second}");
}
