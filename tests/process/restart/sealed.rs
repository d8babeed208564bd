//! The stored session, encrypted.

use std::{fs, path::Path, process::Command};

use crate::support::{
    api::Api,
    patience::until,
    process::run,
    proxy::{Proxy, serve},
    state::stored,
};

#[test]
fn an_encrypted_session_serves_the_successor_and_shows_no_byte_of_its_token() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    // The first run has no key yet.
    let first = Proxy::start_ready(serve(state.path(), &api.origin()));
    let token = stored(state.path())["session"]["token"].as_str().unwrap().to_owned();
    assert_eq!(first.stop().code, Some(0));

    for _ in 0..2 {
        let proxy = Proxy::start(with_key(state.path(), &api, KEY));
        proxy.serves();
        let session = until("an encrypted session", || {
            let text = fs::read_to_string(state.path().join("session.json")).ok()?;
            text.contains("\"sealed\"").then_some(text)
        });
        // Eight characters of it in a row nowhere.
        for part in token.as_bytes().windows(8) {
            assert!(!session.contains(str::from_utf8(part).unwrap()), "{session}");
        }
        let shown = proxy.process.so_far();
        assert!(!shown.contains(KEY), "{shown}");
        assert_eq!(proxy.stop().code, Some(0));
    }
    assert_eq!(api.logins(), 1);
}

#[test]
fn without_its_key_the_session_is_refused_and_kept() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let session = state.path().join("session.json");
    let first = Proxy::start_ready(with_key(state.path(), &api, KEY));
    until("a stored session", || session.exists().then_some(()));
    assert_eq!(first.stop().code, Some(0));
    let before = fs::read(&session).unwrap();
    for command in [serve(state.path(), &api.origin()), with_key(state.path(), &api, &KEY.replace('1', "2"))]
    {
        let refused = run(command);
        assert_eq!(refused.code, Some(78), "{refused:?}");
        for part in [session.to_str().unwrap(), "TRADOVATE_PROXY_SESSION_STORE_KEY", "is encrypted"] {
            assert!(refused.stderr.contains(part), "no {part:?} in {refused:?}");
        }
    }
    let bad = run(with_key(state.path(), &api, &KEY[1..]));
    assert_eq!(bad.code, Some(78), "{bad:?}");
    assert!(bad.stderr.contains("not 64 hexadecimal digits") && !bad.stderr.contains(&KEY[1..]), "{bad:?}");
    assert_eq!(fs::read(&session).unwrap(), before);
    Proxy::start(with_key(state.path(), &api, KEY)).serves();
    assert_eq!(api.logins(), 1);
}

/// The key comes in the environment, and leaves it.
fn with_key(state: &Path, api: &Api, key: &str) -> Command {
    let mut command = serve(state, &api.origin());
    command.env("TRADOVATE_PROXY_SESSION_STORE_KEY", key);
    command
}

const KEY: &str = "1c0ffee1c0ffee1c0ffee1c0ffee1c0ffee1c0ffee1c0ffee1c0ffee1c0ffee1";
