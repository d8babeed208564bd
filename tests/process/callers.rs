//! Keys in a running program: made by a command, taken from a file, replaced, withdrawn.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use rustix::process::Signal;

use crate::support::{
    api::Api,
    http,
    process::{Ended, program, run},
    proxy::{Proxy, serve},
};

/// A new key for `name`, and its entry.
fn key(name: &str) -> (String, String) {
    let ended = run(program(&["key", name]));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = |label: &str| {
        let found = ended.stdout.lines().find_map(|line| line.strip_prefix(label));
        found.unwrap_or_else(|| panic!("no {label} in {ended:?}")).trim().to_owned()
    };
    assert_eq!(ended.stdout.lines().count(), 2, "{ended:?}");
    assert!(!ended.stderr.contains("tpk_") && ended.stderr.contains("not shown again"), "{ended:?}");
    (line("key "), line("entry "))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn status(proxy: &Proxy, key: &str) -> u16 {
    let fields = format!("Connection: close\r\nX-Proxy-Key: {key}\r\n");
    http::call(proxy.listen, "GET", "/v1/account/list", &fields, "").unwrap().status
}

#[test]
fn a_key_is_taken_from_its_file_replaced_without_a_gap_and_withdrawn() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let (old, old_entry) = key("desk");
    let (new, new_entry) = key("desk");
    let keys = dir.path().join("keys");
    write(&keys, &format!("# the desk's\n{old_entry}\n"));
    let mut command = serve(&dir.path().join("state"), &api.origin());
    command.env("TRADOVATE_PROXY_CALLER_KEYS_FILE", &keys).env("TRADOVATE_PROXY_LOG", "debug");
    let proxy = Proxy::start_ready(command);
    assert_eq!((status(&proxy, &old), status(&proxy, &new)), (200, 401));
    assert_eq!(proxy.get("/v1/account/list").status, 401);

    let put = |text: &str, times: usize| {
        write(&keys, text);
        proxy.process.signal(Signal::HUP);
        crate::support::patience::until("the new keys", || {
            let said = proxy.process.so_far().matches("caller-keys changed; it is in force now").count();
            (said == times).then_some(())
        });
    };
    put(&format!("{old_entry}\n{new_entry} # from today\n"), 1);
    assert_eq!((status(&proxy, &old), status(&proxy, &new)), (200, 200));
    put(&new_entry, 2);
    assert_eq!((status(&proxy, &old), status(&proxy, &new)), (401, 200));

    // A list that lost its last key opens nothing: the old one stays.
    write(&keys, "# nobody\n");
    proxy.process.signal(Signal::HUP);
    proxy.process.line("goes on with the old one");
    assert_eq!((status(&proxy, &new), proxy.get("/v1/account/list").status), (200, 401));
    let metrics = http::get(proxy.admin, "/metrics").text();
    assert!(metrics.contains("caller=\"desk\"") && metrics.contains("caller=\"none\""), "{metrics}");
    let ended = proxy.stop();
    assert!(ended.stderr.contains("caller=\"desk\""), "{ended:?}");
    for secret in [&old, &new] {
        assert!(!format!("{ended:?}{metrics}").contains(secret.as_str()), "a key got out");
    }
}

#[test]
fn the_commands_show_the_admin_key_and_say_so_where_it_is_missing() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let (ops, entry) = key("ops");
    let secret = dir.path().join("key");
    write(&secret, &format!("{ops}\n"));
    let mut command = serve(&dir.path().join("state"), &api.origin());
    command.env("TRADOVATE_PROXY_ADMIN_KEYS", entry);
    // Nothing is ready without a key to see more by; the callers' listener asks nobody.
    let proxy = Proxy::start(command);
    let ask = |arguments: &[&str], with_key: bool| -> Ended {
        let mut command: Command = program(arguments);
        command.env("TRADOVATE_PROXY_ADMIN_LISTEN", proxy.admin.to_string());
        if with_key {
            command.env("TRADOVATE_PROXY_ADMIN_KEY_FILE", &secret);
        }
        run(command)
    };
    crate::support::patience::until("a token", || (proxy.readiness().status == 200).then_some(()));
    for arguments in [&["status"][..], &["session", "renew"]] {
        let refused = ask(arguments, false);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("401: a caller's key is needed"), "{refused:?}");
        assert!(refused.stderr.contains("TRADOVATE_PROXY_ADMIN_KEY_FILE"), "{refused:?}");
        let answered = ask(arguments, true);
        assert_eq!(answered.code, Some(0), "{answered:?}");
        assert!(!format!("{answered:?}{refused:?}").contains(&ops));
    }
    assert!(ask(&["status"], true).stdout.contains("with a key only"));
    assert_eq!((ask(&["healthcheck"], false).code, ask(&["healthcheck"], true).code), (Some(0), Some(0)));
    proxy.serves();
    let ended = proxy.stop();
    assert!(ended.stderr.contains("caller=ops") && !ended.stderr.contains(&ops), "{ended:?}");
}

#[test]
fn a_listener_that_stands_open_says_so_at_every_start_and_in_the_status() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let (_, entry) = key("desk");
    let start = |name: &str, value: &str| {
        let mut command = serve(&dir.path().join(name), &api.origin());
        command.env("TRADOVATE_PROXY_LISTEN", "0.0.0.0:0").env(name, value);
        Proxy::start(command)
    };
    let open = start("TRADOVATE_PROXY_UNSAFE_OPEN", "yes");
    let line = open.process.line("can be reached from outside and asks nobody for a key");
    assert!(line.contains("WARN") && line.contains("whoever reaches it acts in your account"), "{line}");
    let access = |proxy: &Proxy| proxy.status()["access"].clone();
    assert_eq!(access(&open), serde_json::json!({ "proxy": "unsafe-open", "admin": "loopback" }));
    open.stop();

    let keyed = start("TRADOVATE_PROXY_CALLER_KEYS", &entry);
    assert_eq!(access(&keyed), serde_json::json!({ "proxy": "keys", "admin": "loopback" }));
    let ended = keyed.stop();
    assert!(!ended.stderr.contains("can be reached from outside"), "{ended:?}");
}
