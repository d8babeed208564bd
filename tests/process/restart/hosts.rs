//! Where the session went, over a restart.

use std::{path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::{
    api::Api,
    http,
    proxy::{Proxy, serve},
    state::stored,
};

/// A proxy that begins at `a.localhost`, and may move to its neighbours.
fn movable(state: &Path, api: &Api) -> Command {
    let mut command = serve(state, &format!("http://a.localhost:{}", api.address.port()));
    command.env("TRADOVATE_PROXY_TRUSTED_HOSTS", "localhost");
    command
}

fn rules(api: &Api, patch: &Value) {
    let answer = http::post(api.address, "/sandbox/rules", &patch.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_session_is_taken_up_at_the_host_that_it_had_moved_to() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    rules(&api, &json!({"home_host": "b.localhost"}));
    let first = Proxy::start_ready(movable(state.path(), &api));
    first.serves();
    let home = format!("b.localhost:{}", api.address.port());
    assert_eq!(stored(state.path())["session"]["origin"], format!("http://{home}"));
    assert_eq!(first.stop().code, Some(0));

    Proxy::start(movable(state.path(), &api)).serves();
    let reads = api.requests("account/list");
    assert!(reads.len() == 2 && reads.iter().all(|read| read["host"] == *home), "{reads:?}");
    assert_eq!(api.logins(), 1);
}

#[test]
fn a_host_that_is_not_trusted_is_warned_of_and_not_followed() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    rules(&api, &json!({"api_hosts": {"override": {"demo": "demo.evil.example"}}}));
    let proxy = Proxy::start_ready(movable(state.path(), &api));
    let warning = proxy.process.line("may not receive the token");
    assert!(warning.contains("demo.evil.example") && warning.contains("trusted-hosts"), "{warning}");
    proxy.serves();
    assert!(api.requests("account/list")[0]["host"].as_str().unwrap().starts_with("a.localhost:"));
}
