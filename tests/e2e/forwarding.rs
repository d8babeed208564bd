//! Requests and answers pass as they are, whatever their form, over every way to upstream.

use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    client::{self, End},
    message,
    stage::{ORDER, Stage, Way},
    upstream::raw,
    within,
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
            ("PUT", "/v1/no/such/%C3%A4", "{\"a\": [1,  2]}\n"),
            ("PATCH", "/v1/order/list", "not json at all \u{0}\u{7f}"),
            ("DELETE", "/v1/order/list?id=1", ""),
            ("DELETE", "/v1/order/list", "{}"),
            ("OPTIONS", "/v1/order/list", ""),
            // RFC 9110 §9.1: methods are case-sensitive and open-ended.
            ("get", "/v1/account/list", ""),
            ("PROPFIND", "/v1/account/list", ""),
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
        // RFC 9112 §3.2.2: a server must take the absolute form; what is sent on is the origin form.
        (
            "GET http://LocalHost/v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
            format!("GET /v1/account/list HTTP/1.1\r\nHost: {authority}\r\n{auth}\r\n"),
        ),
        // RFC 9110 §8.6: a POST without a body says so.
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: a\r\n\r\n",
            format!("POST /v1/order/list HTTP/1.1\r\nHost: {authority}\r\n{auth}Content-Length: 0\r\n\r\n"),
        ),
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
            format!("POST /v1/order/list HTTP/1.1\r\nHost: {authority}\r\n{auth}Content-Length: 0\r\n\r\n"),
        ),
        // RFC 9112 §7.1: the chunked coding, its extensions and trailers end here.
        (
            "POST /v1/order/list HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTrailer: X-Sum\r\nTransfer-Encoding: Chunked\r\n\r\n\
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
            "POST /v1/order/list HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        );
        client.send(head).await;
        client.send(&body[..size - 1]).await;
        // A whole exchange on another connection: had the first one been passed on, upstream would know by now.
        let mut other = proxy.client().await;
        other.send("GET /v1/other HTTP/1.1\r\nHost: a\r\n\r\n").await;
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
        let request = format!("GET /v1/account/list HTTP/{version}\r\nHost: a\r\n{connection}\r\n");
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
async fn answers_without_a_body_leave_the_connection_in_step() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for (method, answer, length) in [
        // RFC 9110 §9.3.2: the fields of a GET's answer, and no body.
        ("HEAD", "200 OK\r\nContent-Length: 12345\r\n", Some("12345")),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked\r\n", None),
        ("HEAD", "404 Not Found\r\nContent-Length: 0\r\n", Some("0")),
        // RFC 9110 §15.3.5, §8.6: no body and no length.
        ("GET", "204 No Content\r\n", None),
        ("POST", "204 No Content\r\nContent-Length: 0\r\n", None),
        // RFC 9110 §15.4.5: no body, whatever its length would have been.
        ("GET", "304 Not Modified\r\nContent-Length: 17\r\n", Some("17")),
        ("GET", "304 Not Modified\r\n", None),
        ("GET", "200 OK\r\nContent-Length: 0\r\n", Some("0")),
    ] {
        let request = format!("{method} /v1/account/list");
        client.send(client::write(&request, "")).await;
        upstream.request().await.answer(format!("HTTP/1.1 {answer}X-Test-A: b\r\n\r\n")).await;
        let passed = client.answer_to(&request).await;
        assert_eq!(passed.head.start, format!("HTTP/1.1 {}", answer.lines().next().unwrap()));
        assert_eq!(passed.header("content-length"), length, "{method} {answer:?}");
        assert_eq!((passed.header("x-test-a"), passed.body.as_slice()), (Some("b"), &b""[..]));
        // Had a byte of a body been written or awaited, the next answer would not be read as one.
        client.send(client::write("GET /v1/account/list", "")).await;
        upstream.request().await.ok("next").await;
        assert_eq!(client.answer().await.text(), "next", "after {method} {answer:?}");
    }
}

#[tokio::test]
async fn a_head_request_has_no_body_over_any_way() {
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let mut client = stage.client().await;
        let whole = client.ask("GET /v1/account/list", "").await;
        let head = client.ask("HEAD /v1/account/list", "").await;
        assert_eq!((head.status(), head.body.len()), (200, 0), "{way:?}");
        let length = whole.body.len().to_string();
        assert_eq!(head.header("content-length"), Some(length.as_str()), "{way:?}");
        assert_eq!(client.ask("GET /v1/account/list", "").await.body, whole.body, "{way:?}");

        // Over HTTP/2 this answer does not end with its head, and still has no body.
        let fields = [("x-test-sum".to_owned(), "abc".to_owned())].into();
        stage.control().inject(Fault::next("no/such", Action::Trailers { fields }));
        assert_eq!(client.ask("HEAD /v1/no/such", "").await.status(), 404, "{way:?}");
        // To a GET it may end with it, and then is one of no bytes, which HTTP/1.1 must say.
        let empty = client.ask("GET /v1/no/such", "").await;
        assert_eq!((empty.status(), empty.header("content-length")), (404, Some("0")), "{way:?}");
    }
}

#[tokio::test]
async fn statuses_and_reasons_pass_as_upstream_worded_them() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for line in ["200 Fine by me", "201 ", "299 Odd", "404 Not Found", "429 Slow Down", "503 x", "599 Mine"] {
        client.send(client::write("GET /v1/account/list", "")).await;
        upstream.request().await.answer(format!("HTTP/1.1 {line}\r\nContent-Length: 2\r\n\r\n{{}}")).await;
        let answer = client.answer().await;
        assert_eq!(answer.head.start, format!("HTTP/1.1 {line}"));
        assert_eq!((answer.text(), answer.outcome()), ("{}", None));
    }
}

#[tokio::test]
async fn a_caller_that_expects_100_continue_gets_it_only_if_its_body_is_wanted() {
    // RFC 9110 §10.1.1.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let head = |kind: &str, length: usize| {
        format!(
            "POST /v1/order/list HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nExpect: 100-Continue\r\nContent-Length: {length}\r\n\r\n"
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
async fn interim_answers_pass_to_those_who_can_know_them() {
    // RFC 9110 §15.2: not to HTTP/1.0; 100 answers an expectation that upstream was never told of.
    let (mut upstream, proxy) = raw().await;
    let early = "HTTP/1.1 103 Early Hints\r\nX-Test-Hint: a\r\nSet-Cookie: a=b\r\nConnection: X-Test-Hop\r\nX-Test-Hop: c\r\n\r\n";
    let all = format!("HTTP/1.1 100 Continue\r\n\r\n{early}HTTP/1.1 102 Processing\r\n\r\n{early}");
    for (version, statuses) in [("1.1", vec![103, 102, 103]), ("1.0", vec![])] {
        let mut client = proxy.client().await;
        client.send(format!("GET /v1/account/list HTTP/{version}\r\nHost: a\r\n\r\n")).await;
        let mut request = upstream.request().await;
        request.write(&all).await;
        if version == "1.1" {
            // They do not wait for the answer.
            let interim = client.head().await;
            assert_eq!(interim.fields, [("X-Test-Hint".to_owned(), "a".to_owned())]);
        }
        request.ok("end").await;
        let answer = client.answer().await;
        let passed: Vec<u16> = answer.interim.iter().map(message::status).collect();
        assert_eq!(passed, statuses.get(1..).unwrap_or_default(), "HTTP/{version}");
        assert_eq!(answer.text(), "end");
    }
}

#[tokio::test]
async fn interim_answers_without_end_or_sense_are_an_upstream_that_is_broken() {
    let (mut upstream, proxy) = raw().await;
    for (before, status) in [
        ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(32), 200),
        ("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33), 502),
        ("HTTP/1.1 100 Continue\r\n\r\n".repeat(33), 502),
        // RFC 9110 §15.2.2: only to a request that asked for it.
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n".to_owned(), 502),
    ] {
        let mut client = proxy.client().await;
        client.send(client::write("GET /v1/account/list", "")).await;
        let mut request = upstream.request().await;
        request.write(before + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
        let answer = client.answer().await;
        assert_eq!(answer.status(), status);
        if status == 502 {
            assert_eq!((answer.problem().as_str(), answer.outcome()), ("bad-answer", Some("unknown")));
            request.is_left().await;
        }
    }
}

#[tokio::test]
async fn trailers_follow_a_chunked_body_over_any_way() {
    // RFC 9110 §6.5, RFC 9112 §7.1.2.
    let fields = [("x-test-sum", "abc"), ("set-cookie", "a=b"), ("x-proxy-outcome", "forged")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let trailers = Action::Trailers { fields: fields.into() };
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let mut client = stage.client().await;
        let whole = client.ask("GET /v1/account/list", "").await;
        stage.control().inject(Fault::next("account/list", trailers.clone()).times(2));
        let answer = client.ask("GET /v1/account/list\r\nTE: trailers", "").await;
        assert_eq!(answer.body, whole.body, "{way:?}");
        // hyper's HTTP/1.1 server sends trailers only to those who say `TE`, which is a hop's own business.
        if way == Way::Http2 {
            assert_eq!(answer.trailers, [("x-test-sum".to_owned(), "abc".to_owned())], "{way:?}");
        }
        // HTTP/1.0 knows neither chunks nor trailers.
        let answer = client.ask("GET /v1/account/list HTTP/1.0", "").await;
        assert_eq!((answer.body, answer.head.only("transfer-encoding")), (whole.body, None), "{way:?}");
    }

    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(client::write("GET /v1/account/list", "")).await;
    let chunked = "HTTP/1.1 200 OK\r\nTrailer: X-Test-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\
                   X-Test-Sum:  1 \r\nContent-Length: 9\r\nTransfer-Encoding: gzip\r\nX-Test-Two: 2\r\n\r\n";
    upstream.request().await.answer(chunked).await;
    let answer = client.answer().await;
    assert_eq!(answer.text(), "abc");
    let expected = [("X-Test-Sum", "1"), ("X-Test-Two", "2")];
    assert_eq!(answer.trailers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn an_answer_that_lasts_until_close_ends_properly_for_the_caller() {
    // RFC 9112 §6.3, rule 8.
    let (mut upstream, proxy) = raw().await;
    for (version, coding) in [("1.1", Some("chunked")), ("1.0", None)] {
        for upstreams in ["1.1", "1.0"] {
            let mut client = proxy.client().await;
            client.send(format!("GET /v1/account/list HTTP/{version}\r\nHost: a\r\n\r\n")).await;
            let mut request = upstream.request().await;
            request.write(format!("HTTP/{upstreams} 200 OK\r\n\r\nfirst,")).await;
            let head = client.head().await;
            assert_eq!(head.only("transfer-encoding"), coding);
            let framed = if coding.is_some() { "6\r\nfirst,\r\n" } else { "first," };
            assert_eq!(client.bytes(framed.len()).await, framed.as_bytes());
            request.write("second").await;
            request.close().await;
            let framed = if coding.is_some() { "6\r\nsecond\r\n0\r\n\r\n" } else { "second" };
            assert_eq!(client.bytes(framed.len()).await, framed.as_bytes());
            if coding.is_none() {
                assert_eq!(client.end().await, End::Closed);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_passes_however_it_is_cut_into_pieces() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let answers = [
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test-A: 1\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-Test-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Test-T: 1\r\n\r\n",
    ];
    for text in answers {
        client.send(client::write("GET /v1/account/list", "")).await;
        let mut request = upstream.request().await;
        let (last, rest) = text.as_bytes().split_last().unwrap();
        for byte in rest {
            request.write([*byte]).await;
        }
        request.answer([*last]).await;
        let answer = client.answer().await;
        assert_eq!((answer.text(), answer.header("x-test-a")), ("hello", Some("1")));
        assert_eq!(answer.interim.len(), usize::from(text.contains(" 103 ")));
    }
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

#[tokio::test]
async fn an_upstream_connection_is_used_again_only_if_it_is_clean() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let ask = client::write("GET /v1/account/list", "");
    let mut last = None;
    for (answer, reusable) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", true),
        // RFC 9112 §9.3: not without being told so.
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok", false),
        // Bytes that nobody asked for would be taken for the next answer.
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false),
    ] {
        client.send(&ask).await;
        let mut request = upstream.request().await;
        assert!(last.is_none_or(|last| last == request.connection), "before {answer:?}");
        let connection = request.connection;
        if reusable {
            request.answer(answer).await;
            assert_eq!(client.answer().await.text(), "ok");
        } else {
            request.write(answer).await;
            assert_eq!(client.answer().await.text(), "ok");
            request.is_left().await;
        }
        last = reusable.then_some(connection);
    }
}

#[tokio::test]
async fn an_upstream_connection_that_has_been_closed_or_has_spoken_out_of_turn_is_not_used() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let order = client::write("POST /v1/order/placeorder", ORDER);
    for parting in ["", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"] {
        client.send(&order).await;
        let mut request = upstream.request().await;
        let before = request.connection;
        request.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert_eq!(client.answer().await.text(), "ok");
        // The connection rests now; what comes on it comes to nobody.
        request.write(parting).await;
        if parting.is_empty() {
            request.close().await;
        } else {
            // Held open: silence is what makes it fit for use, not that it is open.
            tokio::spawn(request.is_left());
        }
        client.send(&order).await;
        let request = within("the order on a new connection", upstream.request()).await;
        assert!(request.connection > before);
        request.ok("2").await;
        assert_eq!(client.answer().await.text(), "2");
        upstream.is_untouched();
    }
}
