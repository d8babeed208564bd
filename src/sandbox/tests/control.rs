use serde_json::{Value, json};

use super::client::{Answer, call, sandbox, send, token};
use crate::sandbox::{Action, Fault, OldToken, Options, Sandbox};

#[tokio::test]
async fn the_clock_is_moved_over_http() {
    let sandbox = sandbox().await;
    let before = sandbox.control().now();
    let answer = ask(&sandbox, "POST /sandbox/clock/advance", r#"{"seconds": 4800}"#).await;
    let now: jiff::Timestamp = answer.json()["now"].as_str().unwrap().parse().unwrap();
    assert!(now.duration_since(before).as_secs() >= 4800);
    assert_eq!(ask(&sandbox, "POST /sandbox/clock/advance", r#"{"seconds": -1}"#).await.status, 400);

    let options = Options { clock: crate::clock::Clock::system(), ..Options::default() };
    let real = Sandbox::start(options).await.unwrap();
    assert_eq!(ask(&real, "POST /sandbox/clock/advance", r#"{"seconds": 1}"#).await.status, 409);
}

#[tokio::test]
async fn rules_faults_sessions_and_market_are_changed_over_http() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let rules = ask(&sandbox, "PATCH /sandbox/rules", r#"{"evicted_answer": 408}"#).await.json();
    assert_eq!((&rules["evicted_answer"], &rules["max_sessions"]), (&json!(408), &json!(2)));
    let wrong = ask(&sandbox, "PATCH /sandbox/rules", r#"{"evicted": 408}"#).await;
    assert!(wrong.status == 400 && wrong.body.contains("unknown field"), "{wrong:?}");

    let fault = r#"{"path": "account/list", "action": {"respond": {"status": 502}}}"#;
    ask(&sandbox, "POST /sandbox/faults", fault).await;
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 502);
    for bad in [r#"{"action": "explode"}"#, r#"{"action": {"respond": {"status": 99}}}"#] {
        assert_eq!(ask(&sandbox, "POST /sandbox/faults", bad).await.status, 400, "{bad}");
    }

    let price = ask(&sandbox, "POST /sandbox/market", r#"{"symbol": "ESZ6", "price": 6000.0}"#).await;
    assert_eq!(price.json()["ESZ6"], 6000.0);
    assert_eq!(ask(&sandbox, "POST /sandbox/market", r#"{"symbol": "X", "price": 1}"#).await.status, 404);

    assert_eq!(ask(&sandbox, "POST /sandbox/sessions/evict", "").await.json(), json!({"evicted": 1}));
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 408);
    let sessions = ask(&sandbox, "POST /sandbox/sessions", "").await.json();
    assert_eq!((&sessions[0]["is_open"], &sessions[1]["opened_by"]), (&json!(false), &json!("elsewhere")));
}

#[tokio::test]
async fn what_was_seen_is_read_filtered_and_forgotten_over_http() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    call(&sandbox, "GET /v1/account/list", &token, "").await;
    call(&sandbox, "GET /v1/order/list", &token, "").await;
    let all = ask(&sandbox, "GET /sandbox/requests", "").await.json();
    let targets: Vec<&Value> = all.as_array().unwrap().iter().map(|record| &record["target"]).collect();
    assert_eq!(targets, ["/v1/auth/accessTokenRequest", "/v1/account/list", "/v1/order/list"]);
    assert_eq!((&all[1]["sequence"], &all[1]["status"]), (&json!(2), &json!(200)));
    assert_eq!(all[1]["bearer"], json!({"session": 1, "serial": 1, "refused": null}));
    let some = ask(&sandbox, "GET /sandbox/requests?path=/list&after=2", "").await.json();
    assert_eq!(some.as_array().unwrap().len(), 1);
    ask(&sandbox, "DELETE /sandbox/requests", "").await;
    assert_eq!(ask(&sandbox, "GET /sandbox/requests", "").await.json(), json!([]));
}

#[tokio::test]
async fn every_request_is_counted_by_what_its_bearer_was_worth() {
    let sandbox = sandbox().await;
    sandbox.control().change_rules(|rules| rules.old_token = OldToken::Dies);
    let token = token(&sandbox).await;
    call(&sandbox, "GET /v1/account/list", &token, "").await;
    sandbox.control().change_rules(|rules| rules.home_host = Some("elsewhere.localhost".to_owned()));
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 307);
    call(&sandbox, "GET /v1/auth/renewaccesstoken", &token, "").await;
    for token in [&token, &token, "SIM-access-none"] {
        assert_eq!(call(&sandbox, "GET /v1/account/list", token, "").await.status, 401);
    }
    ask(&sandbox, "DELETE /sandbox/requests", "").await;
    let tally = ask(&sandbox, "GET /sandbox/tally", "").await.json();
    let refused = json!({"superseded": 2, "unknown": 1});
    assert_eq!(tally, json!({"accepted": 3, "refused": refused, "open": 1, "astray": 1}));
    sandbox.control().reset();
    assert_eq!(sandbox.control().tally(), crate::sandbox::Tally::default());
}

#[tokio::test]
async fn a_delay_ends_when_the_faults_are_forgotten() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("account/list", Action::Pass).delayed_ms(3_600_000));
    let release = async {
        sandbox.control().wait_for_requests("account/list", 1).await;
        ask(&sandbox, "DELETE /sandbox/faults", "").await;
    };
    let (answer, ()) = tokio::join!(call(&sandbox, "GET /v1/account/list", &token, ""), release);
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn starting_over_forgets_all_but_the_rules() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().change_rules(|rules| rules.max_sessions = 1);
    ask(&sandbox, "POST /sandbox/reset", "").await;
    assert_eq!(call(&sandbox, "GET /v1/account/list", &token, "").await.status, 401);
    assert_eq!(sandbox.control().rules().max_sessions, 1);
    assert_eq!(sandbox.control().requests().len(), 1);
}

#[tokio::test]
async fn bytes_and_unknown_routes() {
    let sandbox = sandbox().await;
    assert_eq!(ask(&sandbox, "GET /sandbox/bytes?n=100000", "").await.body.len(), 100_000);
    assert_eq!(ask(&sandbox, "GET /sandbox/bytes", "").await.status, 400);
    assert_eq!(ask(&sandbox, "GET /sandbox/nothing", "").await.status, 404);
    assert!(ask(&sandbox, "GET /sandbox", "").await.body.contains("/sandbox/clock/advance"));
}

async fn ask(sandbox: &Sandbox, request: &str, body: &str) -> Answer {
    let text = format!(
        "{request} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(sandbox.http_addr(), &text).await
}
