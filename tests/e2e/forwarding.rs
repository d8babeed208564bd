//! Requests pass as they are, whatever their form, over every way to upstream.

use crate::support::{
    client::{self, End},
    message,
    stage::{ORDER, Stage, Way},
    upstream::raw,
};

#[tokio::test]
async fn method_target_and_body_arrive_byte_for_byte() {
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let mut client = stage.client().await;
        for (method, target, body) in [
            ("GET", "/v1/account/list", ""),
            ("GET", "/V1/Account/LIST", ""),
            ("GET", "/v1/contract/find?name=ES%20Z6&&=;x=%2f%2F../..&q='(a)+b~*!$,:@", ""),
            ("GET", "/v1/account/list?", ""),
            ("GET", "/v1/account/list/", ""),
            ("POST", "/v1/order/placeOrder", ORDER),
            ("POST", "/v1/order/list", ""),
            ("PUT", "/v1/no/such/7", "{\"a\": [1,  2]}\n"),
            ("PATCH", "/v1/order/list", "not json at all \u{0}\u{7f}"),
            ("DELETE", "/v1/order/list?id=1", ""),
            ("DELETE", "/v1/order/list", "{}"),
            ("OPTIONS", "/v1/order/list", ""),
        ] {
            let answer = client.ask(&format!("{method} {target}"), body).await;
            let seen = stage.seen();
            let seen = seen.last().unwrap();
            assert_eq!((seen.method.as_str(), seen.target.as_str()), (method, target), "{way:?}");
            assert_eq!(seen.body.bytes(), body.as_bytes(), "{way:?} {method} {target}");
            assert!(seen.bearer.is_some_and(|bearer| bearer.serial.is_some()), "{way:?}: {seen:?}");
            assert_eq!(Some(answer.status()), seen.status, "{way:?} {method} {target}");
            assert_eq!(answer.outcome(), None, "upstream's answers are not ours: {way:?} {method} {target}");
        }
        let version = if way == Way::Http2 { "HTTP/2.0" } else { "HTTP/1.1" };
        assert!(stage.seen().iter().all(|seen| seen.version == version), "{way:?}");
        let connection = stage.seen()[0].connection;
        assert!(stage.seen().iter().all(|seen| seen.connection == connection), "one connection did: {way:?}");
    }
}

#[tokio::test]
async fn the_forwarded_request_is_written_anew_and_nothing_else() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let authority = upstream.address;
    let auth = "Authorization: Bearer SIM-access-raw-1\r\n";
    for (sent, expected) in [
        (
            "GET /v1/account/list?a=b HTTP/1.1\r\nHost: localhost:8080\r\nACCEPT:  */*  \r\n\r\n",
            format!("GET /v1/account/list?a=b HTTP/1.1\r\nHost: {authority}\r\nACCEPT: */*\r\n{auth}\r\n"),
        ),
        // Not in RFC 3986, and seen all the same.
        (
            "GET /v1/account/list?q=\"<>[]^`{|}\\ HTTP/1.1\r\nHost: localhost\r\n\r\n",
            format!("GET /v1/account/list?q=\"<>[]^`{{|}}\\ HTTP/1.1\r\nHost: {authority}\r\n{auth}\r\n"),
        ),
        // RFC 9112 §3.2.2: a server must take the absolute form; what is sent on is the origin form.
        (
            "GET http://LocalHost/v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
            format!("GET /v1/account/list HTTP/1.1\r\nHost: {authority}\r\n{auth}\r\n"),
        ),
        // RFC 9110 §8.6: a POST without a body says so.
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
            format!("POST /v1/order/list HTTP/1.1\r\nHost: {authority}\r\n{auth}Content-Length: 0\r\n\r\n"),
        ),
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            format!("POST /v1/order/list HTTP/1.1\r\nHost: {authority}\r\n{auth}Content-Length: 0\r\n\r\n"),
        ),
        // RFC 9112 §7.1: the chunked coding, its extensions and trailers end here.
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n\
             1;ext=\"q\"\r\n{\r\n00001\r\n}\r\n0;last\r\nX-Sum: 1\r\nAuthorization: Bearer theirs\r\n\r\n",
            format!(
                "POST /v1/order/list HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n{auth}Content-Length: 2\r\n\r\n{{}}"
            ),
        ),
    ] {
        client.send(sent).await;
        let request = upstream.request().await;
        assert_eq!(String::from_utf8(request.raw.clone()).unwrap(), expected);
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn a_body_of_any_size_arrives_whole_before_upstream_sees_a_byte() {
    let (mut upstream, proxy) = raw().await;
    // Around the sizes at which a body is copied, written apart, and still allowed.
    for size in [1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 1024 * 1024] {
        let body: Vec<u8> = (0..size).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
        let mut client = proxy.client().await;
        let head = format!(
            "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        );
        client.send(head).await;
        client.send(&body[..size - 1]).await;
        // A whole exchange on another connection: had the first one been passed on, upstream would know by now.
        let mut other = proxy.client().await;
        other.send("GET /v1/other HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let request = upstream.request().await;
        assert!(request.head.start.contains("/v1/other"), "{:?}", request.head);
        request.ok("").await;
        other.answer().await;
        upstream.is_untouched();

        client.send(&body[size - 1..]).await;
        let request = upstream.request().await;
        assert!(request.body == body, "{size} bytes came as {}", request.body.len());
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn connections_persist_as_rfc_9112_section_9_3_says() {
    let stage = Stage::new().await;
    for (version, connection, says, persists) in [
        ("1.1", "", None, true),
        ("1.1", "Connection: keep-alive\r\n", None, true),
        ("1.1", "Connection: close\r\n", Some("close"), false),
        ("1.1", "Connection: X-Y,  CLOSE \r\n", Some("close"), false),
        ("1.0", "", Some("close"), false),
        ("1.0", "Connection: Keep-Alive\r\n", Some("keep-alive"), true),
    ] {
        let mut client = stage.client().await;
        let request = format!("GET /v1/account/list HTTP/{version}\r\nHost: localhost\r\n{connection}\r\n");
        client.send(&request).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.header("connection")), (200, says), "{request:?}");
        if persists {
            client.send(&request).await;
            assert_eq!(client.answer().await.status(), 200, "{request:?}");
        } else {
            assert_eq!(client.end().await, End::Closed, "{request:?}");
        }
    }
    // RFC 9112 §3.2: HTTP/1.0 needs no Host.
    let mut client = stage.client().await;
    client.send("GET /v1/account/list HTTP/1.0\r\n\r\n").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn pipelined_requests_are_served_one_after_another_in_order() {
    // RFC 9112 §9.3.2.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let requests: String = (0..5)
        .map(|n| client::write(&format!("POST /v1/order/list?{n}"), &format!("{{\"n\":{n}}}")))
        .collect();
    client.send(requests).await;
    for n in 0..5 {
        let request = upstream.request().await;
        assert_eq!(request.head.start, format!("POST /v1/order/list?{n} HTTP/1.1"));
        assert_eq!(request.body, format!("{{\"n\":{n}}}").into_bytes());
        upstream.is_untouched();
        request.ok(&n.to_string()).await;
        assert_eq!(client.answer().await.text(), n.to_string());
    }
}

#[tokio::test]
async fn a_caller_that_expects_100_continue_gets_it_only_if_its_body_is_wanted() {
    // RFC 9110 §10.1.1.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let head = |kind: &str, length: usize| {
        format!(
            "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    client.send(head("application/json", 2)).await;
    assert_eq!(message::status(&client.head().await), 100);
    client.send("{}").await;
    let request = upstream.request().await;
    assert_eq!((request.all("expect"), request.body.as_slice()), (vec![], &b"{}"[..]));
    request.ok("1").await;
    assert_eq!(client.answer().await.text(), "1");

    // Nobody waits for it who has sent the body along, nor where there is none.
    client.send(head("application/json", 2) + "{}").await;
    upstream.request().await.ok("2").await;
    let answer = client.answer().await;
    assert_eq!((answer.text(), answer.interim.len()), ("2", 0));
    client.send(head("application/json", 0)).await;
    upstream.request().await.ok("3").await;
    assert_eq!(client.answer().await.interim.len(), 0);

    for (kind, length, status) in [("text/plain", 2, 415), ("application/json", 2 << 20, 413)] {
        let mut client = proxy.client().await;
        client.send(head(kind, length)).await;
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.interim.len()), (status, 0));
        // RFC 9110 §10.1.1: whether the body follows nobody can know, so the connection ends.
        assert_eq!(answer.header("connection"), Some("close"));
        client.finish().await;
        assert_eq!(client.end().await, End::Closed);
    }
    upstream.is_untouched();
}

#[tokio::test]
async fn a_request_arrives_however_it_is_cut_into_pieces() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let text = client::write("POST /v1/order/list?a\r\nX-Test-A: 1", "{\"a\":1}");
    for byte in text.as_bytes() {
        client.send([*byte]).await;
    }
    let request = upstream.request().await;
    assert_eq!((request.body.as_slice(), request.all("x-test-a")), (&b"{\"a\":1}"[..], vec!["1"]));
    request.ok("").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_line_end_too_many_belongs_to_no_request() {
    // RFC 9112 §2.2: old clients end a body with one.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for _ in 0..2 {
        client.send(client::write("POST /v1/order/placeorder", ORDER)).await;
        client.send("\r\n").await;
        let request = upstream.request().await;
        assert_eq!(request.body, ORDER.as_bytes());
        request.ok("{}").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

#[tokio::test]
async fn http_1_0_knows_no_switch_of_protocols() {
    // RFC 9110 §7.8: ignored there.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send("GET /v1/account/list HTTP/1.0\r\nUpgrade: websocket\r\n\r\n").await;
    let request = upstream.request().await;
    assert_eq!(request.all("upgrade"), Vec::<String>::new());
    request.ok("[]").await;
    assert_eq!(client.answer().await.status(), 200);
}

#[tokio::test]
async fn a_caller_that_has_closed_its_half_gets_its_answer() {
    // RFC 9112 §9.6: closing one direction is not leaving.
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let mut client = stage.client().await;
        client.send(client::write("POST /v1/order/placeorder", ORDER)).await;
        client.finish().await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), 200, "{way:?}");
        assert!(answer.json()["orderId"].is_i64(), "{way:?} {}", answer.text());
        assert_eq!(client.end().await, End::Closed, "{way:?}");
    }
}
