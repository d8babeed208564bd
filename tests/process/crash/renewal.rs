//! Moments of a renewal. Tradovate says nowhere what becomes of a token that was renewed: if it lives on, no kill
//! costs a login; if it dies, only the kill that comes between the broker's answer and the disk does.

use std::path::Path;

use tradovate_proxy::sandbox::{Action, Fault, OldToken};

use super::{KILLS, Left, SEED, command, left_behind, moment, recovers};
use crate::support::{
    broker::{Broker, RENEWAL},
    patience::linger,
    process::Process,
    state::age,
};

#[test]
fn killed_at_any_moment_after_the_answer_the_old_token_or_the_new_one_is_used_next() {
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    broker.control().change_rules(|rules| rules.renewals_per_hour = None);
    let mut random = fastrand::Rng::with_seed(SEED);
    assert_eq!(recovers(state.path(), &broker), 1);
    let mut stored = 0;
    let mut old = token(state.path());
    age(state.path());
    for kill in 0..KILLS {
        let process = Process::start(command(state.path(), &broker));
        broker.has_answered(RENEWAL, kill + 1);
        linger(moment(&mut random));
        process.kill();

        let new = token(state.path());
        if new != old {
            // Fresh from the broker: made due for the next one.
            age(state.path());
            stored += 1;
            old = new;
        }
        assert_eq!(broker.logins(), 1, "kill {kill}");
    }
    assert!((1..KILLS).contains(&stored), "{stored} of {KILLS} had been stored");
    assert_eq!(recovers(state.path(), &broker), 0);
}

#[test]
fn a_renewal_whose_answer_never_came_is_asked_for_again() {
    let (broker, state) = withheld(OldToken::Lives);
    assert_eq!(recovers(state.path(), &broker), 0);
    assert_eq!(broker.control().sessions().len(), 1);
}

#[test]
fn if_the_old_token_died_with_that_renewal_it_costs_one_login() {
    let (broker, state) = withheld(OldToken::Dies);
    assert_eq!(recovers(state.path(), &broker), 1);
    assert_eq!(recovers(state.path(), &broker), 0);
    assert_eq!(broker.control().sessions().len(), 2);
}

/// A broker that has renewed a token, and a proxy that was killed before it knew.
fn withheld(old_token: OldToken) -> (Broker, tempfile::TempDir) {
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    broker.control().change_rules(|rules| rules.old_token = old_token);
    assert_eq!(recovers(state.path(), &broker), 1);
    let old = token(state.path());
    age(state.path());
    broker.control().inject(Fault::next(RENEWAL, Action::Hang).handled());
    let process = Process::start(command(state.path(), &broker));
    broker.has_read(RENEWAL, 1);
    process.kill();
    assert_eq!(token(state.path()), old);
    (broker, state)
}

fn token(state: &Path) -> String {
    match left_behind(state) {
        Left::Session(token) => token,
        left @ (Left::Nothing | Left::Attempt) => panic!("{left:?}"),
    }
}
