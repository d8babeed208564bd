//! Logins that fail in every way, with credentials that nobody else has.

use serde_json::{Value, json};

use crate::{
    leaks::{FORMATS, witness::Witness},
    support::{
        api::Api,
        http,
        proxy::{Proxy, serve},
    },
};

#[test]
fn failed_logins_tell_no_credential() {
    for format in FORMATS {
        let api = Api::start_with(&["--log", "trace"]);
        let mut witness = Witness::default();
        for answer in answers() {
            attempt(&api, format, &answer, &mut witness);
        }
        assert_eq!(api.logins(), answers().len(), "not every answer was given to a login");
        let ended = api.process.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        witness.hears("the sandbox", ended.stderr);

        // Awake: each kind of failure was told, at every level, and the caller was told too.
        for told in [
            "credentials_refused",
            "app_unknown",
            "captcha",
            "rate_limited",
            "locked",
            "challenge",
            "unexpected_status",
            "malformed",
            "broken",
            "no token granted",
            "urn:tradovate-proxy:problem:no-token",
            "DEBUG",
        ] {
            assert!(witness.heard(told), "{told}");
        }
        witness.never_heard("the password", "passwordCanary7f3a");
        witness.never_heard("the key's secret", "secCanary90bc");
        // No secret, and left where the user put it; but half of the login, and so in no log.
        witness.never_heard_but_in("environ", "the name", "nameCanary5d1e");
    }
}

/// One process, one login, one answer to it.
fn attempt(api: &Api, format: &str, answer: &Value, witness: &mut Witness) {
    let state = tempfile::tempdir().unwrap();
    let mut command = serve(state.path(), &api.origin());
    command
        .env("TRADOVATE_NAME", NAME)
        .env("TRADOVATE_PASSWORD", PASSWORD)
        .env("TRADOVATE_SEC", SEC)
        .env("TRADOVATE_PROXY_TIMEOUT_TOKEN", "0ms")
        .env("TRADOVATE_PROXY_LOG", "trace")
        .env("TRADOVATE_PROXY_LOG_FORMAT", format);
    api.fault(&json!({"path": "auth/accesstokenrequest", "action": answer}));
    let proxy = Proxy::start(command);
    proxy.process.line("no token granted");
    witness.questions(&proxy);
    witness.answer("a read", &http::try_get(proxy.listen, "/v1/account/list"));
    witness.answer("an order", &http::try_post(proxy.listen, "/v1/order/placeorder", "{}"));
    witness.answer("a session call", &http::try_post(proxy.listen, "/v1/auth/accesstokenrequest", "{}"));
    let ended = proxy.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    witness.output(&ended);
}

/// What a broker, or whatever stands in front of it, may answer to a login.
fn answers() -> Vec<Value> {
    let respond = |status: u16, body: &str| json!({"respond": {"status": status, "body": body}});
    let error_text = |text: &str| respond(200, &json!({"errorText": text}).to_string());
    let echo = json!({"name": NAME, "password": PASSWORD, "sec": SEC}).to_string();
    vec![
        error_text("Incorrect username or password"),
        error_text("The app is not registered"),
        error_text("Something else"),
        error_text(&format!("cannot log in {NAME} with {PASSWORD} and {SEC}")),
        respond(200, &echo),
        respond(400, &echo),
        respond(401, &json!({"errorText": format!("not {PASSWORD} nor {SEC}")}).to_string()),
        respond(423, ""),
        respond(429, &echo),
        respond(500, &echo),
        respond(200, &format!("<html>{echo}")),
        json!({"redirect": {"location": "https://elsewhere.invalid/"}}),
        json!({"penalty": {"seconds": 3600, "captcha": true}}),
        json!({"penalty": {"seconds": 3600}}),
        json!("empty"),
        json!("empty_json"),
        json!("garbage_json"),
        json!("html"),
        json!({"raw": {"text": echo}}),
        json!("close"),
        json!("reset"),
        json!("reset_unread"),
    ]
}

const NAME: &str = "nameCanary5d1e@example.com";
const PASSWORD: &str = "pä ss/\"+&% passwordCanary7f3a";
const SEC: &str = "secCanary90bc-0000";
