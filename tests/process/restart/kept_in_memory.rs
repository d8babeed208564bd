//! `session.store = memory`.

use std::fs;

use crate::support::{
    api::Api,
    process::run,
    proxy::{Proxy, serve},
};

#[test]
fn nothing_is_stored_or_locked_and_no_directory_is_made() {
    let (api, parent) = (Api::start(), tempfile::tempdir().unwrap());
    let state = parent.path().join("state");
    let command = || {
        let mut command = serve(&state, &api.origin());
        command.env("TRADOVATE_PROXY_SESSION_STORE", "memory").env("TRADOVATE_DEVICE_ID", "a device");
        command
    };
    let both = [Proxy::start_ready(command()), Proxy::start_ready(command())];
    for proxy in both {
        proxy.serves();
        assert!(proxy.status()["store_trouble"].is_null());
        assert_eq!(proxy.stop().code, Some(0));
    }
    assert!(!state.exists());
    assert_eq!(api.logins(), 2);
}

#[test]
fn the_device_id_is_kept_all_the_same() {
    let (api, parent) = (Api::start(), tempfile::tempdir().unwrap());
    let state = parent.path().join("state");
    let command = || {
        let mut command = serve(&state, &api.origin());
        command.env("TRADOVATE_PROXY_SESSION_STORE", "memory");
        command
    };
    for _ in 0..2 {
        let proxy = Proxy::start_ready(command());
        assert_eq!(proxy.stop().code, Some(0));
    }
    let names: Vec<_> = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["device-id"]);
    let ids: Vec<_> = api
        .requests("auth/accesstokenrequest")
        .iter()
        .map(|login| {
            let body: serde_json::Value =
                serde_json::from_str(login["body"]["text"].as_str().unwrap()).unwrap();
            body["deviceId"].as_str().unwrap().to_owned()
        })
        .collect();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");

    // Where it cannot be kept, one that changes with each start is no answer.
    fs::remove_dir_all(&state).unwrap();
    fs::write(&state, "").unwrap();
    let refused = run(command());
    assert_eq!(refused.code, Some(78), "{refused:?}");
    assert!(refused.stderr.contains("set TRADOVATE_DEVICE_ID instead"), "{refused:?}");
}
