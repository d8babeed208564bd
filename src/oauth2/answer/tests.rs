use http::StatusCode;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Everything that must not be told.
const SECRETS: [&str; 2] = ["canary-refresh", "canary-secret"];

fn read(status: u16, body: impl AsRef<[u8]>) -> Result<Granted, SourceError> {
    let body = secrecy::zeroize::Zeroizing::new(body.as_ref().to_vec());
    let status = StatusCode::from_u16(status).unwrap();
    decode(&courier::Answer { status, date: None, body }, &SECRETS)
}

fn refused(status: u16, body: &Value) -> String {
    let error = read(status, body.to_string()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    format!("{}: {error}", error.label())
}

#[test]
fn tradovates_answer_is_understood() {
    let granted = read(
        200,
        r#"{"access_token":"SIM-oauth-access-0001","token_type":"Bearer","expires_in":4800,
            "refresh_token":"SIM-oauth-refresh-0001","refresh_token_expires_in":93600,"id_token":"SIM.id.token",
            "apiHosts":{"live":"live.tradovateapi.com"}}"#,
    )
    .unwrap();
    assert_eq!(granted.token.expose_secret(), "SIM-oauth-access-0001");
    assert_eq!(granted.refresh.unwrap().expose_secret(), "SIM-oauth-refresh-0001");
    assert_eq!(granted.life, Some(Duration::from_secs(4800)));
    assert_eq!(granted.refresh_life, Some(Duration::from_secs(26 * 3600)));
}

#[test]
fn a_life_is_a_number_or_text_and_everything_else_is_unknown() {
    let life = |value: Value| read(200, json!({"access_token": "a", "expires_in": value}).to_string());
    for (value, seconds) in [
        (json!(7200), 7200),
        (json!("7200"), 7200),
        (json!(" 7200 "), 7200),
        (json!(7200.0), 7200),
        (json!("7200.0"), 7200),
        (json!(1), 1),
    ] {
        assert_eq!(life(value.clone()).unwrap().life, Some(Duration::from_secs(seconds)), "{value}");
    }
    for absurd in [
        json!(0),
        json!(-1),
        json!(null),
        json!(true),
        json!([3600]),
        json!(""),
        json!("soon"),
        json!("NaN"),
        json!("inf"),
        json!(1e300),
        json!(u64::MAX),
        json!("2026-11-20T16:20:00Z"),
    ] {
        assert_eq!(life(absurd.clone()).unwrap().life, None, "{absurd}");
    }
    assert_eq!(read(200, r#"{"access_token":"a"}"#).unwrap().life, None);
}

#[test]
fn a_token_is_a_bearer_token_in_any_case() {
    let typed =
        |kind: Value| read(200, json!({"access_token": "a", "token_type": kind}).to_string()).map(|_| ());
    for bearer in [json!("Bearer"), json!("bearer"), json!("BEARER"), json!(null)] {
        assert!(typed(bearer.clone()).is_ok(), "{bearer}");
    }
    for other in [json!("mac"), json!("DPoP"), json!(""), json!("Bearer "), json!(7), json!(["Bearer"])] {
        let error = typed(other.clone()).unwrap_err();
        assert!(
            matches!(error, SourceError::Malformed { what: "its token is no bearer token" }),
            "{other}: {error}"
        );
    }
}

#[test]
fn a_refusal_is_a_refusal_whatever_its_status_and_whatever_comes_with_it() {
    for status in [200, 400, 401, 403] {
        let told = refused(status, &json!({"error": "invalid_grant", "access_token": "canary-access"}));
        assert_eq!(told, format!("refused: refused with status {status}: invalid_grant"));
        // Tradovate: measured, and often transient.
        assert!(refused(status, &json!({"error": "invalid_token"})).starts_with("refused: "));
        for client in ["invalid_client", "unauthorized_client"] {
            let told = refused(status, &json!({"error": client, "error_description": "Wrong client_id"}));
            assert_eq!(
                told,
                format!("credentials_refused: the credentials were refused: {client}: Wrong client_id")
            );
        }
    }
    assert!(refused(200, &json!({"error": {"code": 7}})).ends_with("no legible reason"));
    assert!(refused(400, &json!({"message": "canary"})).ends_with("status 400: no reason given"));
    assert!(read(200, r#"{"error":null,"access_token":"a"}"#).is_ok());
    assert!(read(200, r#"{"error":"","access_token":"a"}"#).is_ok());
}

#[test]
fn a_description_that_repeats_a_secret_is_left_out_and_the_code_stays() {
    for canary in ["canary-refresh", "canary-secret", "canary-access"] {
        let answer = json!({
            "error": "invalid_grant", "error_description": format!("no such token: {canary}"),
            "access_token": "canary-access",
        });
        assert_eq!(refused(200, &answer), "refused: refused with status 200: invalid_grant");
        assert!(
            !refused(400, &json!({"error": format!("x {canary}"), "access_token": "canary-access"}))
                .is_empty()
        );
    }
}

#[test]
fn statuses_that_are_no_answers_of_a_token_endpoint_keep_their_own_causes() {
    let body = json!({"error": "temporarily_unavailable"}).to_string();
    for (status, label) in [
        (301, "unexpected_status"),
        (307, "unexpected_status"),
        (404, "unexpected_status"),
        (423, "locked"),
        (429, "rate_limited"),
        (500, "unexpected_status"),
        (503, "unexpected_status"),
    ] {
        let text = if status == 404 { "" } else { &body };
        assert_eq!(read(status, text).unwrap_err().label(), label, "{status}");
    }
}

#[test]
fn what_is_no_grant_is_malformed() {
    for body in [
        "",
        " ",
        "null",
        "[]",
        "\"token\"",
        "[\"a\",\"b\"]",
        "{}",
        "{\"access_token\":\"\"}",
        "{\"access_token\":7}",
        "{\"access_token\":\"a\"",
        "{\"access_token\":\"a\",\"access_token\":\"b\"}",
        "<html><body>Sign in</body></html>",
        "access_token=a&token_type=bearer",
    ] {
        let error = read(200, body).unwrap_err();
        assert!(matches!(error, SourceError::Malformed { .. }), "{body:?}: {error:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_causes_a_panic(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(status, body);
    }

    #[test]
    fn no_error_repeats_a_secret(
        status in 100_u16..600, error in "[a-z_]{0,12}", before in ".{0,12}", after in ".{0,12}",
        kind in "[A-Za-z]{0,8}",
    ) {
        for canary in SECRETS.into_iter().chain(["canary-access"]) {
            let words = format!("{before}{canary}{after}");
            for (error, description) in [(error.as_str(), words.as_str()), (&words, &error)] {
                let body = json!({
                    "error": error, "error_description": description, "access_token": "canary-access",
                    "token_type": kind,
                });
                if let Err(error) = read(status, body.to_string()) {
                    prop_assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
                }
            }
        }
    }
}
