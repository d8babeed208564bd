//! `serve` in front of the simulated API, with the credentials in every form they may have.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::support::{
    api::Api,
    http,
    process::run,
    proxy::{Proxy, serve, serve_without_credentials},
};

#[test]
fn credentials_from_the_environment() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    proxy.serves();
    assert_eq!(proxy.stop().code, Some(0));
    assert_eq!(api.process.stop().code, Some(0));
}

#[test]
fn serve_is_what_no_command_means() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let mut command = crate::support::process::program(&["--upstream-url", &api.origin()]);
    let given = serve(state.path(), "http://127.0.0.1:1");
    command.envs(given.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // The flag wins over the environment, where nothing listens.
    Proxy::start_ready(command).serves();
}

#[test]
fn credentials_from_files() {
    let (api, state, secrets) = (Api::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut command = serve_without_credentials(state.path(), &api.origin());
    for (variable, value) in [
        ("TRADOVATE_NAME", CREDENTIALS.name),
        ("TRADOVATE_PASSWORD", CREDENTIALS.password),
        ("TRADOVATE_APP_ID", CREDENTIALS.app_id),
        ("TRADOVATE_CID", &CREDENTIALS.cid.to_string()),
        ("TRADOVATE_SEC", CREDENTIALS.sec),
    ] {
        let path = secrets.path().join(variable);
        // With the newline that editors leave.
        write(&path, &format!("{value}\n"));
        command.env(format!("{variable}_FILE"), path);
    }
    Proxy::start_ready(command).serves();
}

#[test]
fn everything_from_a_toml_file() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let config = state.path().join("proxy.toml");
    let upstream = api.origin();
    let directory = state.path().join("state");
    write(
        &config,
        &format!(
            "listen = '127.0.0.1:0'\nadmin-listen = '127.0.0.1:0'\nupstream-url = '{upstream}'\n\
             state-dir = '{}'\nlog-format = 'json'\n[credentials]\nname = '{}'\npassword = '{}'\n\
             app-id = '{}'\ncid = {}\nsec = '{}'\n",
            directory.display(),
            CREDENTIALS.name,
            CREDENTIALS.password,
            CREDENTIALS.app_id,
            CREDENTIALS.cid,
            CREDENTIALS.sec,
        ),
    );
    let config = config.to_str().unwrap();
    let proxy = Proxy::start_ready(crate::support::process::program(&["serve", "--config", config]));
    proxy.serves();
    assert!(directory.join("session.json").exists());
}

#[test]
fn tls_with_the_certificate_that_the_sandbox_gives() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let ca = state.path().join("ca.pem");
    write(&ca, &http::get(api.address, "/sandbox/ca").text());
    for http2 in ["no", "yes"] {
        let directory = state.path().join(http2);
        let mut command = serve(&directory, &format!("https://{}", api.tls));
        command.env("TRADOVATE_PROXY_UPSTREAM_CA", &ca).env("TRADOVATE_PROXY_UPSTREAM_HTTP2", http2);
        let proxy = Proxy::start_ready(command);
        proxy.serves();
        let version = if http2 == "yes" { "HTTP/2.0" } else { "HTTP/1.1" };
        let requests = api.requests("account/list");
        assert_eq!(requests.last().unwrap()["version"], version, "{requests:?}");
    }
}

#[test]
fn tls_with_a_certificate_that_nobody_vouches_for_gets_no_login() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start(serve(&state.path().join("state"), &format!("https://{}", api.tls)));
    proxy.process.line("no token granted");
    let refused = proxy.get("/v1/account/list");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(refused.json()["code"], "no-token", "{refused:?}");
    assert_eq!(api.logins(), 0, "the password was sent to a stranger");
}

#[test]
fn wrong_credentials_are_tried_once_and_said_to_be_wrong() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let mut command = serve(state.path(), &api.origin());
    command.env("TRADOVATE_PASSWORD", "wrong");
    let proxy = Proxy::start(command);
    proxy.process.line("state=\"rejected\"");
    let status = proxy.status();
    assert_eq!(status["session"]["state"], "rejected", "{status}");
    assert_eq!(status["session"]["next"], json!(null), "{status}");
    let ready = proxy.readiness();
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(http::get(proxy.admin, "/livez").status, 200);
    assert_eq!(proxy.get("/v1/account/list").status, 503);
    assert_eq!(proxy.stop().code, Some(0));
    assert_eq!(api.logins(), 1);
}

#[test]
fn plain_http_to_another_machine_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let ended = run(serve(state.path(), "http://192.0.2.1:80"));
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("TRADOVATE_PROXY_UPSTREAM_URL"), "{ended:?}");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
