//! What is written, and what never is.

use super::*;
use crate::audit::chain::Hash;

#[tokio::test]
async fn an_order_has_a_line_before_it_leaves_and_one_when_it_has_ended() {
    let stage = Stage::new();
    let log = stage.open();
    let body = r#"{"accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"price":4500.25,"isAutomated":true}"#;
    let mut entry = stage.entry(&log, body);
    let id = entry.id().to_string();
    entry.begin().await.unwrap();
    // Before anything else happens it is in the file, and the head names it.
    let [begun] = &stage.kind("begun")[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!((&begun["id"], &begun["caller"]), (&Value::from(id.as_str()), &Value::from("local")));
    assert_eq!(begun["operation"], "place-order");
    assert_eq!(begun["path"], "/v1/order/placeorder");
    assert_eq!(begun["fields"], serde_json::from_str::<Value>(body).unwrap());
    assert_eq!(begun["body_bytes"], body.len());
    assert_eq!(begun["body_sha256"], Hash::plain(body.as_bytes()).to_string());
    let head = head::read(stage.directory.path()).unwrap().unwrap();
    assert_eq!(begun["seq"], head.link.seq);
    assert_eq!(stage.is_intact().open[0].id, id);

    entry.is_answered(false);
    for piece in [r#"{"orderId":77,"#, r#""failureReason":"Success"}"#] {
        entry.saw(piece.as_bytes());
    }
    entry.end(&answered());
    close(log).await;
    let [ended] = &stage.kind("ended")[..] else { panic!("{:?}", stage.lines()) };
    assert_eq!((&ended["id"], &ended["outcome"]), (&begun["id"], &Value::from("answered")));
    assert_eq!((&ended["status"], &ended["took_us"]), (&Value::from(200), &Value::from(3000)));
    assert_eq!(ended["upstream"], serde_json::json!({"orderId": 77, "failureReason": "Success"}));
    let verdict = stage.is_intact();
    assert!(verdict.open.is_empty() && verdict.unknown.is_empty());
}

#[tokio::test]
async fn nothing_that_is_not_known_is_written_and_nothing_can_forge_a_line() {
    let stage = Stage::new();
    let log = stage.open();
    let forged = "x\\n{\\\"seq\\\":9}\\u001b[2J\\u202e\\u2028é";
    let body = format!(
        r#"{{"password":"canary-1","accessToken":"canary-2","symbol":"{forged}","symbol":"B","other":{{"sec":"canary-3","price":1}},
            "bracket1":{{"action":"Sell","deep":{{"x":"canary-4"}}}},"text":"{}","positions":[1,2],"orderId":{{"a":"canary-5"}}}}"#,
        "t".repeat(5000)
    );
    stage.order(&log, &body, r#"{"orderId":1,"accessToken":"canary-6","p-ticket":"canary-7","p-time":5,"errorText":"no\r\nway"}"#).await;
    let mut query = log
        .entry(Asked {
            endpoint: stage.endpoint("/order/cancelorder"),
            caller: "local",
            method: "GET",
            target: "/v1/order/cancelorder?orderId=5&token=canary-8",
            body: b"",
        })
        .unwrap();
    query.begin().await.unwrap();
    query.end(&answered());
    close(log).await;

    let text = files(stage.directory.path())
        .into_iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect::<String>();
    assert!(!text.contains("canary"), "{text}");
    assert!(text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{text}");
    let begun = stage.kind("begun");
    let fields = &begun[0]["fields"];
    assert_eq!(fields["symbol"], "x\n{\"seq\":9}\u{1b}[2J\u{202e}\u{2028}é", "as it was, and in one line");
    assert_eq!(begun[0]["repeated"], serde_json::json!(["symbol"]));
    assert_eq!(fields["other"], serde_json::json!({"price": 1}));
    assert_eq!(fields["bracket1"], serde_json::json!({"action": "Sell"}));
    assert_eq!(fields["positions"], serde_json::json!([1, 2]));
    assert_eq!(fields["orderId"], "(an object)");
    assert_eq!(fields["text"].as_str().unwrap().chars().count(), 129);
    assert_eq!(begun[1]["fields"], serde_json::json!({"orderId": "5"}));
    assert_eq!(begun[1]["path"], "/v1/order/cancelorder");
    let upstream = &stage.kind("ended")[0]["upstream"];
    assert_eq!(*upstream, serde_json::json!({"orderId": 1, "p-time": 5, "errorText": "no\r\nway"}));

    let mut shown = Vec::new();
    show::show(stage.directory.path(), |line| shown.push(line.to_owned())).unwrap();
    assert!(
        shown.iter().all(|line| !line.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{2028}')),
        "{shown:?}"
    );
    assert!(
        shown.iter().any(|line| line.contains("cancel-order") && line.contains("orderId=5")),
        "{shown:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_says_why_and_keeps_its_digest() {
    let stage = Stage::new();
    let log = stage.open();
    for (body, unread) in [
        ("[1]", "it is no JSON object"),
        ("{\"orderQty\":1} {}", "it is no JSON object"),
        ("not json", "it is no JSON object"),
        (&format!("{{\"text\":\"{}\"}}", "x".repeat(70_000)), "it is longer than 65536 bytes"),
    ] {
        let mut entry = stage.entry(&log, body);
        entry.begin().await.unwrap();
        entry.end(&answered());
        let begun = stage.kind("begun").pop().unwrap();
        assert_eq!((begun["unread"].as_str(), begun["fields"].as_object().unwrap().len()), (Some(unread), 0));
        assert_eq!(begun["body_sha256"], Hash::plain(body.as_bytes()).to_string());
    }
    for (is_coded, answer, unread) in [
        (true, "\u{1f}", "it is compressed"),
        (false, "<html>", "it is no JSON object"),
        (false, &*"x".repeat(9000), "it is longer than 8192 bytes"),
    ] {
        let mut entry = stage.entry(&log, "{}");
        entry.begin().await.unwrap();
        entry.is_answered(is_coded);
        entry.saw(answer.as_bytes());
        entry.end(&answered());
        // The line behind it is written after it.
        stage.order(&log, "{}", "{}").await;
        let ended = stage.kind("ended");
        assert!(ended.iter().any(|ended| ended["unread"] == unread), "{unread}: {ended:?}");
    }
    close(log).await;
    stage.is_intact();
}

#[tokio::test]
async fn reads_have_no_entry_and_without_a_log_there_is_a_name_and_no_file() {
    let stage = Stage::new();
    let log = AuditLog::off(Clock::system());
    let read = stage.endpoint("/account/list");
    let asked =
        Asked { endpoint: read, caller: "local", method: "GET", target: "/v1/account/list", body: b"" };
    assert!(log.entry(asked).is_none());
    let (mut one, two) = (stage.entry(&log, "{}"), stage.entry(&log, "{}"));
    assert_ne!(one.id(), two.id());
    assert_eq!(one.id().to_string().as_bytes()[14], b'7', "a UUID of version 7");
    one.begin().await.unwrap();
    one.end(&answered());
    assert!(files(stage.directory.path()).is_empty() && log.report().is_none());
}

#[tokio::test]
async fn a_flood_of_refused_requests_has_few_lines_and_a_number() {
    let stage = Stage::new();
    let log = stage.open();
    for _ in 0..500 {
        let end = End { outcome: Outcome::NotSent, how: "no-token", status: None, took: Duration::ZERO };
        stage.entry(&log, r#"{"symbol":"ESZ6"}"#).end(&end);
    }
    close(log).await;
    let refused = stage.kind("refused");
    assert!((30..=60).contains(&refused.len()), "{}: a minute may have turned", refused.len());
    assert_eq!(
        (&refused[0]["how"], &refused[0]["request"]["fields"]["symbol"]),
        (&"no-token".into(), &"ESZ6".into())
    );
    let rest: u64 = stage.kind("suppressed").iter().map(|line| line["refused"].as_u64().unwrap()).sum();
    assert_eq!(refused.len() as u64 + rest, 500);
    stage.is_intact();
}
