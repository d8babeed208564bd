//! What a refusal looks like, whatever it refuses.

use serde_json::Value;

use super::{Answer, Client, RawUpstream, client::write};

/// RFC 9457, and what the proxy adds to it.
pub(crate) fn is_refusal(answer: &Answer, status: u16, code: &str, context: &str) {
    assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{context}");
    assert_eq!(answer.outcome(), Some("not-sent"), "{context}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{context}");
    let body = answer.json();
    assert_eq!(body["type"], format!("urn:tradovate-proxy:problem:{code}"), "{context}");
    assert_eq!((&body["status"], &body["outcome"]), (&Value::from(status), &Value::from("not-sent")));
    for text in ["title", "detail", "help"] {
        assert!(body[text].as_str().is_some_and(|text| text.len() > 3), "{context}: {text} in {body}");
    }
    // RFC 9110 §15.5.6: a 405 says what is allowed.
    assert_eq!(answer.header("allow").is_some(), status == 405, "{context}");
}

/// The connection works, and upstream has seen nothing before this.
pub(crate) async fn goes_on(client: &mut Client, upstream: &mut RawUpstream, context: &str) {
    client.send(write("GET /v1/witness", "")).await;
    let request = upstream.request().await;
    assert_eq!(request.head.start, "GET /v1/witness HTTP/1.1", "after {context}");
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200, "after {context}");
}
