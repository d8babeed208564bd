use proptest::prelude::*;
use tokio::time::Instant;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[tokio::test(start_paused = true)]
async fn advancing_wakes_a_sleeper_at_once() {
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move {
            clock.sleep_until(at(3600)).await;
            clock.now()
        }
    });
    tokio::task::yield_now().await;
    clock.advance(Duration::from_secs(7200)).unwrap();
    assert_eq!(sleeper.await.unwrap().as_second(), 7200);
}

#[tokio::test(start_paused = true)]
async fn an_instant_in_the_past_is_no_sleep() {
    let clock = Clock::simulated(at(100));
    clock.sleep_until(at(99)).await;
    assert_eq!(clock.now().as_second(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_is_set_moves_neither_steady_time_nor_a_sleeper() {
    for step in [hours(26), hours(-26), hours(1), SignedDuration::from_secs(1), SignedDuration::from_secs(-1)]
    {
        let clock = Clock::simulated(at(100_000));
        let begun = Instant::now();
        let set = async {
            tokio::task::yield_now().await;
            clock.set_wall(step).unwrap()
        };
        let ((), shown) = tokio::join!(clock.sleep_until(at(100_060)), set);
        assert_eq!(begun.elapsed().as_secs(), 60, "{step}");
        assert_eq!(shown, later(at(100_000), step));
        assert_eq!((clock.now(), clock.wall()), (at(100_060), later(at(100_060), step)));
        assert_eq!(clock.shown(at(200_000)), later(at(200_000), step));
    }
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_is_one_sleep() {
    let clock = Clock::simulated(at(0));
    let year = at(365 * 24 * 3600);
    let mut sleep = std::pin::pin!(clock.sleep_until(year));
    // Polled once to begin and once at its end; each nap in between would be one more.
    let mut polls = 0;
    std::future::poll_fn(|cx| {
        polls += 1;
        sleep.as_mut().poll(cx)
    })
    .await;
    assert_eq!((clock.now(), polls), (year, 2));
}

#[test]
fn a_simulated_clock_stays_within_time() {
    let clock = Clock::simulated(Timestamp::UNIX_EPOCH);
    assert_eq!(clock.advance(Duration::from_secs(u64::MAX)), None);
    assert_eq!(clock.set_wall(SignedDuration::MIN), None);
    while clock.advance(Duration::from_hours(9 * 365 * 24)).is_some() {}
    assert!(clock.now().checked_add(LONGEST_STEP).is_ok());
    while clock.set_wall(-hours(9 * 365 * 24)).is_some() {}
    assert!(clock.wall().checked_sub(LONGEST_STEP).is_ok());
}

#[test]
fn the_system_clock_cannot_be_moved() {
    let clock = Clock::system();
    assert_eq!((clock.advance(Duration::from_secs(1)), clock.set_wall(hours(1))), (None, None));
}

#[test]
fn the_system_clock_shows_the_wall_clock_until_that_is_set() {
    let clock = Clock::system();
    let before = clock.wall();
    let (now, after) = (clock.now(), clock.wall());
    // Read one after the other, and slewed meanwhile.
    let slack = SignedDuration::from_millis(5);
    assert!(now >= before - slack && now <= after + slack, "{before} {now} {after}");
    assert_eq!(clock.shown(now), now, "to the second, two readings are one");
    assert!(clock.now() >= now);
}

#[cfg(target_os = "linux")]
#[test]
fn the_systems_stamp_is_understood_by_the_next_process() {
    let stamp = Clock::system().stamp();
    assert!(!stamp.boot.is_empty() && stamp.uptime_ms > 0, "{stamp:?}");
    let drift = stamp.drift(&Clock::system()).unwrap();
    assert!(drift.abs() < SignedDuration::from_secs(1), "nobody sets the clock meanwhile: {drift}");
    for boot in ["another", ""] {
        let stamp = Stamp { boot: boot.to_owned(), ..Clock::system().stamp() };
        assert_eq!(stamp.drift(&Clock::system()), None, "{boot:?}");
    }
}

#[test]
fn an_uptime_that_lies_ahead_is_of_another_boot() {
    let clock = Clock::simulated(at(0));
    let stamp = Stamp { at: at(5), boot: clock.stamp().boot, uptime_ms: 5_000_000 };
    assert_eq!(stamp.drift(&clock), None);
}

/// What happens to a machine: time passes, or somebody sets its wall clock. In milliseconds.
fn events() -> impl Strategy<Value = Vec<(u64, i64)>> {
    let day = 26 * 3_600_000_i64;
    prop::collection::vec((0..400_000_000_u64, -day..day), 0..8)
}

fn live_through(clock: &Clock, events: &[(u64, i64)]) {
    for &(passed, set) in events {
        clock.advance(Duration::from_millis(passed)).unwrap();
        clock.set_wall(SignedDuration::from_millis(set)).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_restart_resumes_durations_however_the_wall_clock_was_set(
        before in events(), running in events(), down in events(), after in events(), left in 0..100_000_000_i64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _paused = runtime.enter();
        let machine = Clock::simulated(at(1_800_000_000));
        live_through(&machine, &before);
        let first = machine.restarted();
        live_through(&first, &running);
        let begun = first.now();
        let deadline = later(first.now(), SignedDuration::from_millis(left));
        let stamp: Stamp = serde_json::from_str(&serde_json::to_string(&first.stamp()).unwrap()).unwrap();

        live_through(&machine, &down);
        let second = first.restarted();
        live_through(&second, &after);
        let mapped = later(deadline, stamp.drift(&second).unwrap());
        // The first process, had it gone on, is the witness.
        let expected = deadline.duration_since(first.now());
        prop_assert!(mapped.duration_since(second.now()).checked_sub(expected).unwrap().abs() <= SignedDuration::from_millis(1));
        let passed: u64 = [&down, &after].into_iter().flatten().map(|event| event.0).sum();
        prop_assert_eq!(first.now().duration_since(begun).as_millis(), i128::from(passed));
    }
}
