use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::client::{call, login, login_body, sandbox, send, token};
use crate::{
    clock::Clock,
    sandbox::{CREDENTIALS, Options, Refusal, Sandbox},
};

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let body = "5\r\n{\"a\":\r\n4\r\n\"b\"}\r\n0\r\nX-End: z\r\n\r\n";
    let text = format!(
        "PUT /v1/Account/List?b=%31&a=+&a HTTP/1.1\r\nHost: sandbox\r\nX-One: 1\r\naUTHORIZATION: Bearer {token}\r\n\
         X-Two: 2\r\nx-one: 3\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{body}"
    );
    assert_eq!(send(sandbox.http_addr(), &text).await.status, 200);
    let record = sandbox.control().seen(|record| record.method == "PUT" && record.status.is_some()).await;
    assert_eq!(record.target, "/v1/Account/List?b=%31&a=+&a");
    assert_eq!(record.version, "HTTP/1.1");
    let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
    let sent = ["Host", "X-One", "aUTHORIZATION", "X-Two", "x-one", "Transfer-Encoding", "Connection"];
    assert_eq!(names, sent);
    assert_eq!(record.header("X-One").collect::<Vec<_>>(), ["1", "3"]);
    assert_eq!(record.body.bytes(), b"{\"a\":\"b\"}");
    assert_eq!(record.trailers, [("x-end".to_owned(), "z".to_owned())]);
    let bearer = record.bearer.unwrap();
    assert_eq!((bearer.session, bearer.serial, bearer.refused), (Some(1), Some(1), None));
}

#[tokio::test]
async fn keep_alive_requests_keep_their_own_heads() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    for name in ["X-First", "X-Second", "X-Third"] {
        let body = "{\"users\":[15460]}";
        let head = format!(
            "POST /v1/user/syncrequest HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\n{name}: 1\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        let record = sandbox.control().seen(|r| r.header(name).next().is_some() && r.status.is_some()).await;
        assert_eq!(record.headers[2].0, name, "in its own case");
        read_answer(&mut stream).await;
    }
    let connections: Vec<u64> =
        sandbox.control().requests_to("syncrequest").iter().map(|record| record.connection).collect();
    assert_eq!(connections, [2, 2, 2]);
}

#[tokio::test]
async fn no_secret_is_recorded() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    call(&sandbox, &format!("GET /v1/account/list?token={token}"), &token, &format!("\"{token}\"")).await;
    call(&sandbox, "GET /v1/account/list", "real-looking-token", "").await;
    let http = send(sandbox.http_addr(), "GET /sandbox/requests HTTP/1.0\r\nHost: x\r\n\r\n").await.body;
    let printed = format!("{:?} {http} {:?}", sandbox.control().requests(), sandbox);
    for secret in [token.as_str(), "real-looking-token", CREDENTIALS.password, CREDENTIALS.sec] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
    let refused = sandbox.control().requests().pop().unwrap().bearer.unwrap().refused;
    assert_eq!(refused, Some(Refusal::Unknown));
}

#[tokio::test]
async fn the_date_is_the_brokers() {
    let start: Timestamp = "2026-11-20T15:00:00Z".parse().unwrap();
    let options = Options { clock: Clock::simulated(start), ..Options::default() };
    let sandbox = Sandbox::start(options).await.unwrap();
    sandbox.control().advance(Duration::from_secs(3600));
    let answer = login(&sandbox, &login_body()).await;
    assert!(answer.header("date").unwrap().starts_with("Fri, 20 Nov 2026 16:00:0"), "{answer:?}");
    assert!(answer.json()["expirationTime"].as_str().unwrap().starts_with("2026-11-20T17:20:0"));
}

#[tokio::test]
async fn a_request_that_breaks_off_is_recorded_and_not_acted_on() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    let text = format!(
        "POST /v1/order/placeorder HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1000\r\n\r\n{{\"accountId\":6270"
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    drop(stream);
    let record = sandbox.control().wait_for_requests("order/placeorder", 1).await.remove(0);
    assert_eq!(record.status, None);
    assert!(sandbox.control().entities("order").is_empty());
}

#[tokio::test]
async fn a_body_beyond_all_measure_is_refused() {
    let sandbox = sandbox().await;
    let mut stream = TcpStream::connect(sandbox.http_addr()).await.unwrap();
    let head = "POST /v1/order/placeorder HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 20000000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let block = vec![b' '; 9 * 1024 * 1024];
    // The sandbox stops reading at its limit, so not all of it may be taken.
    let _ = stream.write_all(&block).await;
    let record = sandbox.control().seen(|record| record.status.is_some()).await;
    assert_eq!(record.status, Some(413));
}

#[tokio::test]
async fn pipelined_requests_are_each_recorded_once_and_in_order() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    let get = |path: &str, end: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\n{end}\r\n")
    };
    let both = get("/v1/account/list", "") + &get("/v1/order/list", "Connection: close\r\n");
    let answer = send(sandbox.http_addr(), &both).await;
    assert_eq!(answer.body.matches("HTTP/1.1 200 OK").count(), 1, "the second answer follows the first");
    let records = sandbox.control().requests_to("/list");
    let targets: Vec<&str> = records.iter().map(|record| record.target.as_str()).collect();
    assert_eq!(targets, ["/v1/account/list", "/v1/order/list"]);
    assert_eq!(records[1].header("connection").collect::<Vec<_>>(), ["close"]);
}

#[tokio::test]
async fn the_target_is_told_in_the_form_it_was_sent_in() {
    let sandbox = sandbox().await;
    let absolute = "http://sandbox/v1/account/list?a#b";
    let text = format!("GET {absolute} HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\r\n");
    assert_eq!(send(sandbox.http_addr(), &text).await.status, 401);
    assert_eq!(sandbox.control().requests()[0].target, absolute);
}

#[tokio::test]
async fn a_request_without_exactly_one_host_is_malformed() {
    let sandbox = sandbox().await;
    let token = token(&sandbox).await;
    for (hosts, status) in [("", 400), ("Host: a\r\nHost: b\r\n", 400), ("Host: a\r\n", 200)] {
        let text = format!(
            "GET /v1/account/list HTTP/1.1\r\nAuthorization: Bearer {token}\r\n{hosts}Connection: close\r\n\r\n"
        );
        assert_eq!(send(sandbox.http_addr(), &text).await.status, status, "{hosts:?}");
    }
}

async fn read_answer(stream: &mut TcpStream) {
    let mut received = Vec::new();
    loop {
        let head = received.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&received[..head]).into_owned();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if received.len() - head >= length.parse::<usize>().unwrap() {
                return;
            }
        }
        assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "the connection is kept");
    }
}
