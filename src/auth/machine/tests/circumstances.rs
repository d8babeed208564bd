//! Hosts, pauses, orders, restarts, and sources of other kinds.

use super::*;

#[test]
fn a_renewal_falls_back_to_the_bootstrap_host_once_and_each_try_is_counted() {
    let mut machine = live();
    assert!(machine.moved("https://dead.tradovateapi.com".parse().unwrap(), at(1)));
    assert_eq!(machine.session_origin().host(), "dead.tradovateapi.com");
    machine.fails(Errand::Renew, &SourceError::UnexpectedStatus { status: 307 }, at(65));
    assert_eq!(machine.next(at(65)).1, Action::At(RENEW, at(65)));
    assert_eq!(machine.session_origin().host(), "demo.tradovateapi.com");
    machine.fails(Errand::Renew, &gateway(), at(65));
    assert_eq!(machine.session_origin().host(), "dead.tradovateapi.com");
    let Action::At(_, due) = machine.next(at(65)).1 else { panic!() };
    assert!(due > at(65), "and then it waits");
    machine.grants(Errand::Renew, at(67));
    assert_eq!(machine.usable().unwrap().origin.host(), "dead.tradovateapi.com", "absent means unchanged");
}

#[test]
fn hosts_that_redirect_to_each_other_do_not_move_the_session_with_each_request() {
    let mut machine = live();
    let host = |name: &str| format!("https://{name}.tradovateapi.com").parse::<Origin>().unwrap();
    let before = machine.generation();
    assert!(machine.moved(host("a"), at(1)) && machine.moved(host("b"), at(1)));
    assert!(!machine.moved(host("b"), at(1)), "it is there");
    assert!(!machine.moved(host("a"), at(1)), "it came from there");
    assert!(machine.moved(host("a"), at(2)));
    assert_eq!(machine.generation().0, before.0 + 3);
}

#[test]
fn a_paused_session_sends_nothing_survives_a_restart_and_comes_back() {
    let mut machine = live();
    assert_eq!(machine.order(Order::Pause { until: Some(at(30)) }, at(1)), Ok(None));
    assert!(machine.usable().is_none() && !machine.listens());
    assert_eq!(machine.next(at(1)), (State::Paused, Action::At(Step::Resume, at(30))));
    for order in [Order::Renew, Order::Acquire] {
        assert_eq!(machine.order(order, at(2)), Err(Declined::Paused));
    }
    let record = serde_json::to_string(machine.record()).unwrap();
    let mut machine = machine_with(RenewalPolicy::default(), serde_json::from_str(&record).unwrap());
    assert_eq!(machine.next(at(2)), (State::Paused, Action::At(Step::Resume, at(30))));
    machine.resume();
    assert!(machine.usable().is_some());
    assert_eq!(machine.next(at(30)).1, Action::At(Step::Examine, at(30)), "somebody may have closed it");
    machine.order(Order::Pause { until: None }, at(31)).unwrap();
    assert_eq!(machine.next(at(3000)), (State::Paused, Action::Stop));
}

#[test]
fn orders_are_held_to_the_budgets() {
    let mut machine = machine();
    assert_eq!(machine.order(Order::Renew, at(0)), Err(Declined::NoToken));
    for minute in 0..4 {
        assert_eq!(machine.order(Order::Acquire, at(minute)), Ok(Some(Errand::Acquire)));
        machine.grants(Errand::Acquire, at(minute));
    }
    let declined = machine.order(Order::Acquire, at(5)).unwrap_err();
    assert!(matches!(declined, Declined::NotBefore { at: until, .. } if until == at(60)), "{declined}");
    assert_eq!(machine.order(Order::Renew, at(5)), Ok(Some(Errand::Renew)));
}

#[test]
fn a_stored_session_is_taken_up_and_one_of_a_wrong_clock_is_cut() {
    let record = serde_json::to_string(live().record()).unwrap();
    let restored = |now| {
        let record: Record = serde_json::from_str(&record).unwrap();
        let seat = seat_of(&record, b"right");
        Machine::new(RenewalPolicy::default(), seat, record, fastrand::Rng::with_seed(1), now)
    };
    assert_eq!(restored(at(70)).doubt.unwrap().stage, Stage::Examine);
    assert!(restored(at(80)).usable().is_none());
    // The clock was a day ahead when the token was stored.
    let early = restored(at(-24 * 60));
    assert_eq!(early.usable().unwrap().expires_at, at(-24 * 60 + 90));
}

#[test]
fn a_token_handed_over_costs_nothing_is_renewed_at_once_and_not_tried_again_when_dead() {
    let record = Record::new("seat");
    let seat = Seat { is_handed: true, ..seat_of(&record, b"token") };
    let mut machine =
        Machine::new(RenewalPolicy::default(), seat.clone(), record, fastrand::Rng::with_seed(1), at(0));
    let handed = || Grant { expires_at: None, opened: false, ..grant(0, at(0)) };
    for _ in 0..10 {
        machine.begin(Errand::Acquire, at(0));
        machine.granted(Errand::Acquire, handed(), at(0), at(0));
    }
    assert_eq!(machine.next(at(0)).1, Action::At(RENEW, at(0)));
    machine.fails(Errand::Renew, &refused(401), at(0));
    machine.examined(Vitality::Dead, at(0));
    let plan = machine.plan(at(0));
    assert_eq!((plan.state, plan.reason, plan.action), (State::Rejected, Reason::HandedToken, Action::Stop));
    let fresh = Seat { credentials: machine.record().key.fingerprint(&[b"fresh"]), ..seat };
    assert!(machine.reseat(fresh), "to be taken at once");
}

#[test]
fn a_rotated_refresh_token_is_kept_for_its_own_credentials_only() {
    let mut machine = machine();
    machine.begin(Errand::Acquire, at(0));
    let rotated = Grant { refresh: Some("rotated".into()), ..grant(80, at(0)) };
    machine.granted(Errand::Acquire, rotated, at(0), at(0));
    assert!(machine.means().refresh.is_some());
    machine.grants(Errand::Renew, at(1));
    assert!(machine.means().refresh.is_some(), "absent means unchanged");
    let other = seat_of(machine.record(), b"other");
    machine.reseat(other);
    assert!(machine.means().refresh.is_none());
    let foreign = machine.record().key.fingerprint(&[b"foreign"]);
    let mut record = Record::new("seat");
    record.refresh = Some(StoredRefresh { token: "t".into(), seed: foreign });
    assert!(machine_with(RenewalPolicy::default(), record).means().refresh.is_none());
}
