//! Sessions that are used, renewed, lost and taken up again.

use std::{fs, io, path::Path};

use serde_json::{Value, json};
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::{
    leaks::{FORMATS, witness::Witness},
    support::{
        api::Api,
        http::{self, Connection},
        patience::until,
        proxy::{Proxy, serve},
        state::{age, stored},
    },
};

#[test]
fn a_session_in_use_tells_no_secret() {
    for format in FORMATS {
        let (api, state) = (Api::start_with(&["--log", "trace"]), tempfile::tempdir().unwrap());
        let mut witness = Witness::default();

        let mut tokens = vec![life(&api, state.path(), format, &mut witness)];
        age(state.path());
        tokens.push(life(&api, state.path(), format, &mut witness));
        age(state.path());
        let refusal = json!({"errorText": format!("Access is denied to {}", tokens[1])}).to_string();
        api.fault(&json!({
            "path": "auth/renewaccesstoken", "action": {"respond": {"status": 200, "body": refusal}}
        }));
        // Two logins elsewhere: what the refusal repeats is the token of a session that is dead indeed.
        for _ in 0..2 {
            assert_eq!(http::post(api.address, "/sandbox/sessions", "").status, 200);
        }
        tokens.push(life(&api, state.path(), format, &mut witness));
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 3, "a grant brought no new token");
        assert_eq!((api.logins(), api.requests("auth/renewaccesstoken").len()), (2, 2));

        let ended = api.process.stop();
        witness.hears("the sandbox", ended.stderr);
        for told in ["token granted", "another login has taken", "place-order", "DEBUG", "upstream"] {
            assert!(witness.heard(told), "{told}");
        }
        for token in &tokens {
            // The part that nobody can guess.
            witness.never_heard("a token", &token[token.len() - 32..]);
        }
        for (what, secret) in [
            ("the password", CREDENTIALS.password),
            ("the key's secret", CREDENTIALS.sec),
            ("a caller's secret", "callerCanary1b2c"),
        ] {
            witness.never_heard(what, secret);
        }
    }
}

#[test]
fn a_crash_leaves_no_image_of_the_memory() {
    let (api, state) = (Api::start(), tempfile::tempdir().unwrap());
    let proxy = Proxy::start_ready(serve(state.path(), &api.origin()));
    let limits = fs::read_to_string(format!("/proc/{}/limits", proxy.process.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
}

/// One process from start to end. Returns the token that it left behind.
fn life(api: &Api, state: &Path, format: &str, witness: &mut Witness) -> String {
    let mut command = serve(state, &api.origin());
    command
        .env("TRADOVATE_PROXY_LOG", "trace")
        .env("TRADOVATE_PROXY_LOG_FORMAT", format)
        .env("TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "100ms")
        // A 429 is one of the faults, and not to keep the others away.
        .env("TRADOVATE_PROXY_BUDGET_HOLD", "0s")
        .env("TRADOVATE_PROXY_LIMIT_BODY_BYTES", "1000");
    let proxy = Proxy::start(command);
    proxy.process.line("token granted");
    // Ready, and not with a token that is about to be found dead.
    until("a token", || {
        let serves =
            || http::try_get(proxy.listen, "/v1/account/list").is_ok_and(|answer| answer.status == 200);
        (proxy.readiness().status == 200 && serves()).then_some(())
    });
    good_requests(&proxy, witness);
    for action in faults() {
        api.fault(&json!({"path": "account/list", "action": action}));
        witness.answer(&action, &http::try_get(proxy.listen, "/v1/account/list"));
        api.fault(&json!({"path": "order/placeorder", "handled": true, "action": action}));
        witness.answer(&action, &http::try_post(proxy.listen, "/v1/order/placeorder", ORDER));
    }
    bad_requests(&proxy, witness);
    witness.questions(&proxy);
    let ended = proxy.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.lines().count() > 50, "hardly anything is logged: {ended:?}");
    witness.output(&ended);
    stored(state)["session"]["token"].as_str().unwrap().to_owned()
}

/// Requests as they should be, from callers with secrets of their own.
fn good_requests(proxy: &Proxy, witness: &mut Witness) {
    let own = "Connection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer callerCanary1b2c\r\n\
        Cookie: session=callerCanary1b2c\r\nX-Authorization: callerCanary1b2c\r\n";
    let login = json!({"name": "somebody", "password": "callerCanary1b2c"}).to_string();
    for (method, target, body) in [
        ("GET", "/v1/account/list", ""),
        ("HEAD", "/v1/account/list", ""),
        ("POST", "/v1/order/placeorder", ORDER),
        ("POST", "/v1/auth/accesstokenrequest", &login),
        ("GET", "/v1/auth/renewaccesstoken", ""),
        ("POST", "/v1/auth/oauthtoken", "{}"),
        ("GET", "/v1/auth/me", ""),
        ("GET", "/v1/no/such", ""),
    ] {
        let answer = http::call(proxy.listen, method, target, own, body);
        if target.ends_with("/list") && method == "GET" {
            assert_eq!(answer.as_ref().unwrap().status, 200, "{answer:?}");
        }
        witness.answer(format_args!("{method} {target}"), &answer);
    }
}

/// Requests that the proxy answers by itself.
fn bad_requests(proxy: &Proxy, witness: &mut Witness) {
    let key = "Authorization: Bearer callerCanary1b2c\r\n";
    let large = "x".repeat(2000);
    for request in [
        format!("TRACE /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"),
        format!("CONNECT x:443 HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"),
        format!(
            "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n{key}\r\n"
        ),
        format!("GET /v1/a/../b HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"),
        format!("GET /elsewhere HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"),
        format!("GET /v1/account/list HTTP/1.1\r\n{key}\r\n"),
        format!(
            "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n{key}\r\n"
        ),
        format!(
            "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: 2000\r\n\r\n{large}"
        ),
        format!(
            "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\n{key}Content-Length: 16\r\n\r\ncallerCanary1b2c"
        ),
        format!("POST /v1/user/modifycredentials HTTP/1.1\r\nHost: localhost\r\n{key}\r\n"),
        format!("GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n{key}X: {}\r\n\r\n", large.repeat(20)),
        format!("callerCanary1b2c\r\n{key}\r\n"),
    ] {
        let answer = exchange(proxy, &request);
        let refusal = answer.as_ref().map(|answer| answer.status);
        assert!(refusal.as_ref().is_ok_and(|status| *status >= 400), "{refusal:?} to {request}");
        witness.answer(&request[..20], &answer);
    }
}

fn exchange(proxy: &Proxy, request: &str) -> io::Result<http::Answer> {
    let mut connection = Connection::open(proxy.listen)?;
    // What is refused early need not be read to its end.
    let _ = connection.write(request);
    connection.answer()
}

/// What may come in place of an answer.
fn faults() -> Vec<Value> {
    let respond = |status: u16, body: &str| json!({"respond": {"status": status, "body": body}});
    vec![
        respond(200, r#"{"errorText": "Access is denied"}"#),
        respond(401, "Access is denied"),
        respond(401, ""),
        respond(429, ""),
        respond(500, "{}"),
        json!({"penalty": {"seconds": 1}}),
        json!({"redirect": {"location": "https://elsewhere.invalid/"}}),
        json!({"cut_body": {"after_bytes": 3}}),
        json!({"raw": {"text": "HTTP/1.1 2xx\r\n\r\n"}}),
        json!("truncated_json"),
        json!("empty"),
        json!("garbage_json"),
        json!("html"),
        json!("hang"),
        json!("close"),
        json!("reset"),
        json!("reset_unread"),
    ]
}

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true}"#;
