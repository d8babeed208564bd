use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::tradovate::{Environment, Hosts};

fn demo() -> Steering {
    Steering::new(Hosts::new(Environment::Demo, None, &[]))
}

fn read(call: Call, status: u16, body: &str) -> Result<Grant, SourceError> {
    let date = Some("Fri, 20 Nov 2026 15:00:00 GMT".as_bytes());
    decode(call, status, date, body.as_bytes(), &demo(), &["canary \"p"])
}

fn label(call: Call, status: u16, body: &str) -> &'static str {
    match read(call, status, body) {
        Ok(_) => "ok",
        Err(error) => error.label(),
    }
}

fn full(extra: &Value) -> String {
    let mut answer = json!({
        "accessToken": "SIM-access-0001", "mdAccessToken": "SIM-md-0001",
        "expirationTime": "2026-11-20T16:20:00.000Z", "userStatus": "Active", "userId": 15460,
        "name": "sim_trader", "hasLive": true, "outdatedTaC": false, "hasFunded": true,
        "apiHosts": {
            "live": "live.tradovateapi.com", "demo": "demo-eval-7.tradovateapi.com",
            "userContext": "user-context-api.ninjatrader.com",
        },
    });
    let extra = extra.as_object().unwrap().clone();
    answer.as_object_mut().unwrap().extend(extra);
    answer.to_string()
}

#[test]
fn a_full_answer_is_a_grant() {
    for call in [Call::Acquire, Call::Renew] {
        let grant = read(call, 200, &full(&json!({}))).unwrap();
        assert_eq!(grant.token.expose_secret(), "SIM-access-0001");
        assert_eq!(grant.expires_at.unwrap().to_string(), "2026-11-20T16:20:00Z");
        assert_eq!(grant.server_date.unwrap().to_string(), "2026-11-20T15:00:00Z");
        assert_eq!(grant.origin.unwrap().to_string(), "https://demo-eval-7.tradovateapi.com");
        let user = User {
            id: Some(15460),
            name: Some("sim_trader".into()),
            status: Some("Active".into()),
            has_live: Some(true),
        };
        assert_eq!(grant.user, Some(user));
    }
}

#[test]
fn a_minimal_answer_is_a_grant_too() {
    let body = r#"{"accessToken":"SIM-access-0001","expirationTime":"2026-11-20T16:20:00Z",
        "userStatus":"Active","userId":15460,"name":"sim_trader","hasLive":false}"#;
    let grant = read(Call::Renew, 200, body).unwrap();
    assert!(grant.origin.is_none() && grant.expires_at.is_some());
    let grant = read(Call::Acquire, 200, r#"{"accessToken":"t"}"#).unwrap();
    assert!(grant.expires_at.is_none() && grant.user.is_none());
    let grant = read(Call::Renew, 200, r#"{"accessToken":"t","hasLive":false}"#).unwrap();
    assert_eq!(grant.user, Some(User { has_live: Some(false), ..User::default() }));
}

#[test]
fn a_field_of_the_wrong_type_does_not_cost_the_grant() {
    let odd = json!({
        "expirationTime": 5, "userId": "x", "name": null, "hasLive": "yes", "apiHosts": [1], "errorText": null,
        "p-ticket": null, "p-time": "x",
    });
    let grant = read(Call::Acquire, 200, &full(&odd)).unwrap();
    assert!(grant.expires_at.is_none() && grant.origin.is_none());
    assert_eq!(grant.user, Some(User { status: Some("Active".into()), ..User::default() }));
}

#[test]
fn each_documented_failure_has_its_own_cause() {
    let password = r#"{"errorText":"Incorrect username or password. Please try again, noting that passwords are case-sensitive."}"#;
    let captcha = r#"{"p-ticket":"SIM-ticket-0001","p-time":15,"p-captcha":true}"#;
    let penalty = r#"{"p-ticket":"SIM-ticket-0002","p-time":5}"#;
    let denied = r#"{"errorText":"Access is denied"}"#;
    for (call, status, body, expected) in [
        (Call::Acquire, 200, password, "credentials_refused"),
        (Call::Acquire, 401, "", "credentials_refused"),
        (Call::Acquire, 200, r#"{"errorText":"The app is not registered"}"#, "app_unknown"),
        (Call::Acquire, 200, r#"{"errorText":"Something new"}"#, "refused"),
        (Call::Acquire, 400, "", "refused"),
        (Call::Acquire, 200, captcha, "captcha"),
        (Call::Acquire, 200, penalty, "penalty"),
        (Call::Acquire, 200, r#"{"mfa":true}"#, "challenge"),
        (Call::Acquire, 200, r#"{"accessToken":""}"#, "challenge"),
        (Call::Acquire, 423, "", "locked"),
        (Call::Acquire, 429, "", "rate_limited"),
        (Call::Acquire, 307, "", "unexpected_status"),
        (Call::Acquire, 408, "", "unexpected_status"),
        (Call::Acquire, 503, "<html>", "unexpected_status"),
        (Call::Acquire, 200, "<html>", "malformed"),
        (Call::Acquire, 200, "", "malformed"),
        (Call::Acquire, 200, "[]", "malformed"),
        (Call::Acquire, 200, r#"{"accessToken":7}"#, "malformed"),
        (Call::Acquire, 200, &full(&json!({}))[..80], "malformed"),
        (Call::Renew, 200, denied, "refused"),
        (Call::Renew, 200, password, "refused"),
        (Call::Renew, 401, "Access is denied", "refused"),
        (Call::Renew, 400, "", "refused"),
        (Call::Renew, 200, captcha, "captcha"),
        (Call::Renew, 200, penalty, "penalty"),
        (Call::Renew, 200, "{}", "malformed"),
        (Call::Renew, 404, "", "unexpected_status"),
    ] {
        assert_eq!(label(call, status, body), expected, "{} {status} {body}", call.name());
    }
}

#[test]
fn an_error_text_outweighs_a_token_beside_it() {
    assert_eq!(label(Call::Acquire, 200, &full(&json!({ "errorText": "no" }))), "refused");
}

#[test]
fn a_refusals_words_are_kept_and_other_bodies_are_not_repeated() {
    for (body, expected) in [
        ("Access is denied", "refused with status 401: Access is denied"),
        (r#"{"errorText":"Expired Access Token"}"#, "refused with status 401: Expired Access Token"),
        ("<html>secret</html>", "refused with status 401: "),
        ("Bearer canary is not valid", "refused with status 401: "),
        (r#"{"errorText":"a\r\nforged line"}"#, "refused with status 401: a  forged line"),
    ] {
        assert_eq!(read(Call::Renew, 401, body).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_penalty_waits_for_its_seconds_and_never_for_more_than_an_hour() {
    for (time, seconds) in [("5", 5), ("5.5", 5), ("-1", 0), ("1e300", 3600), ("null", 15), ("\"x\"", 15)] {
        let body = format!(r#"{{"p-ticket":"t","p-time":{time}}}"#);
        let Err(SourceError::Penalty { wait, ticket }) = read(Call::Acquire, 200, &body) else {
            panic!("{time}")
        };
        assert_eq!((wait.as_secs(), ticket.0.as_str()), (seconds, "t"), "{time}");
    }
}

#[test]
fn every_form_of_an_instant_is_read() {
    for text in [
        "2026-11-20T16:20:00.000Z",
        "2026-11-20T16:20:00Z",
        "2026-11-20T18:20:00+02:00",
        "2026-11-20T16:20:00",
    ] {
        assert_eq!(instant(text).unwrap().to_string(), "2026-11-20T16:20:00Z", "{text}");
    }
    for text in ["", "tomorrow", "1795190400", "2026-13-40T00:00:00Z"] {
        assert_eq!(instant(text), None, "{text}");
    }
}

#[test]
fn the_login_is_sent_as_documented() {
    let credentials = Credentials {
        name: "sim_trader".into(),
        password: "sim_password".into(),
        app_id: "sim-app".into(),
        app_version: "1.0".into(),
        device_id: "00000000-0000-4000-8000-000000000001".into(),
        cid: 1,
        sec: "00000000-0000-4000-8000-0000000000ff".into(),
    };
    let mut expected = json!({
        "name": "sim_trader", "password": "sim_password", "appId": "sim-app", "appVersion": "1.0",
        "deviceId": "00000000-0000-4000-8000-000000000001", "cid": 1,
        "sec": "00000000-0000-4000-8000-0000000000ff",
    });
    let sent =
        |ticket| serde_json::from_slice::<Value>(&acquire_body(&credentials, ticket).unwrap()).unwrap();
    assert_eq!(sent(None), expected);
    expected["p-ticket"] = "SIM-ticket-0002".into();
    assert_eq!(sent(Some(&Ticket("SIM-ticket-0002".into()))), expected);
}

proptest! {
    #[test]
    fn no_answer_causes_a_panic(
        status in 100_u16..600, date in proptest::collection::vec(any::<u8>(), 0..40),
        body in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for call in [Call::Acquire, Call::Renew] {
            let _ = decode(call, status, Some(&date), &body, &demo(), &[]);
        }
    }

    #[test]
    fn no_error_repeats_a_token(status in 100_u16..600, expiry in ".{0,30}", error in "[a-z]{0,10}") {
        let body = json!({ "accessToken": "canary", "expirationTime": expiry, "errorText": error }).to_string();
        if let Err(error) = read(Call::Renew, status, &body) {
            let printed = format!("{error} {error:?}");
            prop_assert!(!printed.contains("canary"));
        }
    }
}

#[test]
fn words_that_repeat_a_secret_are_left_out_and_understood_all_the_same() {
    let text = format!("{}Incorrect username or password: canary \"p", "x".repeat(190));
    let body = json!({"errorText": text}).to_string();
    for (call, status) in [(Call::Acquire, 200), (Call::Acquire, 401), (Call::Renew, 200), (Call::Renew, 401)]
    {
        let error = read(call, status, &body).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("can"), "{error:?}");
        let expected = if call == Call::Acquire { "credentials_refused" } else { "refused" };
        assert_eq!(error.label(), expected);
    }
}
