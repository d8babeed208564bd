//! What was tried, over restarts: a restart loop is no login loop.

use rustix::process::Signal;
use serde_json::json;

use crate::support::{
    api::Api,
    patience::until,
    proxy::{Proxy, serve},
};

#[test]
fn logins_cut_off_by_kills_count_against_the_budget() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let command = || serve(state.path(), &api.origin());
    api.fault(&json!({"path": "auth/accesstokenrequest", "times": 9, "action": "hang"}));
    for attempt in 1..=2 {
        let proxy = Proxy::start(command());
        until("the login at the broker", || (api.logins() == attempt).then_some(()));
        proxy.process.signal(Signal::KILL);
        assert_eq!(proxy.process.end().code, None);
    }
    for _ in 0..3 {
        let proxy = Proxy::start(command());
        proxy.process.line("state=\"held\"");
        let status = proxy.status();
        assert_eq!(status["session"]["next"]["call"], "acquire", "{status}");
        let refused = proxy.get("/v1/account/list");
        assert_eq!((refused.status, &refused.json()["code"]), (503, &json!("no-token")), "{refused:?}");
        assert!(refused.head.to_ascii_lowercase().contains("\r\nretry-after: "), "{refused:?}");
        assert_eq!(proxy.stop().code, Some(0));
    }
    assert_eq!(api.logins(), 2);
}

#[test]
fn refused_credentials_are_not_tried_again_until_they_change() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    for _ in 0..3 {
        let mut wrong = serve(state.path(), &api.origin());
        wrong.env("TRADOVATE_SEC", "not the key's");
        let proxy = Proxy::start(wrong);
        proxy.process.line("state=\"rejected\"");
        assert_eq!(proxy.stop().code, Some(0));
    }
    assert_eq!(api.logins(), 1);
    Proxy::start_ready(serve(state.path(), &api.origin())).serves();
    assert_eq!(api.logins(), 2);
}

#[test]
fn the_device_keeps_its_id() {
    let state = tempfile::tempdir().unwrap();
    let ids = [(); 2].map(|()| {
        // Another upstream each time, so that each start logs in.
        let api = Api::start();
        let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
        assert_eq!(proxy.stop().code, Some(0));
        let login = api.requests("auth/accesstokenrequest").remove(0);
        let body: serde_json::Value = serde_json::from_str(login["body"]["text"].as_str().unwrap()).unwrap();
        body["deviceId"].as_str().unwrap().to_owned()
    });
    assert_eq!(ids[0], ids[1]);
}
