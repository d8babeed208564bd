//! The kill switch by command, by signal, by file, over restarts and over `kill -9`; guards that change without a
//! restart; and that `explain` says beforehand what a proxy does.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use rustix::process::Signal;

use crate::support::{
    api::Api,
    http,
    patience::until,
    process::{Ended, program, run},
    proxy::{Proxy, serve},
};

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Limit","price":6000,"isAutomated":true}"#;

pub(crate) fn order(proxy: &Proxy) -> u16 {
    http::post(proxy.listen, "/v1/order/placeorder", ORDER).status
}

pub(crate) fn turn(arguments: &[&str], admin: SocketAddr) -> Ended {
    let admin = admin.to_string();
    run(program(&[arguments, &["--admin-listen", &admin]].concat()))
}

fn is_killed(proxy: &Proxy) -> bool {
    proxy.status()["guards"]["kill"]["engaged"].as_bool().unwrap()
}

#[test]
fn a_kill_outlives_the_process_until_it_is_released() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let start = || Proxy::start_ready(serve(state.path(), &api.origin()));
    let proxy = start();
    assert_eq!(order(&proxy), 200);
    let ended = turn(&["kill", "--cancel-working"], proxy.admin);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for part in ["kill switch    ON since ", "still working  none\n", "unknown        none\n"] {
        assert!(ended.stdout.contains(part), "no {part:?} in {}", ended.stdout);
    }
    assert_eq!(order(&proxy), 403);
    assert_eq!(proxy.stop().code, Some(0));

    let proxy = start();
    proxy.process.line("the kill switch is on by an order that an earlier run was given");
    assert_eq!(order(&proxy), 403);
    proxy.serves();
    let status = turn(&["status"], proxy.admin);
    assert!(status.stdout.contains("kill switch  ON since "), "{status:?}");
    let ended = turn(&["release"], proxy.admin);
    assert!(ended.code == Some(0) && ended.stdout.contains("kill switch  off"), "{ended:?}");
    assert_eq!(order(&proxy), 200);
    assert_eq!(proxy.stop().code, Some(0));
    assert_eq!(order(&start()), 200);
}

#[test]
fn a_kill_that_is_not_kept_says_all_the_same_what_became_of_working_orders() {
    let (api, folder) = (Api::start(), tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let proxy = Proxy::start_ready(serve(&state, &api.origin()));
    assert_eq!(order(&proxy), 200);
    // Where its directory was, no marker can be.
    fs::rename(&state, folder.path().join("away")).unwrap();
    fs::write(&state, "").unwrap();
    let ended = turn(&["kill", "--cancel-working"], proxy.admin);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let order = api.requests("order/cancelorder");
    assert_eq!(order.len(), 1);
    for part in ["kill switch    ON since ", "still working  none\n"] {
        assert!(ended.stdout.contains(part), "no {part:?} in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("cancelled      none"), "{}", ended.stdout);
    assert!(ended.stderr.contains("would be off after a restart"), "{}", ended.stderr);
    assert!(is_killed(&proxy));
}

#[test]
fn a_signal_kills_and_no_signal_releases() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let mut command = serve(state.path(), &api.origin());
    command.env("TRADOVATE_PROXY_GUARDS_KILL_CANCELS", "yes");
    // Also where the session itself is not kept.
    command.env("TRADOVATE_PROXY_SESSION_STORE", "memory");
    let proxy = Proxy::start_ready(command);
    assert_eq!(order(&proxy), 200);
    proxy.process.signal(Signal::USR1);
    proxy.process.line("working orders were cancelled: none is left");
    assert!(is_killed(&proxy));
    proxy.process.signal(Signal::USR1);
    let told = || proxy.process.so_far().matches("the kill switch is on by SIGUSR1").count();
    until("the second signal", || (told() == 2).then_some(()));
    assert!(is_killed(&proxy));
    assert_eq!(order(&proxy), 403);
    assert_eq!(api.requests("order/cancelorder").len(), 1);
    assert!(state.path().join("killed").exists());
}

#[test]
fn the_sandbox_is_killed_by_a_signal_and_not_ended() {
    let any = "127.0.0.1:0";
    let sandbox = crate::support::process::Process::start(program(&[
        "sandbox",
        "--listen",
        any,
        "--admin-listen",
        any,
        "--api-listen",
        any,
    ]));
    let proxy = crate::support::api::address_in(&sandbox.line("proxy  "), "http://");
    sandbox.signal(Signal::USR1);
    sandbox.line("the kill switch is on by SIGUSR1");
    assert_eq!(http::post(proxy, "/v1/order/placeorder", ORDER).status, 403);
    assert_eq!(sandbox.stop().code, Some(0));
}

#[test]
fn a_file_kills_for_as_long_as_it_is_there_and_what_cannot_be_seen_is_there() {
    let (api, state, dir) = (Api::start(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("folder");
    let file = folder.join("kill");
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "").unwrap();
    let mut command = serve(state.path(), &api.origin());
    command.env("TRADOVATE_PROXY_GUARDS_KILL_FILE", &file);
    let proxy = Proxy::start_ready(command);
    // From the first request on, not from the first look.
    assert_eq!(order(&proxy), 403);
    let ended = turn(&["release"], proxy.admin);
    assert!(ended.code == Some(1) && ended.stderr.contains("409: the kill switch stays on"), "{ended:?}");
    fs::remove_file(&file).unwrap();
    until("the file's absence to be seen", || (!is_killed(&proxy)).then_some(()));
    assert_eq!(order(&proxy), 200);
    // The directory goes, as a volume does.
    fs::rename(&folder, dir.path().join("gone")).unwrap();
    until("the kill", || is_killed(&proxy).then_some(()));
    assert_eq!(order(&proxy), 403);
    fs::rename(dir.path().join("gone"), &folder).unwrap();
    until("the directory to be seen", || (!is_killed(&proxy)).then_some(()));
    assert_eq!(order(&proxy), 200);
}

#[test]
fn a_kill_that_was_acknowledged_survives_a_crash_at_once() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut acknowledged = 0;
    for _ in 0..CRASHES {
        let mut command = serve(state.path(), &api.origin());
        command.env("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "1000");
        let proxy = Proxy::start(command);
        let admin = proxy.admin;
        let killing = std::thread::spawn(move || http::try_post(admin, "/guards/kill", ""));
        // Before, within and after the writing of the marker.
        crate::support::patience::linger(std::time::Duration::from_micros(random.u64(0..4000)));
        proxy.process.kill();
        let was_acknowledged = killing.join().unwrap().is_ok_and(|answer| answer.status == 200);
        acknowledged += usize::from(was_acknowledged);
        let is_marked = fs::symlink_metadata(state.path().join("killed")).is_ok();
        assert!(is_marked || !was_acknowledged, "it was acknowledged, and is not on the disk");

        let mut next = serve(state.path(), &api.origin());
        next.env("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "1000");
        let next = Proxy::start(next);
        assert_eq!(is_killed(&next), is_marked);
        assert_eq!(http::post(next.admin, "/guards/release", "").status, 200);
        assert!(!is_killed(&next));
        next.process.kill();
    }
    // The last one is certain.
    let proxy = Proxy::start(serve(state.path(), &api.origin()));
    assert_eq!(http::post(proxy.admin, "/guards/kill", "").status, 200);
    proxy.process.kill();
    assert!(is_killed(&Proxy::start(serve(state.path(), &api.origin()))), "after {acknowledged} others");
}

#[test]
fn guards_change_without_a_restart() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let toml = dir.path().join("proxy.toml");
    fs::write(&toml, "[guards]\nmode = 'read-only'\n").unwrap();
    let mut command = serve(&dir.path().join("state"), &api.origin());
    command.env("TRADOVATE_PROXY_CONFIG", &toml);
    let proxy = Proxy::start_ready(command);
    assert_eq!(order(&proxy), 403);
    fs::write(&toml, "[guards]\nmax-quantity = 1\n").unwrap();
    proxy.process.signal(Signal::HUP);
    proxy.process.line("guards.mode changed; it is in force now");
    assert_eq!(order(&proxy), 200);
    let large = ORDER.replace("\"orderQty\":1", "\"orderQty\":2");
    assert_eq!(http::post(proxy.listen, "/v1/order/placeorder", &large).status, 403);
    // A slip leaves the guards as they are.
    fs::write(&toml, "[guards]\nmax-quantty = 5\n").unwrap();
    proxy.process.signal(Signal::HUP);
    proxy.process.line("did you mean guards.max-quantity?");
    proxy.process.line("goes on with the old one");
    assert_eq!(http::post(proxy.listen, "/v1/order/placeorder", &large).status, 403);
}

/// `explain`, with these settings.
fn explain(state: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command: Command = program(&[&["explain"], arguments].concat());
    let login = serve(state, "http://127.0.0.1:1");
    command.envs(login.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.envs(settings.iter().copied());
    run(command)
}

#[test]
fn explain_says_what_a_proxy_would_do_and_which_rule_decides() {
    let state = tempfile::tempdir().unwrap();
    let body = state.path().join("order.json");
    fs::write(&body, ORDER).unwrap();
    let body = body.to_str().unwrap();
    let place = ["POST", "/v1/order/placeorder", "--body", body];
    let quantity = ("TRADOVATE_PROXY_GUARDS_MAX_QUANTITY", "1");
    for (settings, arguments, code, parts) in [
        (vec![], place.to_vec(), 0, vec!["endpoint  place-order: order\n", "verdict   forwarded"]),
        (vec![quantity], place.to_vec(), 0, vec!["max-quantity: passes"]),
        (
            vec![("TRADOVATE_PROXY_GUARDS_MODE", "read-only")],
            place.to_vec(),
            1,
            vec!["verdict   refused by read-only: 403 guard-read-only"],
        ),
        (
            vec![("TRADOVATE_PROXY_GUARDS_SYMBOLS", "NQ*")],
            place.to_vec(),
            1,
            vec!["symbols: refuses", "\"ESZ6\""],
        ),
        (
            vec![],
            vec!["GET", "/v1/account/list", "--header", "X-Expect-Env: live"],
            1,
            vec!["refused by expect-env: 412"],
        ),
        (vec![], vec!["GET", "/v1//account/list"], 1, vec!["route: refuses", "400 ambiguous-path"]),
        (
            vec![],
            [&place[..], &["--header", "Content-Type: text/plain"]].concat(),
            1,
            vec!["415 content-type"],
        ),
        (vec![], vec!["POST", "/v1/auth/renewaccesstoken"], 0, vec!["answered by the proxy itself"]),
        (
            vec![],
            vec!["POST", "/v1/order/cancelorder", "--json"],
            0,
            vec!["\"relief\": true", "\"verdict\": \"forward\""],
        ),
        (vec![], vec!["GET", "no path"], 64, vec![]),
    ] {
        let ended = explain(state.path(), &settings, &arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        for part in parts {
            assert!(ended.stdout.contains(part), "{arguments:?}: no {part:?} in {}", ended.stdout);
        }
    }
    // It knows of a kill that was ordered and not taken back, in whichever run.
    fs::write(state.path().join("killed"), "").unwrap();
    let ended = explain(state.path(), &[], &place);
    assert!(ended.code == Some(1) && ended.stdout.contains("refused by kill: 403 guard-kill"), "{ended:?}");
    assert!(ended.stdout.contains("(by an order that the state directory keeps"), "{ended:?}");
}

#[test]
fn explain_judges_who_sends_it_and_the_form_of_its_key() {
    let state = tempfile::tempdir().unwrap();
    let body = state.path().join("order.json");
    fs::write(&body, ORDER).unwrap();
    let place = ["POST", "/v1/order/placeorder", "--body", body.to_str().unwrap()];
    for (settings, arguments, code, parts) in [
        (vec![], vec!["GET", "/v1/account/list"], 0, vec!["rules     callers: passes\n"]),
        (
            vec![],
            vec!["GET", "/v1/account/list", "--header", "Host: evil.example"],
            1,
            vec!["verdict   refused by callers: 421 unknown-host"],
        ),
        (
            vec![("TRADOVATE_PROXY_HOSTS", "proxy.internal")],
            vec!["GET", "/v1/account/list", "--header", "Host: proxy.internal"],
            0,
            vec!["verdict   forwarded"],
        ),
        (
            vec![],
            [&place[..], &["--header", "Origin: null"]].concat(),
            1,
            vec!["refused by callers: 403 web-page"],
        ),
        (
            vec![("TRADOVATE_PROXY_CALLER_KEYS", KEY)],
            place.to_vec(),
            0,
            vec!["callers: passes with a caller's key"],
        ),
        (
            vec![],
            [&place[..], &["--header", "Idempotency-Key: a b"]].concat(),
            1,
            vec!["idempotency-key: refuses", "refused by idempotency-key: 400 idempotency-key"],
        ),
        (
            vec![],
            [&place[..], &["--header", "Idempotency-Key: a"]].concat(),
            0,
            vec!["idempotency-key: passes"],
        ),
        (
            vec![],
            vec!["GET", "/v1/account/list", "--header", "Idempotency-Key: a b"],
            0,
            vec!["verdict   forwarded"],
        ),
    ] {
        let ended = explain(state.path(), &settings, &arguments);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        for part in parts {
            assert!(ended.stdout.contains(part), "{arguments:?}: no {part:?} in {}", ended.stdout);
        }
    }
}

#[test]
fn check_warns_of_a_kill_file_that_would_have_the_proxy_start_killed() {
    let state = tempfile::tempdir().unwrap();
    let there = state.path().join("kill");
    let nowhere = state.path().join("nowhere/kill");
    for (path, warns) in [(&there, None), (&nowhere, Some("the directory of guards.kill-file is there"))] {
        let mut command = program(&["check"]);
        let login = serve(state.path(), "http://127.0.0.1:1");
        command.envs(login.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TRADOVATE_PROXY_GUARDS_KILL_FILE", path);
        let ended = run(command);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.stderr.contains("the kill switch would be on"), warns.is_some(), "{ended:?}");
        assert!(warns.is_none_or(|part| ended.stderr.contains(part)), "{ended:?}");
    }
}

/// Of a caller `desk`.
const KEY: &str = "desk=sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
const CRASHES: usize = 12;
const SEED: u64 = 0x0005_e551_0000_000b;
