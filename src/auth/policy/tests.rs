use proptest::prelude::*;

use super::*;
use crate::auth::source::{Loss, Step, Ticket};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn lost() -> SourceError {
    SourceError::Lost { how: Loss::TimedOut }
}

#[test]
fn renewal_is_due_at_the_sooner_of_margin_and_fraction() {
    let policy = RenewalPolicy::default();
    for (life, random, due) in [(80, 0.0, 64), (60, 0.0, 45), (80, 1.0, 60), (20, 0.0, 10), (2, 0.0, 1)] {
        assert_eq!(policy.renew_at(at(0), at(life), random), at(due), "{life} {random}");
    }
}

#[test]
fn expiry_is_a_length_of_the_servers_time_and_absurd_ones_are_bounded() {
    let policy = RenewalPolicy::default();
    // `Date` has whole seconds: upstream may be one further on.
    let safe = |minute| at(minute) - Duration::from_secs(1);
    for (stated, date, expected) in [
        (Some(at(80)), Some(at(0)), safe(80)),
        (Some(at(80)), None, at(80)),
        (Some(at(80 + 1500)), Some(at(1500)), safe(80)), // our clock is 25 h behind
        (Some(at(80 - 1500)), Some(at(-1500)), safe(80)), // our clock is 25 h ahead
        (Some(at(80)), Some(at(100_000)), at(80)),       // no clock at all: not believed
        (Some(at(5000)), Some(at(4920)), safe(80)),      // ours is none
        (Some(at(80)), Some(at(-3000)), at(80)),         // the shorter of two
        (Some(at(1_000_000)), Some(at(0)), at(90)),
        (Some(Timestamp::MAX), Some(Timestamp::MIN), at(90)),
        (Some(at(-1)), Some(at(0)), at(15)),
        (Some(at(1)), Some(at(0)), safe(1)), // short, and meant
        (Some(at(0)), Some(at(0)), at(15)),
        (None, None, at(15)),
    ] {
        assert_eq!(policy.expires_at(stated, date, at(0)), expected, "{stated:?} {date:?}");
    }
}

#[test]
fn delays_grow_with_jitter_up_to_a_cap_that_depends_on_what_was_sent() {
    let policy = RenewalPolicy::default();
    let unreachable = SourceError::Unreachable { step: Step::Connect, source: "no".into() };
    let grow = |error: &SourceError| {
        let mut delays = Vec::new();
        for _ in 0..6 {
            delays.push(policy.delay(error, delays.last().copied(), 1.0));
        }
        delays.iter().map(Duration::as_secs).collect::<Vec<_>>()
    };
    assert_eq!(grow(&unreachable), [3, 9, 10, 10, 10, 10]);
    assert_eq!(grow(&lost()), [45, 135, 180, 180, 180, 180]);
    let penalty = SourceError::Penalty { wait: minutes(10), ticket: Ticket(String::new()) };
    assert_eq!(policy.delay(&penalty, None, 0.0), minutes(10));
    assert_eq!(policy.delay(&SourceError::RateLimited, None, 0.0), minutes(5));
}

proptest! {
    #[test]
    fn a_renewal_is_due_inside_the_life_of_any_believed_token_and_not_at_once(
        stated in -200_000_i64..200_000, random in 0.0..1.0_f64,
    ) {
        let policy = RenewalPolicy::default();
        let expires_at = policy.expires_at(Some(at(0) + SignedDuration::from_secs(stated)), None, at(0));
        let due = policy.renew_at(at(0), expires_at, random);
        // A minute on at the earliest, save for a life so short that half of it is less.
        let half = expires_at.duration_since(at(0)) / 2;
        prop_assert!(due >= (at(0) + half).min(at(1)) && due < expires_at);
    }

    #[test]
    fn a_delay_is_never_shorter_than_its_floor_nor_longer_than_its_cap(
        previous in 0_u64..100_000, random in -1.0..2.0_f64,
    ) {
        let delay = RenewalPolicy::default().delay(&lost(), Some(Duration::from_secs(previous)), random);
        prop_assert!((BACKOFF.0..=BACKOFF.1).contains(&delay));
    }
}
