//! Refresh grants, refused in every way and made, with credentials that nobody else has.

use std::process::Command;

use serde_json::{Value, json};
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::{
    leaks::{FORMATS, witness::Witness},
    support::{
        api::Api,
        http,
        proxy::{Proxy, serve_without_credentials},
        state::stored,
    },
};

#[test]
fn refresh_grants_tell_no_credential() {
    let api = Api::start_with(&["--log", "trace"]);
    let mut witness = Witness::default();
    for (round, answer) in answers().iter().enumerate() {
        let state = tempfile::tempdir().unwrap();
        api.fault(&json!({"path": "auth/oauthtoken", "action": answer}));
        let mut command = serve_without_credentials(state.path(), &api.origin());
        client(&mut command, ID, SECRET, REFRESH);
        // Both ways to say who asks, in both forms of the log.
        command
            .env("TRADOVATE_PROXY_LOG_FORMAT", FORMATS[round % FORMATS.len()])
            .env("TRADOVATE_PROXY_OAUTH2_CLIENT_AUTH", ["basic", "body"][round / 2 % 2]);
        let proxy = Proxy::start(command);
        proxy.process.line("no token granted");
        witness.questions(&proxy);
        witness.answer("a read", &http::try_get(proxy.listen, "/v1/account/list"));
        witness.output(&proxy.stop());
    }
    assert_eq!(api.requests("auth/oauthtoken").len(), answers().len(), "not every answer was given");

    let state = tempfile::tempdir().unwrap();
    let seed = http::post(api.address, "/sandbox/refresh-tokens", "").json();
    let seed = seed["refresh_token"].as_str().unwrap();
    let mut command = serve_without_credentials(state.path(), &api.origin());
    client(&mut command, &CREDENTIALS.cid.to_string(), CREDENTIALS.sec, seed);
    let proxy = Proxy::start_ready(command);
    proxy.serves();
    witness.questions(&proxy);
    witness.output(&proxy.stop());
    let token = stored(state.path())["session"]["token"].as_str().unwrap().to_owned();
    witness.hears("the sandbox", api.process.stop().stderr);

    for told in ["credentials_refused", "result", "invalid_grant", "malformed", "token granted", "DEBUG"] {
        assert!(witness.heard(told), "{told}");
    }
    for (what, secret) in [
        ("the client's secret", "secretCanary4e1b"),
        ("the refresh token", "refreshCanary77aa"),
        ("the sandbox's secret", CREDENTIALS.sec),
        // The parts that nobody can guess.
        ("the seed", &seed[seed.len() - 32..]),
        ("the token", &token[token.len() - 32..]),
    ] {
        witness.never_heard(what, secret);
    }
    // No secret, and left where the user put it; but in no log.
    witness.never_heard_but_in("environ", "the client's id", "idCanary0c9d");
}

fn client(command: &mut Command, id: &str, secret: &str, refresh: &str) {
    command
        .env("TRADOVATE_PROXY_SOURCE", "oauth2")
        .env("TRADOVATE_PROXY_OAUTH2_CLIENT_ID", id)
        .env("TRADOVATE_PROXY_OAUTH2_CLIENT_SECRET", secret)
        .env("TRADOVATE_PROXY_OAUTH2_REFRESH_TOKEN", refresh)
        .env("TRADOVATE_PROXY_TIMEOUT_TOKEN", "0ms")
        .env("TRADOVATE_PROXY_LOG", "trace");
}

/// What an authorization server, or whatever stands in front of it, may answer.
fn answers() -> Vec<Value> {
    let respond = |status: u16, body: &str| json!({"respond": {"status": status, "body": body}});
    let echo = format!("{ID} {SECRET} {REFRESH}");
    let error = |code: &str| json!({"error": code, "error_description": echo}).to_string();
    vec![
        respond(200, &error("invalid_token")),
        respond(400, &error("invalid_grant")),
        respond(401, &error("invalid_client")),
        respond(400, &error(&echo)),
        respond(401, &echo),
        respond(500, &error("server_error")),
        respond(200, &format!("<html>{echo}")),
        respond(200, &json!({"access_token": REFRESH, "token_type": SECRET}).to_string()),
        json!("reset"),
    ]
}

const ID: &str = "idCanary0c9d-0000";
const SECRET: &str = "s/\"+&% secretCanary4e1b";
const REFRESH: &str = "r+/= refreshCanary77aa";
