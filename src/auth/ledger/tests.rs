use super::*;
use crate::auth::{
    fingerprint::FingerprintKey,
    source::{ErrorText, Loss, Step},
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn credentials() -> Fingerprint {
    FingerprintKey::random().fingerprint(&[b"some"])
}

fn lost() -> SourceError {
    SourceError::Lost { how: Loss::TimedOut }
}

fn free(ledger: &Ledger, errand: Errand, now: Timestamp) -> Timestamp {
    ledger.earliest(errand, &Budgets::default(), now)
}

#[test]
fn the_fifth_session_in_an_hour_waits_for_the_first_to_leave_the_window() {
    let mut ledger = Ledger::default();
    for minute in 0..4 {
        assert!(free(&ledger, Errand::Acquire, at(minute)) <= at(minute), "{minute}");
        ledger.begin(Errand::Acquire, at(minute));
        ledger.granted(true, at(minute));
    }
    assert_eq!(free(&ledger, Errand::Acquire, at(4)), at(60));
    ledger.reconcile(&Budgets::default(), at(61));
    assert!(free(&ledger, Errand::Acquire, at(61)) <= at(61));
}

#[test]
fn two_logins_of_unknown_fate_are_enough_even_if_the_process_died_in_them() {
    let mut ledger = Ledger::default();
    ledger.begin(Errand::Acquire, at(0));
    ledger.failed(&lost(), &credentials(), &Budgets::default(), at(0));
    ledger.begin(Errand::Acquire, at(1));
    let restored: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
    assert_eq!(free(&restored, Errand::Acquire, at(2)), at(60));
}

#[test]
fn what_never_reached_the_broker_costs_nothing() {
    let mut ledger = Ledger::default();
    for second in 0..1000 {
        ledger.begin(Errand::Acquire, at(second));
        let error = SourceError::Unreachable { step: Step::Tls, source: "no".into() };
        ledger.failed(&error, &credentials(), &Budgets::default(), at(second));
    }
    assert!(free(&ledger, Errand::Acquire, at(1000)) <= at(1000));
}

#[test]
fn renewals_have_a_budget_and_verifications_only_a_part_of_it() {
    let mut ledger = Ledger::default();
    let mut verified = Vec::new();
    let mut now = at(0);
    while now < at(60) {
        now = free(&ledger, Errand::Verify, now).max(now);
        if now < at(60) {
            ledger.begin(Errand::Verify, now);
            ledger.granted(true, now);
            verified.push(now);
        }
    }
    assert_eq!(verified, [at(0), at(1), at(3), at(7)], "doubling gaps, then the budget");
    for minute in 20..26 {
        assert!(free(&ledger, Errand::Renew, at(minute)) <= at(minute));
        ledger.begin(Errand::Renew, at(minute));
    }
    assert_eq!(free(&ledger, Errand::Renew, at(26)), at(60));
    assert!(free(&ledger, Errand::Verify, at(26)) >= at(60));
}

#[test]
fn refused_credentials_are_remembered_until_others_succeed() {
    let (mut ledger, wrong) = (Ledger::default(), credentials());
    ledger.begin(Errand::Acquire, at(0));
    ledger.failed(
        &SourceError::CredentialsRefused { text: ErrorText::new("no") },
        &wrong,
        &Budgets::default(),
        at(0),
    );
    assert!(ledger.has_rejected(&wrong) && !ledger.has_rejected(&credentials()));
    ledger.begin(Errand::Acquire, at(1));
    ledger.granted(true, at(1));
    assert!(!ledger.has_rejected(&wrong));
}

#[test]
fn a_captcha_holds_for_an_hour_and_a_clock_set_back_does_not_make_it_a_day() {
    let mut ledger = Ledger::default();
    ledger.begin(Errand::Acquire, at(0));
    ledger.failed(&SourceError::Captcha, &credentials(), &Budgets::default(), at(0));
    assert_eq!(ledger.hold(), Some((HoldCause::Captcha, at(60))));
    let yesterday = at(-26 * 60);
    ledger.reconcile(&Budgets::default(), yesterday);
    assert_eq!(ledger.hold(), Some((HoldCause::Captcha, yesterday + HOUR)));
    ledger.reconcile(&Budgets::default(), yesterday + HOUR);
    assert_eq!(ledger.hold(), None);
}

#[test]
fn a_renewal_answered_429_holds_no_login_and_one_answered_423_does() {
    let mut ledger = Ledger::default();
    ledger.begin(Errand::Renew, at(0));
    ledger.failed(&SourceError::RateLimited, &credentials(), &Budgets::default(), at(0));
    assert_eq!(ledger.hold(), None);
    ledger.begin(Errand::Renew, at(1));
    ledger.failed(&SourceError::Locked, &credentials(), &Budgets::default(), at(1));
    assert_eq!(ledger.hold(), Some((HoldCause::Locked, at(61))));
}

#[test]
fn kicks_in_a_row_are_answered_after_growing_gaps_and_forgiven_after_hours() {
    let mut ledger = Ledger::default();
    let mut now = at(0);
    for gap in [0, 1, 5, 15, 60, 60, 60] {
        ledger.kicked(now);
        let reclaim = ledger.reclaim_at().unwrap();
        assert_eq!(reclaim.duration_since(now).as_mins(), gap);
        ledger.begin(Errand::Acquire, reclaim);
        ledger.granted(true, now);
        assert_eq!(ledger.reclaim_at(), None);
        now = reclaim;
    }
    now += Duration::from_secs(5 * 3600);
    ledger.kicked(now);
    assert_eq!(ledger.reclaim_at(), Some(now));
}
