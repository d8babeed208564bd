use proptest::prelude::*;

use super::*;
use crate::auth::{
    fingerprint::FingerprintKey,
    source::{ErrorText, HoldCause, Loss, Step, Ticket},
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn lost() -> SourceError {
    SourceError::Lost { how: Loss::TimedOut }
}

/// A situation at minute 0 with neither token nor past, to be changed by a case.
fn decide(ledger: &Ledger, change: impl FnOnce(&mut Situation<'_>)) -> Plan {
    let credentials = FingerprintKey::random().fingerprint(&[b"some"]);
    let mut situation = Situation {
        now: at(0),
        ledger,
        credentials: &credentials,
        lease: None,
        suspected: false,
        had_token: false,
        retry_at: None,
    };
    change(&mut situation);
    RenewalPolicy::default().decide(&situation)
}

#[test]
fn a_live_token_is_renewed_when_due_and_never_replaced_by_a_login() {
    let lease = Lease { expires_at: at(20), renew_at: at(5) };
    let plan = decide(&Ledger::default(), |s| s.lease = Some(lease));
    assert_eq!(
        plan,
        Plan { state: State::Live, reason: Reason::Well, action: Action::At(Errand::Renew, at(5)) }
    );
    // Not even when it is suspected, overdue, failing, and the budget of renewals is spent.
    let mut ledger = Ledger::default();
    (-10..0).for_each(|minute| ledger.begin(Errand::Renew, at(minute)));
    let plan = decide(&ledger, |s| {
        s.lease = Some(Lease { renew_at: at(-1), ..lease });
        (s.suspected, s.retry_at) = (true, Some(at(1)));
    });
    assert_eq!((plan.state, plan.reason), (State::Overdue, Reason::RenewalBudget));
    assert_eq!(plan.action, Action::At(Errand::Renew, at(50)));
}

#[test]
fn a_suspected_token_is_verified_before_it_is_due() {
    let lease = Lease { expires_at: at(80), renew_at: at(64) };
    let plan = decide(&Ledger::default(), |s| (s.lease, s.suspected) = (Some(lease), true));
    assert_eq!((plan.state, plan.action), (State::Live, Action::At(Errand::Verify, at(0))));
}

#[test]
fn an_expired_token_leads_to_a_login_at_once_when_nothing_forbids_it() {
    let lease = Lease { expires_at: at(0), renew_at: at(-15) };
    let plan = decide(&Ledger::default(), |s| (s.lease, s.had_token) = (Some(lease), true));
    assert_eq!((plan.state, plan.action), (State::Lapsed, Action::At(Errand::Acquire, at(0))));
    let plan = decide(&Ledger::default(), |_| {});
    assert_eq!((plan.state, plan.action), (State::Starting, Action::At(Errand::Acquire, at(0))));
}

#[test]
fn what_forbids_a_login_longest_names_the_state() {
    let credentials = FingerprintKey::random().fingerprint(&[b"some"]);
    let mut ledger = Ledger::default();
    ledger.kicked(at(0));
    ledger.granted();
    ledger.kicked(at(0)); // the second: one minute
    let plan = decide(&ledger, |s| s.retry_at = Some(at(0)));
    assert_eq!((plan.state, plan.action), (State::Kicked, Action::At(Errand::Acquire, at(1))));
    ledger.begin(Errand::Acquire, at(0));
    ledger.failed(&SourceError::Captcha, &credentials, at(0));
    let plan = decide(&ledger, |_| {});
    assert_eq!((plan.state, plan.reason), (State::Held, Reason::Hold(HoldCause::Captcha)));
    assert_eq!(plan.action, Action::At(Errand::Acquire, at(60)));
}

#[test]
fn refused_credentials_stop_everything_but_a_living_session() {
    let credentials = FingerprintKey::random().fingerprint(&[b"some"]);
    let mut ledger = Ledger::default();
    ledger.begin(Errand::Acquire, at(0));
    ledger.failed(&SourceError::CredentialsRefused { text: ErrorText::new("no") }, &credentials, at(0));
    let situation = Situation {
        now: at(600),
        ledger: &ledger,
        credentials: &credentials,
        lease: None,
        suspected: false,
        had_token: true,
        retry_at: None,
    };
    let policy = RenewalPolicy::default();
    let plan = policy.decide(&situation);
    assert_eq!((plan.state, plan.action), (State::Rejected, Action::Stop));
    let lease = Some(Lease { expires_at: at(620), renew_at: at(610) });
    let plan = policy.decide(&Situation { lease, ..situation });
    assert_eq!((plan.state, plan.action), (State::Live, Action::At(Errand::Renew, at(610))));
    let other = FingerprintKey::random().fingerprint(&[b"other"]);
    let plan = policy.decide(&Situation { credentials: &other, ..situation });
    assert_eq!(plan.action, Action::At(Errand::Acquire, at(600)));
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
        (Some(at(80)), Some(at(100_000)), safe(80)),     // no clock at all: not believed
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
