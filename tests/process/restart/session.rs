//! The stored session.

use std::fs;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    api::Api,
    patience::until,
    proxy::{Proxy, serve},
    state::{age, stored},
};

#[test]
fn one_login_serves_the_process_and_its_successors() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &api.origin());

    let first = Proxy::start_ready(command());
    first.serves();
    assert_eq!(first.stop().code, Some(0));
    let after_term = Proxy::start(command());
    after_term.serves();
    stored(state.path());
    after_term.process.signal(Signal::KILL);
    assert_eq!(after_term.process.end().code, None);
    let after_kill = Proxy::start(command());
    after_kill.serves();
    assert_eq!(api.logins(), 1);
    let status = after_kill.status();
    assert_eq!(status["session"]["state"], "live", "{status}");
}

#[test]
fn a_damaged_file_is_set_aside_and_costs_one_login() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &api.origin());
    let first = Proxy::start_ready(command());
    let record = stored(state.path()).to_string();
    assert_eq!(first.stop().code, Some(0));
    for (round, damage) in ["\u{0}\u{1}", "", &record[..record.len() / 2]].into_iter().enumerate() {
        fs::write(state.path().join("session.json"), damage).unwrap();
        let proxy = Proxy::start_ready(command());
        proxy.serves();
        stored(state.path());
        assert_eq!(fs::read_to_string(state.path().join("session.json.set-aside")).unwrap(), damage);
        assert_eq!(api.logins(), 2 + round);
        let ended = proxy.stop();
        assert!(ended.stderr.contains("set aside"), "{ended:?}");
    }
}

#[test]
fn a_later_versions_session_costs_one_login_and_its_attempts_still_count() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let first = Proxy::start_ready(serve(state.path(), &api.origin()));
    let mut record = stored(state.path());
    assert_eq!(first.stop().code, Some(0));
    let token = record["session"]["token"].as_str().unwrap().to_owned();
    record["version"] = json!(2);
    fs::write(state.path().join("session.json"), record.to_string()).unwrap();

    // One login an hour, and that was before the file was another version's.
    let mut sparing = serve(state.path(), &api.origin());
    sparing.env("TRADOVATE_PROXY_SESSION_LOGINS_PER_HOUR", "1");
    let held = Proxy::start(sparing);
    held.process.line("state=\"held\"");
    assert_eq!(held.stop().code, Some(0));
    assert_eq!(api.logins(), 1);
    Proxy::start_ready(serve(state.path(), &api.origin())).serves();
    assert_eq!(api.logins(), 2);
    for name in ["session.json.set-aside", "session.json"] {
        let text = fs::read_to_string(state.path().join(name)).unwrap();
        assert!(!text.contains(&token), "{name}: {text}");
    }
}

#[test]
fn a_session_of_another_upstream_is_not_used() {
    let (first, second) = (Api::start(), Api::start());
    let state = tempfile::tempdir().unwrap();
    let proxy = Proxy::start_ready(serve(state.path(), &first.origin()));
    let token = stored(state.path())["session"]["token"].as_str().unwrap().to_owned();
    assert_eq!(proxy.stop().code, Some(0));
    let proxy = Proxy::start_ready(serve(state.path(), &second.origin()));
    proxy.serves();
    proxy.process.line("it belongs to another user or upstream");
    let aside = fs::read_to_string(state.path().join("session.json.set-aside")).unwrap();
    assert!(!aside.contains(&token), "{aside}");
    assert_eq!((first.logins(), second.logins()), (1, 1));
}

#[test]
fn a_token_that_is_due_is_renewed_and_not_replaced() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &api.origin());
    let first = Proxy::start_ready(command());
    let record = stored(state.path());
    assert_eq!(first.stop().code, Some(0));
    age(state.path());

    let second = Proxy::start(command());
    second.serves();
    until("the renewed token on the disk", || {
        (stored(state.path())["session"]["token"] != record["session"]["token"]).then_some(())
    });
    second.serves();
    assert_eq!((api.logins(), api.requests("auth/renewaccesstoken").len()), (1, 1));
}

#[test]
fn what_cannot_be_stored_is_used_all_the_same_and_said() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &api.origin());
    let first = Proxy::start_ready(command());
    stored(state.path());
    assert_eq!(first.stop().code, Some(0));
    age(state.path());
    // In the way of the new file; permissions alone would not stop a test that runs as root.
    fs::create_dir_all(state.path().join("session.json.new/in the way")).unwrap();

    let proxy = Proxy::start(command());
    proxy.process.line("token granted");
    proxy.process.line("cannot be stored");
    proxy.serves();
    let status = proxy.status();
    assert!(status["store_trouble"].as_str().is_some_and(|why| why.contains("session.json")), "{status}");
    assert_eq!((&status["ready"], &status["session"]["state"]), (&json!(true), &json!("live")), "{status}");
    let ready = proxy.readiness().text();
    assert!(ready.starts_with("ready, but the session would not survive a restart: "), "{ready}");
    let metrics = crate::support::http::get(proxy.admin, "/metrics").text();
    assert!(metrics.contains("\ntradovate_proxy_session_stored 0\n"), "{metrics}");
    assert_eq!((api.logins(), api.requests("auth/renewaccesstoken").len()), (1, 1));
}
