use super::{
    scripted::{Answer, Rig, start},
    *,
};
use crate::auth::{
    source::{ErrorText, Loss, SourceError, Step, Ticket},
    state::{Call, State},
};

fn unreachable() -> Answer {
    Answer::Fail(SourceError::Unreachable { step: Step::Connect, source: "connection refused".into() })
}

fn lost() -> Answer {
    Answer::Fail(SourceError::Lost { how: Loss::Broken })
}

fn refused() -> Answer {
    Answer::Fail(SourceError::Refused { status: 401, text: ErrorText::new("Access is denied") })
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_token_is_acquired_once_and_renewed_before_expiry_ever_after() {
    let mut rig = Rig::new([]);
    assert_eq!(rig.call().await, (Call::Acquire, 0.0));
    let mut last = 0.0;
    for generation in 2..20 {
        let (call, at) = rig.call().await;
        assert_eq!(call, Call::Renew);
        assert!((60.0..=64.1).contains(&(at - last)), "renewed {} minutes after the last", at - last);
        assert!(rig.reader.current().is_some(), "no gap between two tokens");
        rig.published(generation).await;
        last = at;
    }
}

#[tokio::test(start_paused = true)]
async fn while_renewal_fails_the_old_token_serves_until_it_expires_and_not_longer() {
    let mut rig = Rig::ending([Answer::Grant(80)], unreachable);
    assert_eq!(rig.call().await.0, Call::Acquire);
    let status = rig.until(|status| status.state == State::Overdue).await;
    assert!(rig.now() >= 60.0 && rig.reader.current().is_some());
    assert_eq!(status.last.unwrap().result, "unreachable");
    assert!(status.reason.is_some() && status.advice.is_some());
    let mut last = None;
    loop {
        let (call, at) = rig.call().await;
        if call == Call::Acquire {
            assert!((80.0..80.2).contains(&at), "a login no sooner than the expiry: {at}");
            break;
        }
        assert_eq!(rig.reader.current().unwrap().generation, Generation(1));
        if let Some(last) = last {
            assert!((0.99 / 60.0..10.1 / 60.0).contains(&(at - last)), "nothing was sent: {}", at - last);
        }
        last = Some(at);
    }
    assert!(rig.reader.current().is_none());
    assert_eq!(rig.reader.status().state, State::Lapsed);
}

#[tokio::test(start_paused = true)]
async fn failed_renewals_of_unknown_fate_are_spaced_and_stay_inside_the_budget() {
    let mut rig = Rig::ending([Answer::Grant(80)], lost);
    let calls = rig.calls_within(Duration::from_secs(80 * 60 - 1)).await;
    let renewals: Vec<f64> = calls[1..].iter().map(|call| call.1).collect();
    assert!((3..=10).contains(&renewals.len()), "{renewals:?}");
    for pair in renewals.windows(2) {
        assert!((0.249..3.1).contains(&(pair[1] - pair[0])), "{renewals:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn logins_of_unknown_fate_never_exceed_two_in_any_hour() {
    let mut rig = Rig::ending([], lost);
    let calls = rig.calls_within(10 * HOUR).await;
    assert!(calls.iter().all(|call| call.0 == Call::Acquire));
    for three in calls.windows(3) {
        assert!(three[2].1 - three[0].1 >= 59.999, "{calls:?}");
    }
    assert!(calls.len() >= 19, "and are made when allowed: {calls:?}");
    assert_eq!(rig.reader.status().state, State::Held);
}

#[tokio::test(start_paused = true)]
async fn service_is_back_seconds_after_an_outage_of_any_length() {
    let mut rig = Rig::ending((0..5000).map(|_| unreachable()), || Answer::Grant(80));
    rig.until(|status| status.last_success.is_some()).await;
    assert!(rig.now() > 5000.0 / 60.0, "a long outage");
    let calls = rig.calls_within(Duration::from_secs(1)).await;
    assert!(calls.windows(2).all(|pair| pair[1].1 - pair[0].1 <= 10.1 / 60.0));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_tried_once() {
    let refusal = SourceError::CredentialsRefused { text: ErrorText::new("Incorrect username or password.") };
    let mut rig = Rig::new([Answer::Fail(refusal)]);
    assert_eq!(rig.calls_within(48 * HOUR).await, [(Call::Acquire, 0.0)]);
    let status = rig.reader.status();
    assert_eq!((status.state, status.next), (State::Rejected, None));
    assert!(rig.reader.wait(HOUR).await.is_none() && status.advice.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_captcha_holds_logins_for_an_hour() {
    let mut rig = Rig::new([Answer::Fail(SourceError::Captcha)]);
    rig.until(|status| status.state == State::Held).await;
    assert_eq!(rig.call().await, (Call::Acquire, 0.0));
    let (call, at) = rig.call().await;
    assert_eq!(call, Call::Acquire);
    assert!((60.0..60.1).contains(&at), "{at}");
}

#[tokio::test(start_paused = true)]
async fn a_penalty_is_waited_out() {
    let penalty = SourceError::Penalty { wait: minutes(7), ticket: Ticket("t".into()) };
    let mut rig = Rig::new([Answer::Grant(80), Answer::Fail(penalty)]);
    rig.call().await;
    let (_, punished) = rig.call().await;
    let (call, at) = rig.call().await;
    assert_eq!(call, Call::Renew);
    assert!(at - punished >= 6.999, "{punished} {at}");
    assert!(rig.reader.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_token_refused_just_before_its_expiry_has_run_out_and_nobody_was_kicked() {
    let mut rig = Rig::new([Answer::Grant(80), refused()]);
    rig.published(1).await;
    rig.call().await;
    rig.clock.advance(Duration::from_secs(80 * 60 - 30)).unwrap();
    assert_eq!(rig.call().await.0, Call::Renew);
    rig.published(2).await;
    let text = prometheus::TextEncoder::new().encode_to_string(&rig.registry.gather()).unwrap();
    assert!(text.contains("tradovate_proxy_session_kicks_total 0\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_origin_moves_with_the_token_and_stays_when_an_answer_names_none() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(start());
    let open = || Vault::open(directory.path()).unwrap();
    let script =
        [Answer::Grant(80), Answer::GrantAt("https://demo-eval-7.tradovateapi.com"), Answer::Grant(80)];
    let rig = Rig::with(open(), clock.clone(), script, || Answer::Grant(80));
    for (generation, host) in [
        (1, "demo.tradovateapi.com"),
        (2, "demo-eval-7.tradovateapi.com"),
        (3, "demo-eval-7.tradovateapi.com"),
    ] {
        rig.published(generation).await;
        assert_eq!(rig.reader.current().unwrap().origin.host(), host);
    }
    rig.stop().await;
    let rig = Rig::with(open(), clock, [], || Answer::Grant(80));
    rig.published(3).await;
    assert_eq!(rig.reader.current().unwrap().origin.host(), "demo-eval-7.tradovateapi.com");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_jumps_past_the_expiry_is_noticed() {
    let mut rig = Rig::new([]);
    rig.call().await;
    rig.published(1).await;
    rig.clock.advance(3 * HOUR).unwrap();
    assert!(rig.reader.current().is_none());
    let (call, at) = rig.call().await;
    assert_eq!(call, Call::Acquire);
    assert!((180.0..180.5).contains(&at), "{at}");
    rig.published(2).await;
    rig.clock.advance(minutes(70)).unwrap();
    assert_eq!(rig.call().await.0, Call::Renew);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_returns_is_given_up_on() {
    let mut rig = Rig::new([Answer::Hang]);
    assert_eq!(rig.call().await, (Call::Acquire, 0.0));
    let status = rig.until(|status| status.last.is_some()).await;
    assert_eq!(status.last.unwrap().result, "timed_out");
    assert_eq!(rig.call().await.0, Call::Acquire);
    rig.published(1).await;
}

#[tokio::test(start_paused = true)]
async fn the_order_to_stop_is_obeyed_in_mid_attempt_and_in_mid_sleep() {
    let mut rig = Rig::new([Answer::Hang]);
    rig.call().await;
    let (clock, before) = (rig.clock.clone(), rig.clock.now());
    rig.stop().await;
    assert!(clock.now().duration_since(before).as_secs() <= GRACE.as_secs().cast_signed());

    let rig = Rig::new([]);
    rig.published(1).await;
    let (clock, before) = (rig.clock.clone(), rig.clock.now());
    rig.stop().await;
    assert_eq!(clock.now(), before);
}

#[tokio::test(start_paused = true)]
async fn absurd_expiries_make_no_loop() {
    let absurd: [fn() -> Answer; 4] = [
        || Answer::GrantWithoutExpiry,
        || Answer::Grant(-100_000),
        || Answer::Grant(0),
        || Answer::Grant(4_000_000),
    ];
    for then in absurd {
        let mut rig = Rig::ending([], then);
        let calls = rig.calls_within(5 * HOUR).await;
        assert_eq!(calls.iter().filter(|call| call.0 == Call::Acquire).count(), 1, "{calls:?}");
        assert!(calls.windows(11).all(|eleven| eleven[10].1 - eleven[0].1 >= 59.999), "{calls:?}");
        assert!(rig.reader.current().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_restarts_cost_no_login_while_a_stored_token_lives() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(start());
    let open = || Vault::open(directory.path()).unwrap();
    let rig = Rig::with(open(), clock.clone(), [], || Answer::Grant(80));
    rig.published(1).await;
    rig.stop().await;
    for _ in 0..200 {
        let rig = Rig::with(open(), clock.clone(), [], refused);
        rig.published(1).await;
        assert!(rig.reader.current().is_some());
        clock.advance(Duration::from_secs(3)).unwrap();
        rig.stop().await;
    }
    let mut rig = Rig::with(open(), clock.clone(), [], || Answer::Grant(80));
    let (call, at) = rig.call().await;
    assert_eq!(call, Call::Renew);
    assert!((59.0..65.0).contains(&at), "by its own age, not by the restart's: {at}");
}

#[tokio::test(start_paused = true)]
async fn a_process_killed_in_mid_login_again_and_again_stays_inside_the_budget() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::simulated(start());
    let mut logins = 0;
    for _ in 0..50 {
        let vault = Vault::open(directory.path()).unwrap();
        let mut rig = Rig::with(vault, clock.clone(), [], || Answer::Hang);
        logins += rig.calls_within(Duration::from_secs(30)).await.len();
        rig.kill().await;
    }
    assert_eq!(logins, 2);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_told_and_the_session_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let vault = Vault::open(directory.path()).unwrap();
    std::fs::create_dir_all(directory.path().join("session.json.new/in the way")).unwrap();
    let rig = Rig::with(vault, Clock::simulated(start()), [], || Answer::Grant(80));
    rig.published(1).await;
    let status = rig.until(|status| status.store_trouble.is_some()).await;
    assert_eq!(status.state, State::Live);
    assert!(rig.reader.current().is_some());
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_counted_by_how_it_ended() {
    let rig = Rig::new([unreachable(), lost()]);
    rig.published(1).await;
    let text = prometheus::TextEncoder::new().encode_to_string(&rig.registry.gather()).unwrap();
    for (result, count) in [("unreachable", 1), ("broken", 1), ("ok", 1)] {
        let line = format!(
            "tradovate_proxy_session_attempts_total{{call=\"acquire\",result=\"{result}\"}} {count}\n"
        );
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("tradovate_proxy_token_generation 1\n"));
    assert!(text.contains("tradovate_proxy_session_state{state=\"live\"} 1\n"));
}
