use super::*;
use crate::tradovate::Endpoints;

const START: Timestamp = Timestamp::constant(1_795_190_400, 0);
const TOKEN: Generation = Generation(1);

fn budget(policy: Policy) -> (Budget, Clock) {
    let clock = Clock::simulated(START);
    (Budget::new(policy, clock.clone()), clock)
}

fn small() -> Policy {
    Policy { per_hour: Some(10), per_minute: None, reserve: 3, ..Policy::default() }
}

/// Sends one request to `path`, as far as the budget goes.
fn send(budget: &Budget, path: &str) -> Result<Option<u64>, Refusal> {
    let endpoints = Endpoints::new();
    let fare = budget.spend("bot", endpoints.find(path), TOKEN, budget.clock.now())?;
    fare.is_sent();
    Ok(fare.remaining())
}

const READ: &str = "/account/list";
const CANCEL: &str = "/order/cancelorder";

#[tokio::test(start_paused = true)]
async fn the_reserve_is_for_cancels_which_are_never_refused() {
    let (budget, _) = budget(small());
    let left: Vec<_> = (0..7).map(|_| send(&budget, READ).unwrap()).collect();
    assert_eq!(left, [6, 5, 4, 3, 2, 1, 0].map(Some));
    let refused = send(&budget, READ).unwrap_err();
    let expected = Refusal::Spent { window: "hour", limit: 10, spent: 7, reserve: 3, retry_after: 61 * 60 };
    assert_eq!(refused, expected);
    assert!(send(&budget, "/order/placeorder").is_err());
    for _ in 0..20 {
        assert_eq!(send(&budget, CANCEL), Ok(Some(0)));
    }
    assert_eq!(budget.report().hour.spent, 27);
}

#[tokio::test(start_paused = true)]
async fn what_is_spent_comes_back_when_the_window_has_slid_past_it() {
    let (budget, clock) = budget(small());
    while send(&budget, READ).is_ok() {}
    let seconds = send(&budget, READ).unwrap_err().retry_after();
    clock.advance(Duration::from_secs(seconds - 1)).unwrap();
    assert!(send(&budget, READ).is_err());
    clock.advance(Duration::from_secs(1)).unwrap();
    assert!(send(&budget, READ).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_tighter_window_decides() {
    let (budget, clock) = budget(Policy { per_minute: Some(5), ..small() });
    assert_eq!(send(&budget, READ), Ok(Some(1)));
    assert_eq!(send(&budget, READ), Ok(Some(0)));
    let Err(Refusal::Spent { window, .. }) = send(&budget, READ) else { panic!("not refused") };
    assert_eq!(window, "minute");
    clock.advance(Duration::from_secs(61)).unwrap();
    assert_eq!(send(&budget, READ), Ok(Some(1)));
}

#[tokio::test(start_paused = true)]
async fn only_what_was_sent_is_spent_and_each_time_it_was() {
    let (budget, _) = budget(small());
    let endpoints = Endpoints::new();
    let fare = budget.spend("bot", endpoints.find(READ), TOKEN, budget.clock.now()).unwrap();
    assert_eq!(budget.report().hour.spent, 1, "it is taken before it is sent, so that many at once count");
    drop(fare);
    assert_eq!(budget.report().hour.spent, 0);
    let fare = budget.spend("bot", endpoints.find(READ), TOKEN, budget.clock.now()).unwrap();
    fare.is_sent();
    fare.is_sent();
    drop(fare);
    let report = budget.report();
    assert_eq!((report.hour.spent, report.minute.spent), (2, 2));
    let [caller] = &report.callers[..] else { panic!("{:?}", report.callers) };
    assert_eq!((&*caller.caller, caller.hour, caller.minute), ("bot", 2, 2));
}

#[tokio::test(start_paused = true)]
async fn after_a_429_all_but_cancels_is_held_unless_those_are_to_be_too() {
    for (hold_relief, cancels) in [(false, true), (true, false)] {
        let (budget, _) = budget(Policy { hold_relief, ..Policy::default() });
        assert!(budget.learn(budget.holds(), TOKEN, 429, || None), "the count does not explain it");
        assert!(matches!(send(&budget, READ), Err(Refusal::Held(_))));
        assert_eq!(send(&budget, CANCEL).is_ok(), cancels);
        assert_eq!(budget.report().held_after, Some(429));
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_says_for_how_long_or_it_is_the_policy_that_does() {
    for (retry_after, hold, expected) in [
        (Some(30), 3600, Some(30)),
        (None, 3600, Some(3600)),
        (Some(86_400), 3600, Some(3600)),
        (Some(30), 0, None),
        (None, 0, None),
    ] {
        let (budget, _) = budget(Policy { hold: Duration::from_secs(hold), ..Policy::default() });
        budget.learn(0, TOKEN, 429, || retry_after);
        let until = budget.report().held_until;
        assert_eq!(
            until,
            expected.map(|seconds| START + Duration::from_secs(seconds)),
            "{retry_after:?} {hold}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_429_at_the_end_of_the_budget_is_no_surprise() {
    let (budget, _) = budget(Policy { per_hour: Some(10), reserve: 0, ..Policy::default() });
    for _ in 0..8 {
        send(&budget, READ).unwrap();
    }
    assert!(!budget.learn(0, TOKEN, 429, || None));
    assert!(matches!(send(&budget, READ), Err(Refusal::Held(_))));
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_nothing_lifts_the_one_that_is_running() {
    for status in [429, 423] {
        let (budget, _) = budget(Policy::default());
        budget.learn(0, TOKEN, status, || None);
        budget.set(Policy { per_hour: Some(4000), ..Policy::default() });
        assert!(matches!(send(&budget, READ), Err(Refusal::Held(_))), "other limits leave it");
        budget.set(Policy { hold: Duration::ZERO, ..Policy::default() });
        assert_eq!((send(&budget, READ).is_ok(), budget.report().held_after), (true, None), "{status}");
        budget.set(Policy::default());
        assert!(send(&budget, READ).is_ok(), "it is over");
    }
}

#[test]
fn a_limit_is_named_by_its_setting() {
    for (window, expected) in
        [("hour", "allowed an hour (budget.per-hour)"), ("minute", "allowed a minute (budget.per-minute)")]
    {
        let refusal = Refusal::Spent { window, limit: 30, spent: 27, reserve: 3, retry_after: 1 };
        assert_eq!(
            refusal.to_string(),
            format!("27 requests were sent in the last {window}, of 30 {expected}")
        );
    }
}
