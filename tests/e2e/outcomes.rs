//! What a caller is told when upstream fails, what is sent again, and what never is.
//!
//! The rule: an order goes out at most once, and of every request its caller learns whether it was answered, was
//! not sent, or has an unknown outcome; and "not sent" is never said of a request that upstream has seen.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tradovate_proxy::sandbox::{Action, Fault};

use crate::support::{
    Answer, Client, RawUpstream,
    client::{End, write},
    stage::{ORDER, Stage, Way},
    upstream::{raw, raw_with},
    within,
};

const READ: &str = "GET /v1/account/list";
const ORDERS: &str = "POST /v1/order/placeorder";

/// A failure of upstream's, as its caller is told.
fn is_failure(answer: &Answer, status: u16, code: &str, outcome: &str, context: &str) {
    assert_eq!((answer.status(), answer.problem().as_str()), (status, code), "{context}");
    assert_eq!(answer.outcome(), Some(outcome), "{context}");
    assert_eq!(answer.json()["outcome"], outcome, "{context}");
    // The request was read whole, so the caller's connection is none the worse.
    assert_eq!(answer.header("connection"), None, "{context}");
}

#[tokio::test]
async fn what_cannot_be_connected_is_not_sent() {
    let Stage { sandbox, proxy, .. } = Stage::new().await;
    sandbox.shutdown().await;
    let mut client = proxy.client().await;
    for (request, body, operation, effect) in
        [(READ, "", "account-list", "read"), (ORDERS, ORDER, "place-order", "order")]
    {
        let answer = client.ask(request, body).await;
        is_failure(&answer, 502, "cannot-connect", "not-sent", request);
        assert!(answer.json()["help"].as_str().unwrap().contains("safe to try again"));
        let labels =
            [("operation", operation), ("effect", effect), ("status", "502"), ("outcome", "connect-failed")];
        proxy.counts(&labels, 1.0).await;
    }
}

#[tokio::test]
async fn a_tls_handshake_that_fails_sends_nothing() {
    let Stage { sandbox, proxy, .. } = Stage::by(Way::Tls).await;
    let address = sandbox.https_addr().unwrap();
    sandbox.shutdown().await;
    let impostor = tokio::net::TcpListener::bind(address).await.unwrap();
    let impostor = tokio::spawn(async move {
        let (mut stream, _) = impostor.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        received
    });
    let answer = proxy.ask(ORDERS, ORDER).await;
    is_failure(&answer, 502, "tls-failed", "not-sent", "no TLS");
    let received = within("the proxy to hang up", impostor).await.unwrap();
    assert!(!String::from_utf8_lossy(&received).contains("placeorder"));
    proxy.counts(&[("operation", "place-order"), ("outcome", "connect-failed")], 1.0).await;
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_leaves_the_outcome_unknown() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "80ms")).await;
    let mut client = proxy.client().await;
    for (request, body) in [(READ, ""), (ORDERS, ORDER)] {
        for begun in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
            client.send(write(request, body)).await;
            let mut received = upstream.request().await;
            received.write(begun).await;
            let answer = client.answer().await;
            is_failure(&answer, 504, "upstream-too-slow", "unknown", request);
            assert!(answer.json()["help"].as_str().unwrap().contains("before you send it again"));
            // What it may yet answer is nobody's any more.
            received.left().await;
        }
    }
    upstream.is_untouched();
    let labels = [("operation", "place-order"), ("status", "504"), ("outcome", "unknown-timeout")];
    proxy.counts(&labels, 2.0).await;
}

#[tokio::test]
async fn an_answer_that_is_no_http_leaves_the_outcome_unknown() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for (answer, code) in [
        ("garbage\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "bad-answer"),
        ("HTTP/3.0 200 OK\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 20 OK\r\n\r\n", "bad-answer"),
        ("HTTP/1.1 200 OK\r\nX: ", "connection-lost"),
    ] {
        client.send(write(ORDERS, ORDER)).await;
        let mut request = upstream.request().await;
        request.write(answer).await;
        if code == "connection-lost" {
            request.close().await;
        } else {
            tokio::spawn(request.left());
        }
        is_failure(&client.answer().await, 502, code, "unknown", answer);
    }
    upstream.is_untouched();
    let head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(20 * 1024));
    client.send(write(ORDERS, ORDER)).await;
    let mut request = upstream.request().await;
    request.write(head).await;
    is_failure(&client.answer().await, 502, "bad-answer", "unknown", "a head without end");
    proxy.counts(&[("operation", "place-order"), ("outcome", "unknown-broken")], 11.0).await;
}

#[tokio::test]
async fn a_connection_that_dies_under_an_order_leaves_the_outcome_unknown_and_sends_nothing_again() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    for reused in [false, true] {
        for how in [End::Closed, End::Reset] {
            if reused {
                // So that the connection has been used, and looks well.
                client.send(write(READ, "")).await;
                upstream.request().await.ok("").await;
                client.answer().await;
            }
            client.send(write(ORDERS, ORDER)).await;
            let request = upstream.request().await;
            request.end(how).await;
            let answer = client.answer().await;
            is_failure(&answer, 502, "connection-lost", "unknown", &format!("reused {reused}, {how:?}"));
            upstream.is_untouched();
        }
    }
    proxy.counts(&[("operation", "place-order"), ("outcome", "unknown-broken")], 4.0).await;
}

#[tokio::test]
async fn a_read_on_a_connection_that_had_gone_stale_is_sent_once_more_on_a_fresh_one() {
    // RFC 9112 §9.3.1: a connection may close at any time; an idempotent request may be repeated.
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    let warm_up = async |client: &mut Client, upstream: &mut RawUpstream| {
        client.send(write(READ, "")).await;
        upstream.request().await.ok("").await;
        client.answer().await;
    };
    for how in [End::Closed, End::Reset] {
        warm_up(&mut client, &mut upstream).await;
        client.send(write(READ, "")).await;
        let stale = upstream.request().await;
        let before = stale.connection;
        stale.end(how).await;
        let again = upstream.request().await;
        assert!(again.connection > before, "on a fresh connection");
        again.ok("again").await;
        assert_eq!(client.answer().await.text(), "again");
    }
    // Once more, and no more than that.
    warm_up(&mut client, &mut upstream).await;
    client.send(write(READ, "")).await;
    upstream.request().await.close().await;
    upstream.request().await.close().await;
    is_failure(&client.answer().await, 502, "connection-lost", "unknown", "twice");
    // Nor after a byte of the answer, nor on a connection that was fresh.
    warm_up(&mut client, &mut upstream).await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    request.write("H").await;
    request.close().await;
    is_failure(&client.answer().await, 502, "connection-lost", "unknown", "a byte");
    client.send(write(READ, "")).await;
    upstream.request().await.close().await;
    is_failure(&client.answer().await, 502, "connection-lost", "unknown", "fresh");
    upstream.is_untouched();
}

#[tokio::test]
async fn an_answer_that_breaks_off_never_ends_as_if_it_were_whole() {
    // RFC 9112 §8: a caller must be able to tell.
    let (mut upstream, proxy) = raw().await;
    for (version, answer) in [
        ("1.1", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n12345"),
        ("1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
        ("1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n"),
        ("1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\nnonsense\r\n"),
        ("1.1", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345-\r\n"),
        // HTTP/1.0 has only the connection's end to go by, so that must not look like one.
        ("1.0", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"),
        ("1.0", "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n12345"),
    ] {
        let mut client = proxy.client().await;
        client.send(format!("GET /v1/account/list HTTP/{version}\r\nHost: localhost\r\n\r\n")).await;
        let mut request = upstream.request().await;
        request.write(answer).await;
        let head = client.head().await;
        request.close().await;
        let context = format!("HTTP/{version} {answer:?}");
        assert_eq!(head.only("content-length").is_some(), answer.contains("Length"), "{context}");
        // A reset may overtake what was written before it: that it ends in one is what counts.
        assert_eq!(client.breaks_off().await, End::Reset, "{context}");
    }
    proxy.counts(&[("operation", "account-list"), ("status", "200"), ("outcome", "truncated")], 7.0).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn an_answer_that_stalls_is_broken_off() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_UPSTREAM_IDLE", "80ms")).await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n12345").await;
    assert_eq!(client.head().await.only("content-length"), Some("9999"));
    assert_eq!(client.breaks_off().await, End::Reset);
    request.left().await;
    // A short one is looked into before it is passed on, so that its caller can still be told.
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345").await;
    is_failure(&client.answer().await, 504, "upstream-too-slow", "unknown", "a short answer");
    request.left().await;
}

#[tokio::test]
async fn a_caller_that_takes_nothing_more_is_left() {
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with("TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE", "80ms")).await;
    let mut client = proxy.client().await;
    client.send(write(READ, "")).await;
    let mut request = upstream.request().await;
    request.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 1_u64 << 40)).await;
    client.head().await;
    // More than every buffer on the way holds, until the proxy gives both sides up.
    request.floods_until_left().await;
    proxy.counts(&[("operation", "account-list"), ("outcome", "caller-gone")], 1.0).await;
}

#[tokio::test]
async fn an_order_whose_caller_has_left_is_still_read_to_its_answer() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(write(ORDERS, ORDER)).await;
    let request = upstream.request().await;
    drop(client);
    request.ok("{}").await;
    proxy.counts(&[("operation", "place-order"), ("status", "200")], 1.0).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn not_sent_is_never_said_of_a_request_that_upstream_has_seen() {
    let faults = [
        Action::Close,
        Action::Reset,
        Action::ResetUnread,
        Action::Hang,
        Action::Empty,
        Action::Html,
        Action::GarbageJson,
        Action::CutBody { after_bytes: 3 },
        Action::TruncatedJson,
        Action::Raw { text: "HTTP/1.1 100 Continue\r\n\r\n".to_owned() },
        Action::Raw { text: "nonsense".to_owned() },
        Action::Raw { text: String::new() },
        Action::Respond { status: 401, headers: Vec::new(), body: String::new() },
        Action::Respond { status: 421, headers: Vec::new(), body: String::new() },
        Action::Respond { status: 503, headers: Vec::new(), body: String::new() },
    ];
    for way in Way::ALL {
        let stage =
            Stage::with(way, |setup| setup.with("TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "150ms")).await;
        for warm in [false, true] {
            for action in &faults {
                for (request, path, body, most) in
                    [(READ, "account/list", "", 2), (ORDERS, "order/placeorder", ORDER, 1)]
                {
                    // A raw answer breaks a TLS record or a frame; what then comes of it is chance, not a rule.
                    let is_raw = matches!(action, Action::Raw { .. });
                    if way != Way::Plain && is_raw {
                        continue;
                    }
                    let mut client = stage.client().await;
                    if warm {
                        client.ask("GET /v1/user/list", "").await;
                    }
                    stage.control().forget_requests();
                    stage.control().inject(Fault::next(path, action.clone()).handled());
                    client.send(write(request, body)).await;
                    let answered = client.try_answer_to(request).await;
                    stage.control().clear_faults();
                    let context = format!("{way:?} warm {warm} {action:?} {request}");
                    let seen = stage.control().requests_to(path).len();
                    assert!((1..=most).contains(&seen), "{context}: seen {seen} times");
                    let outcome = answered.as_ref().ok().and_then(|answer| answer.outcome());
                    assert_ne!(outcome, Some("not-sent"), "{context}");
                }
            }
        }
        let orders = stage.control().entities("order").len();
        let placed = if way == Way::Plain { 2 * faults.len() } else { 2 * (faults.len() - 3) };
        // One whose body was never read could not be carried out.
        assert_eq!(orders, placed - 2, "{way:?}: each was carried out once");
    }
}

#[tokio::test]
async fn an_order_of_which_only_a_part_could_be_written_has_an_unknown_outcome() {
    // More than the buffers on the way hold, so that the connection dies while it is being written.
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(16 << 20));
    for way in Way::ALL {
        let stage = Stage::with(way, |setup| setup.with("TRADOVATE_PROXY_LIMIT_BODY_BYTES", "20MiB")).await;
        for warm in [false, true] {
            let mut client = stage.client().await;
            if warm {
                client.ask(READ, "").await;
            }
            stage.control().forget_requests();
            stage.control().inject(Fault::next("order/placeorder", Action::ResetUnread));
            let answer = client.ask(ORDERS, &large).await;
            is_failure(&answer, 502, "connection-lost", "unknown", &format!("{way:?} warm {warm}"));
            assert_eq!(stage.seen().len(), 1, "{way:?} warm {warm}: {:?}", stage.seen());
        }
    }
}
