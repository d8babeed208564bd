mod circumstances;

use proptest::prelude::*;

use super::*;
use crate::auth::{
    console::{Declined, Order},
    ledger::Errand,
    machine::doubt::Stage,
    policy::OnKick,
    reason::Reason,
    source::{ErrorText, Grant, HoldCause, Loss, SourceError, Ticket, Vitality},
    state::State,
    vault::StoredRefresh,
};

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
}

fn seat_of(record: &Record, password: &[u8]) -> Seat {
    Seat {
        credentials: record.key.fingerprint(&[password]),
        seed: record.key.fingerprint(&[password]),
        bootstrap: "https://demo.tradovateapi.com".parse().unwrap(),
        is_handed: false,
    }
}

fn machine_with(policy: RenewalPolicy, record: Record) -> Machine {
    let seat = seat_of(&record, b"right");
    Machine::new(policy, seat, record, fastrand::Rng::with_seed(7), at(0))
}

fn machine() -> Machine {
    machine_with(RenewalPolicy::default(), Record::new("seat"))
}

fn grant(minutes: i64, now: Timestamp) -> Grant {
    Grant {
        token: "token".into(),
        expires_at: Some(now + SignedDuration::from_mins(minutes)),
        server_date: None,
        user: None,
        origin: None,
        refresh: None,
        opened: true,
        proves_bearer: true,
    }
}

fn refused(status: u16) -> SourceError {
    SourceError::Refused { status, text: ErrorText::new("no") }
}

fn gateway() -> SourceError {
    SourceError::UnexpectedStatus { status: 503 }
}

impl Machine {
    fn grants(&mut self, errand: Errand, now: Timestamp) {
        self.begin(errand, now);
        self.granted(errand, grant(80, now), now, now);
    }

    fn fails(&mut self, errand: Errand, error: &SourceError, now: Timestamp) -> Option<Lost> {
        self.begin(errand, now);
        self.failed(errand, error, now)
    }

    fn next(&mut self, now: Timestamp) -> (State, Action) {
        let plan = self.plan(now);
        (plan.state, plan.action)
    }
}

/// A machine whose session was opened at minute 0.
fn live() -> Machine {
    let mut machine = machine();
    machine.grants(Errand::Acquire, at(0));
    machine
}

const RENEW: Step = Step::Attempt(Errand::Renew);
const VERIFY: Step = Step::Attempt(Errand::Verify);
const ACQUIRE: Step = Step::Attempt(Errand::Acquire);

#[test]
fn a_session_is_opened_once_renewed_when_due_and_opened_again_only_after_its_end() {
    let mut machine = machine();
    assert_eq!(machine.next(at(0)), (State::Starting, Action::At(ACQUIRE, at(0))));
    machine.grants(Errand::Acquire, at(0));
    let (state, Action::At(RENEW, due)) = machine.next(at(0)) else { panic!() };
    assert!(state == State::Live && (at(60)..=at(64)).contains(&due), "{due}");
    // Not even when renewing fails for as long as it may.
    for minute in 65..75 {
        machine.fails(Errand::Renew, &gateway(), at(minute));
        assert!(machine.usable().is_some());
    }
    let plan = machine.plan(at(76));
    assert_eq!((plan.state, plan.reason), (State::Overdue, Reason::RenewalBudget));
    assert_eq!(machine.next(at(80)), (State::Lapsed, Action::At(ACQUIRE, at(80))));
    assert!(machine.usable().is_none());
}

#[test]
fn what_forbids_a_login_longest_names_the_state() {
    let mut machine = live();
    machine.suspect(Cause::Refused);
    assert!(machine.examined(Vitality::Dead, at(1)).is_none());
    assert!(machine.fails(Errand::Verify, &refused(401), at(1)).unwrap().is_kicked);
    assert_eq!(machine.next(at(1)), (State::Kicked, Action::At(ACQUIRE, at(1))).to_lapsed(at(1)));
    machine.fails(Errand::Acquire, &SourceError::Captcha, at(1));
    let plan = machine.plan(at(1));
    assert_eq!((plan.state, plan.reason), (State::Held, Reason::Hold(HoldCause::Captcha)));
    assert_eq!(plan.action, Action::At(ACQUIRE, at(61)));
}

trait ToLapsed {
    fn to_lapsed(self, now: Timestamp) -> Self;
}

impl ToLapsed for (State, Action) {
    /// A gap of no length is over at once.
    fn to_lapsed(self, now: Timestamp) -> Self {
        if self.1 == Action::At(ACQUIRE, now) { (State::Lapsed, self.1) } else { self }
    }
}

#[test]
fn refused_credentials_stop_everything_until_they_change_or_an_operator_insists() {
    let mut machine = machine();
    machine.fails(Errand::Acquire, &SourceError::CredentialsRefused { text: ErrorText::new("no") }, at(0));
    assert_eq!(machine.next(at(600)), (State::Rejected, Action::Stop));
    assert_eq!(machine.order(Order::Acquire, at(600)), Ok(Some(Errand::Acquire)));
    assert_eq!(machine.next(at(600)), (State::Rejected, Action::Stop));
    let other = seat_of(machine.record(), b"other");
    assert!(!machine.reseat(other));
    assert_eq!(machine.next(at(600)), (State::Starting, Action::At(ACQUIRE, at(600))));
}

#[test]
fn a_good_token_stays_in_use_whatever_its_renewal_says() {
    let mut machine = live();
    for error in [
        refused(401),
        refused(200),
        refused(400),
        gateway(),
        SourceError::RateLimited,
        SourceError::Captcha,
        SourceError::Challenge,
        SourceError::Locked,
        SourceError::Malformed { what: "it is HTML" },
        SourceError::Lost { how: Loss::TimedOut },
    ] {
        assert_eq!(machine.fails(Errand::Renew, &error, at(65)), None, "{error}");
        if machine.doubt.is_some() {
            assert_eq!(machine.examined(Vitality::Alive, at(65)), None, "{error}");
        }
        assert!(machine.usable().is_some() && machine.doubt.is_none(), "{error}");
    }
    assert!(machine.usable().is_some());
    assert_eq!(machine.plan(at(66)).state, State::Overdue);
}

#[test]
fn a_kick_is_told_by_two_witnesses_and_answered_as_the_policy_says() {
    for (on_kick, expected) in [
        (OnKick::Reclaim, (State::Lapsed, Action::At(ACQUIRE, at(5)))),
        (OnKick::Yield { wait: Duration::from_secs(1800) }, (State::Kicked, Action::At(ACQUIRE, at(35)))),
        (OnKick::Manual, (State::Kicked, Action::Stop)),
    ] {
        let policy = RenewalPolicy { on_kick, ..RenewalPolicy::default() };
        let mut machine = machine_with(policy, Record::new("seat"));
        machine.grants(Errand::Acquire, at(0));
        machine.suspect(Cause::Refused);
        assert_eq!(machine.next(at(5)).1, Action::At(Step::Examine, at(5)));
        machine.examined(Vitality::Dead, at(5));
        assert_eq!(machine.next(at(5)).1, Action::At(VERIFY, at(5)));
        assert!(machine.usable().is_some(), "one witness is none");
        machine.fails(Errand::Verify, &refused(401), at(5));
        assert!(machine.usable().is_none());
        assert_eq!(machine.next(at(5)), expected);
        // An operator takes the place back, whatever the policy.
        assert_eq!(machine.order(Order::Resume, at(6)), Ok(None));
        assert_eq!(machine.next(at(6)), (State::Lapsed, Action::At(ACQUIRE, at(6))));
    }
}

#[test]
fn a_session_whose_every_answer_is_an_error_is_given_up_once_an_hour_and_never_in_an_outage() {
    let mut machine = live();
    let mut follow = |is_well, minute| {
        machine.suspect(Cause::Failing);
        machine.examined(Vitality::Unclear, at(minute));
        assert!(machine.fails(Errand::Verify, &SourceError::RateLimited, at(minute)).is_none());
        let plan = machine.plan(at(minute));
        assert_eq!(plan.action, Action::At(Step::Probe, at(minute)));
        let lost = machine.probed(is_well, at(minute));
        if lost.is_some() {
            machine.grants(Errand::Acquire, at(minute));
        }
        lost.is_some()
    };
    assert!(!follow(false, 5));
    assert!(follow(true, 10));
    assert!(!follow(true, 20), "within the hour");
}

#[test]
fn a_permission_that_is_missing_is_followed_up_once() {
    let mut machine = live();
    machine.suspect(Cause::Denied("fill-list"));
    machine.examined(Vitality::Alive, at(1));
    assert!(machine.permits("fill-list") && !machine.permits("order-list"));
    assert!(machine.listens());
    // Where the examination cannot tell, the renewal does.
    machine.suspect(Cause::Denied("order-list"));
    machine.examined(Vitality::Unclear, at(3));
    machine.grants(Errand::Verify, at(3));
    assert!(machine.permits("order-list"));
}

#[test]
fn a_login_is_not_spent_on_a_broker_that_is_not_there() {
    let mut machine = machine();
    machine.fails(Errand::Acquire, &gateway(), at(0));
    let mut now = at(0);
    let mut probes = 0;
    while now < at(600) {
        let Action::At(step, due) = machine.plan(now).action else { panic!() };
        now = due.max(now);
        assert_eq!(step, Step::Probe, "{now}");
        machine.probed(false, now);
        probes += 1;
    }
    assert!(probes > 600 * 60 / 9, "asked every few seconds: {probes}");
    let Action::At(Step::Probe, due) = machine.plan(now).action else { panic!() };
    assert!(due.duration_since(now).as_secs() <= 8);
    machine.probed(true, due);
    assert_eq!(machine.next(due), (State::Starting, Action::At(ACQUIRE, due)));
}

#[test]
fn a_login_that_fails_while_the_broker_is_well_is_repeated_after_a_while() {
    let mut machine = machine();
    machine.fails(Errand::Acquire, &gateway(), at(0));
    let mut now = at(0);
    loop {
        let Action::At(step, due) = machine.plan(now).action else { panic!() };
        now = due.max(now);
        if step == ACQUIRE {
            break;
        }
        machine.probed(true, now);
    }
    assert!(now.duration_since(at(0)).as_secs() >= 15, "{now}");
}

#[test]
fn a_ticket_is_sent_back_once_and_the_next_doubles_the_wait() {
    let mut machine = machine();
    let penalty =
        |wait| SourceError::Penalty { wait: Duration::from_secs(wait), ticket: Ticket("t".to_owned()) };
    machine.fails(Errand::Acquire, &penalty(600), at(0));
    assert_eq!(machine.next(at(0)).1, Action::At(ACQUIRE, at(10)));
    assert!(machine.means().ticket.is_some());
    machine.fails(Errand::Acquire, &penalty(600), at(10));
    let plan = machine.plan(at(10));
    assert_eq!(plan.reason, Reason::FailureBudget, "two in an hour");
    assert_eq!(machine.setback.unwrap().delay, Duration::from_secs(1200));
    machine.grants(Errand::Acquire, at(61));
    assert!(machine.means().ticket.is_none());
}

proptest! {
    /// Whatever is told to it, in whatever order: what it plans is inside the budgets, and no token is used past its
    /// expiry.
    #[test]
    fn no_sequence_of_events_leads_past_a_budget_or_an_expiry(
        events in proptest::collection::vec((0_u8..20, 0_i64..40), 1..300),
    ) {
        let mut machine = machine();
        let mut now = at(0);
        let (mut logins, mut failures, mut renewals) = (Vec::new(), Vec::new(), Vec::new());
        for (event, minutes) in events {
            let plan = machine.plan(now);
            now = match plan.action {
                Action::At(_, due) if minutes < 30 => due.max(now),
                Action::At(..) | Action::Stop => now + SignedDuration::from_mins(minutes),
            };
            let plan = machine.plan(now);
            if let Some(session) = machine.usable() {
                prop_assert!(now < session.expires_at);
            }
            match plan.action {
                Action::At(Step::Attempt(errand), due) if due <= now => {
                    machine.begin(errand, now);
                    let is_login = errand == Errand::Acquire;
                    if event < 12 {
                        machine.granted(errand, grant(80 - i64::from(event) * 7, now), now, now);
                        if is_login { logins.push(now) } else { renewals.push(now) }
                    } else {
                        let error = match event {
                            12..14 => refused(401),
                            14..16 => gateway(),
                            16 => SourceError::Captcha,
                            17 => SourceError::RateLimited,
                            _ => SourceError::Lost { how: Loss::TimedOut },
                        };
                        machine.failed(errand, &error, now);
                        if is_login { failures.push(now) } else { renewals.push(now) }
                    }
                }
                Action::At(Step::Examine, due) if due <= now => {
                    let found = [Vitality::Alive, Vitality::Dead, Vitality::Unclear][usize::from(event % 3)];
                    machine.examined(found, now);
                }
                Action::At(Step::Probe, due) if due <= now => { machine.probed(event % 2 == 0, now); }
                Action::At(Step::Resume, due) if due <= now => machine.resume(),
                Action::At(..) | Action::Stop => match event {
                    0..4 => machine.suspect(Cause::Refused),
                    4..6 => machine.suspect(Cause::Failing),
                    6 => { let _ = machine.order(Order::Pause { until: Some(now + SignedDuration::from_mins(5)) }, now); }
                    7 => { let _ = machine.order(Order::Resume, now); }
                    _ => {}
                },
            }
        }
        for (made, limit) in [(logins, 4), (failures, 2), (renewals, 10)] {
            for window in made.windows(limit + 1) {
                prop_assert!(window[limit].duration_since(window[0]).as_secs() >= 3600, "{window:?}");
            }
        }
    }
}
