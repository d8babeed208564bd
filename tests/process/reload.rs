//! Change without a restart: SIGHUP, and files that change.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::support::{
    api::{Api, address_in},
    http,
    patience::until,
    process::{Process, program},
    proxy::{Proxy, serve},
};

#[test]
fn a_configuration_that_cannot_be_used_is_said_and_one_that_waits_for_a_restart_too() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let toml = toml(dir.path(), &api, CREDENTIALS.password);
    let config = dir.path().join("proxy.toml");
    write(&config, &toml);
    let mut proxy = Proxy::start_ready(program(&["serve", "--config", config.to_str().unwrap()]));

    write(&config, &format!("{toml}nonsense = = 1\n"));
    proxy.process.signal(Signal::HUP);
    let line = proxy.process.line("not valid TOML");
    assert!(line.contains(&format!("{}:", config.display())), "{line}");
    proxy.process.line("goes on with the old one");
    proxy.serves();
    assert_eq!(reloads(&proxy, "invalid"), 1);

    write(&config, &toml.replace("listen = '127.0.0.1:0'\nadmin", "listen = '127.0.0.1:1'\nadmin"));
    proxy.process.signal(Signal::HUP);
    proxy.process.line("listen changed; it takes effect at the next restart");
    proxy.serves();
    assert!(proxy.process.is_running());
    assert_eq!((reloads(&proxy, "ok"), api.logins()), (1, 1));
    assert_eq!(proxy.stop().code, Some(0));
}

#[test]
fn a_password_that_is_corrected_in_its_file_is_taken_without_a_restart() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let config = dir.path().join("proxy.toml");
    write(&config, &toml(dir.path(), &api, "wrongCanary7f3a"));
    let proxy = Proxy::start(program(&["serve", "--config", config.to_str().unwrap()]));
    proxy.process.line("state=\"rejected\"");
    assert_eq!((proxy.readiness().status, api.logins()), (503, 1));

    // No signal: the file alone.
    write(&dir.path().join("password"), CREDENTIALS.password);
    proxy.process.line("credentials.password changed; it is in force now");
    until("a token", || (proxy.readiness().status == 200).then_some(()));
    proxy.serves();
    assert_eq!((reloads(&proxy, "ok"), api.logins()), (1, 2));
    let ended = proxy.stop();
    for secret in ["wrongCanary7f3a", CREDENTIALS.password, CREDENTIALS.sec] {
        assert!(!ended.stderr.contains(secret) && !ended.stdout.contains(secret), "{ended:?}");
    }
}

#[test]
fn secrets_that_have_left_the_environment_are_still_known() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    proxy.process.signal(Signal::HUP);
    proxy.process.line("says what is in force already");
    proxy.serves();
    assert_eq!(reloads(&proxy, "unchanged"), 1);
}

#[test]
fn the_sandbox_outlives_a_closed_terminal() {
    let any = "127.0.0.1:0";
    for arguments in [
        vec!["sandbox", "--listen", any, "--admin-listen", any, "--api-listen", any],
        vec!["sandbox", "--api-only", "--api-listen", any, "--api-tls-listen", any],
    ] {
        let sandbox = Process::start(program(&arguments));
        let api = address_in(&sandbox.line("simulated API"), "http://");
        sandbox.signal(Signal::HUP);
        sandbox.line("SIGHUP: the sandbox reads no configuration again");
        assert_eq!(http::get(api, "/sandbox").status, 200);
        assert_eq!(sandbox.stop().code, Some(0));
    }
}

/// Everything in one file, save the password, which has its own.
fn toml(dir: &Path, api: &Api, password: &str) -> String {
    let file = dir.join("password");
    write(&file, password);
    format!(
        "listen = '127.0.0.1:0'\nadmin-listen = '127.0.0.1:0'\nupstream-url = '{}'\nstate-dir = '{}'\n\
         [credentials]\nname = '{}'\napp-id = '{}'\ncid = {}\nsec = '{}'\npassword-file = '{}'\n",
        api.origin(),
        dir.join("state").display(),
        CREDENTIALS.name,
        CREDENTIALS.app_id,
        CREDENTIALS.cid,
        CREDENTIALS.sec,
        file.display(),
    )
}

/// Puts a whole file in the place of the last one, as careful programs do.
fn write(path: &Path, text: &str) {
    let new = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, path).unwrap();
}

/// How often the configuration was read again, with this result.
fn reloads(proxy: &Proxy, result: &str) -> u64 {
    let metrics = http::get(proxy.admin, "/metrics").text();
    let series = format!("tradovate_proxy_config_reload_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}
