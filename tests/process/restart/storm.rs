//! Restarts as fast as they go: a loop of restarts is no loop of logins, whatever the broker answers.

use std::path::Path;

use rustix::process::Signal;
use tradovate_proxy::sandbox::{Action, CREDENTIALS, Fault};

use crate::support::{
    broker::{Broker, LOGIN},
    patience::until,
    process::Process,
    proxy::{Proxy, serve},
    state::stored,
};

#[test]
fn two_hundred_restarts_cost_no_login_while_a_stored_token_lives() {
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &broker.origin());
    let first = Proxy::start_ready(command());
    stored(state.path());
    assert_eq!(first.stop().code, Some(0));
    for round in 0..200 {
        let proxy = Proxy::start(command());
        // In service, and not; gently, and not.
        if round % 3 == 0 {
            proxy.serves();
        }
        let signal = if round % 2 == 0 { Signal::TERM } else { Signal::KILL };
        proxy.process.signal(signal);
        let code = proxy.process.end().code;
        assert_eq!(code, (signal == Signal::TERM).then_some(0), "round {round}");
    }
    Proxy::start(command()).serves();
    assert_eq!((broker.logins(), broker.renewals()), (1, 0));
}

#[test]
fn a_broker_that_answers_503_is_asked_twice() {
    let down = Action::Respond { status: 503, headers: Vec::new(), body: String::new() };
    assert_eq!(logins_of_a_storm(down, CREDENTIALS.password, Moment::Told), 2);
}

#[test]
fn a_broker_that_does_not_answer_is_asked_twice() {
    assert_eq!(logins_of_a_storm(Action::Hang, CREDENTIALS.password, Moment::Asked), 2);
}

#[test]
fn a_broker_that_wants_a_captcha_is_asked_once() {
    let captcha = Action::Penalty { seconds: 15, captcha: true };
    assert_eq!(logins_of_a_storm(captcha, CREDENTIALS.password, Moment::Stored), 1);
}

#[test]
fn a_wrong_password_is_tried_once() {
    assert_eq!(logins_of_a_storm(Action::Pass, "wrong", Moment::Stored), 1);
}

#[test]
fn a_refusal_that_could_not_be_stored_is_asked_for_once_more_and_no_third_time() {
    let logins = logins_of_a_storm(Action::Pass, "wrong", Moment::Told);
    assert!((1..=2).contains(&logins), "{logins}");
}

/// When a proxy is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// The broker has its login.
    Asked,
    /// It has the answer, and may not have stored it.
    Told,
    /// It has stored what the answer means.
    Stored,
}

/// How many logins the broker sees of fifty proxies, one after the other, each killed at this moment or when it has
/// said why it asks for nothing.
fn logins_of_a_storm(action: Action, password: &str, moment: Moment) -> usize {
    let (broker, state) = (Broker::start(), tempfile::tempdir().unwrap());
    broker.control().inject(Fault::next(LOGIN, action).times(1000));
    for _ in 0..50 {
        let before = broker.logins();
        let process = start(state.path(), &broker, password);
        until("a login, or why there is none", || {
            let said = process.so_far();
            let has_come = match moment {
                Moment::Asked => broker.logins() > before,
                Moment::Told => said.contains("no token granted"),
                Moment::Stored => false,
            };
            let has_reason = said.contains("state=\"held\"") || said.contains("state=\"rejected\"");
            (has_come || has_reason).then_some(())
        });
        process.kill();
    }
    broker.logins()
}

fn start(state: &Path, broker: &Broker, password: &str) -> Process {
    let mut command = serve(state, &broker.origin());
    command.env("TRADOVATE_PASSWORD", password);
    Process::start(command)
}
