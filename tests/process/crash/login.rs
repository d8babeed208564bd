//! Moments of a login.

use tradovate_proxy::sandbox::{Action, Fault};

use super::{KILLS, Left, SEED, command, left_behind, moment, recovers};
use crate::support::{
    broker::{Broker, LOGIN},
    patience::linger,
    process::Process,
};

#[test]
fn a_login_whose_answer_never_came_costs_one_more() {
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    // The broker has opened the session; nobody but it knows.
    broker.control().inject(Fault::next(LOGIN, Action::Hang).handled());
    let process = Process::start(command(state.path(), &broker));
    broker.has_read(LOGIN, 1);
    process.kill();
    assert_eq!(left_behind(state.path()), Left::Attempt, "it was entered before it was made");
    assert_eq!(recovers(state.path(), &broker), 1);
    assert_eq!(recovers(state.path(), &broker), 0);
    assert_eq!(broker.control().sessions().len(), 2);
}

#[test]
fn a_session_that_is_in_use_is_on_the_disk() {
    let broker = Broker::start();
    for _ in 0..8 {
        let state = tempfile::tempdir().unwrap();
        let process = Process::start(command(state.path(), &broker));
        process.line("state=\"live\"");
        process.kill();
        assert!(matches!(left_behind(state.path()), Left::Session(_)));
        assert_eq!(recovers(state.path(), &broker), 0);
    }
}

#[test]
fn killed_at_any_moment_after_the_answer_it_has_stored_the_session_or_opens_one() {
    let broker = Broker::start();
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut stored = 0;
    for kill in 0..KILLS {
        let state = tempfile::tempdir().unwrap();
        let before = broker.logins();
        let process = Process::start(command(state.path(), &broker));
        broker.has_answered(LOGIN, before + 1);
        linger(moment(&mut random));
        process.kill();

        let left = left_behind(state.path());
        assert_ne!(left, Left::Nothing, "kill {kill}: the attempt was stored before it was made");
        let has_session = matches!(left, Left::Session(_));
        stored += usize::from(has_session);
        assert_eq!(recovers(state.path(), &broker), usize::from(!has_session), "kill {kill}: {left:?}");
        assert_eq!(recovers(state.path(), &broker), 0, "kill {kill}");
    }
    // Both sides of the moment were met, or this has shown nothing.
    assert!((1..KILLS).contains(&stored), "{stored} of {KILLS} had been stored");
    assert_eq!(broker.logins(), 2 * KILLS - stored);
}
