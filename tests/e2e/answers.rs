//! Answers pass as they are, whatever their form, over every way to upstream; and what becomes of the connection
//! that they came on.

use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    client::{self, End},
    message,
    stage::{ORDER, Stage, Way},
    upstream::raw,
    within,
};

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
async fn interim_answers_pass_to_those_who_can_know_them() {
    // RFC 9110 §15.2: not to HTTP/1.0; 100 answers an expectation that upstream was never told of.
    let (mut upstream, proxy) = raw().await;
    let early = "HTTP/1.1 103 Early Hints\r\nX-Test-Hint: a\r\nSet-Cookie: a=b\r\nConnection: X-Test-Hop\r\nX-Test-Hop: c\r\n\r\n";
    let all = format!("HTTP/1.1 100 Continue\r\n\r\n{early}HTTP/1.1 102 Processing\r\n\r\n{early}");
    for (version, statuses) in [("1.1", vec![103, 102, 103]), ("1.0", vec![])] {
        let mut client = proxy.client().await;
        client.send(format!("GET /v1/account/list HTTP/{version}\r\nHost: localhost\r\n\r\n")).await;
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
            request.left().await;
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
            client.send(format!("GET /v1/account/list HTTP/{version}\r\nHost: localhost\r\n\r\n")).await;
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
            request.left().await;
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
            tokio::spawn(request.left());
        }
        client.send(&order).await;
        let request = within("the order on a new connection", upstream.request()).await;
        assert!(request.connection > before);
        request.ok("2").await;
        assert_eq!(client.answer().await.text(), "2");
        upstream.is_untouched();
    }
}
