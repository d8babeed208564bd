use std::{collections::BTreeMap, io::ErrorKind};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::client::{access_token, call, exchange, login, login_body, sandbox, token};
use crate::sandbox::{Action, Fault, Sandbox};

const LIST: &str = "GET /v1/account/list";
const ORDER: &str = r#"{"accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market"}"#;

#[tokio::test]
async fn answers_that_take_the_place_of_the_brokers() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let teapot = Action::Respond {
        status: 418,
        headers: vec![("X-A".into(), "1".into()), ("X-A".into(), "2".into())],
        body: "short".into(),
    };
    for (action, status, begins) in [
        (teapot, 418, "short"),
        (
            Action::Redirect { location: "https://demo-eval-7.tradovateapi.com/v1/account/list".into() },
            307,
            "",
        ),
        (Action::Penalty { seconds: 5, captcha: true }, 200, "{\"p-ticket\":"),
        (Action::Empty, 200, ""),
        (Action::EmptyJson, 200, "{}"),
        (Action::GarbageJson, 200, "{\"accessToken\": \"SIM-"),
        (Action::Html, 200, "<!doctype html>"),
        (Action::TruncatedJson, 200, "[{\""),
    ] {
        sandbox.control().inject(Fault::next("account/list", action.clone()));
        let answer = call(&sandbox, LIST, &token, "").await;
        assert_eq!(answer.status, status, "{action:?}");
        assert!(answer.body.starts_with(begins), "{action:?} {answer:?}");
        assert!(serde_json::from_str::<Vec<()>>(&answer.body).is_err(), "{action:?} is no list");
    }
    let status = call(&sandbox, LIST, &token, "").await.status;
    assert_eq!((status, sandbox.control().faults().len()), (200, 0), "each hits once");
}

#[tokio::test]
async fn an_order_is_placed_only_by_a_fault_that_handles_it() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for (action, handled) in [
        (Action::Reset, false),
        (Action::ResetUnread, false),
        (Action::Close, false),
        (Action::Reset, true),
        (Action::Close, true),
    ] {
        let fault = Fault::next("order/placeorder", action.clone());
        sandbox.control().inject(if handled { fault.handled() } else { fault });
        let before = sandbox.control().entities("order").len();
        let outcome = place(&sandbox, &token).await;
        if action == Action::Close {
            assert_eq!(outcome.unwrap(), "", "{action:?}");
        } else {
            assert_eq!(outcome.unwrap_err().1.kind(), ErrorKind::ConnectionReset, "{action:?}");
        }
        let placed = sandbox.control().entities("order").len() - before;
        assert_eq!(placed, usize::from(handled), "{action:?}");
    }
    let records = sandbox.control().requests_to("order/placeorder");
    assert!(records.iter().all(|record| record.is_faulted && record.status.is_none()));
    assert_eq!(records[0].body.bytes(), ORDER.as_bytes());
    assert_eq!(records[1].body.bytes(), b"", "its body was left unread");
}

#[tokio::test]
async fn a_hung_request_is_seen_and_ends_with_the_sandbox() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("order/placeorder", Action::Hang).handled());
    let control = sandbox.control().clone();
    let address = sandbox.http_addr();
    let waiting =
        tokio::spawn(
            async move { exchange(TcpStream::connect(address).await.unwrap(), &order(&token)).await },
        );
    let seen = control.wait_for_requests("order/placeorder", 1).await;
    assert_eq!(seen[0].status, None);
    sandbox.shutdown().await;
    assert_eq!(waiting.await.unwrap().unwrap(), "");
    assert_eq!(control.entities("order").len(), 1, "placed, and nobody was told");
}

#[tokio::test]
async fn a_cut_body_declares_more_than_it_sends() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("account/list", Action::CutBody { after_bytes: 10 }));
    let answer = call(&sandbox, LIST, &token, "").await;
    let declared: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert!(declared > 100 && answer.body.len() == 10, "{answer:?}");
}

#[tokio::test]
async fn bytes_that_are_no_http_take_the_place_of_an_answer() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("placeorder", Action::Raw { text: "SSH-2.0-nonsense\r\n".into() }));
    assert_eq!(place(&sandbox, &token).await.unwrap(), "SSH-2.0-nonsense\r\n");
}

#[tokio::test]
async fn interim_responses_come_first_and_trailers_last() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let fields = BTreeMap::from([("x-checksum".to_owned(), "abc".to_owned())]);
    let fault = Fault {
        informational: vec![102, 103],
        ..Fault::next("order/placeorder", Action::Trailers { fields })
    };
    sandbox.control().inject(fault);
    let received = place(&sandbox, &token).await.unwrap();
    let begins = "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(received.starts_with(begins), "{received}");
    assert!(received.contains("transfer-encoding: chunked") && received.contains("trailer: x-checksum"));
    assert!(received.ends_with("0\r\nx-checksum: abc\r\n\r\n"), "{received}");
}

#[tokio::test]
async fn a_huge_body_is_streamed_to_whoever_is_authorised() {
    const BYTES: u64 = 64 * 1024 * 1024;
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox
        .control()
        .inject(Fault::next("account/list", Action::Huge { bytes: BYTES, chunked: false }).times(2));
    assert_eq!(call(&sandbox, LIST, "nobody", "").await.status, 401);
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    let request = format!(
        "{LIST} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let received = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.unwrap();
    assert!((BYTES..BYTES + 1024).contains(&received), "{received}");
}

#[tokio::test]
async fn a_dripping_answer_is_whole_in_the_end() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("account/list", Action::Drip { bytes: 50, pause_ms: 1 }));
    assert_eq!(call(&sandbox, LIST, &token, "").await.json()[0]["id"], 6270);
}

#[tokio::test]
async fn a_penalty_on_login_is_paid_with_time_and_its_ticket() {
    let sandbox = sandbox().await;
    let penalty = Action::Penalty { seconds: 15, captcha: false };
    sandbox.control().inject(Fault::next("auth/accesstokenrequest", penalty));
    let mut body = login_body();
    let penalty = login(&sandbox, &body).await.json();
    assert_eq!(penalty["p-time"], 15);
    body["p-ticket"] = penalty["p-ticket"].clone();
    assert!(login(&sandbox, &body).await.json().get("accessToken").is_none(), "too early");
    sandbox.control().advance(std::time::Duration::from_secs(15));
    access_token(&login(&sandbox, &body).await);
    assert_eq!(login(&sandbox, &body).await.json()["p-captcha"], json!(true), "a ticket is good once");
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_undo_its_order() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("order/placeorder", Action::Pass).delayed_ms(3_600_000));
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    stream.write_all(order(&token).as_bytes()).await.unwrap();
    sandbox.control().wait_for_requests("order/placeorder", 1).await;
    drop(stream);
    assert_eq!(call(&sandbox, "GET /v1/order/list", &token, "").await.json().as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn shutdown_waits_for_the_answer_that_is_under_way() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    sandbox.control().inject(Fault::next("order/placeorder", Action::Pass).delayed_ms(20));
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    stream.write_all(order(&token).as_bytes()).await.unwrap();
    sandbox.control().wait_for_requests("order/placeorder", 1).await;
    sandbox.shutdown().await;
    let mut received = String::new();
    stream.read_to_string(&mut received).await.unwrap();
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n") && received.contains("orderId"), "{received}");
}

async fn place(sandbox: &Sandbox, token: &str) -> Result<String, (String, std::io::Error)> {
    exchange(TcpStream::connect(sandbox.http_addr()).await.unwrap(), &order(token)).await
}

fn order(token: &str) -> String {
    format!(
        "POST /v1/order/placeorder HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\nTE: trailers\r\n\
         Connection: close, TE\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ORDER}",
        ORDER.len()
    )
}
