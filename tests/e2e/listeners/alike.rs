//! What holds for a caller, however it came in.

use tradovate_proxy::auth::State;

use crate::support::{
    Answer, RawUpstream,
    client::{Client, write},
    door::{Door, Entrance},
    proxy::Proxy,
    stage::{ORDER, Stage, Way},
    upstream::raw_with,
};

const READ: &str = "GET /v1/account/list";

async fn raw(door: Door) -> (RawUpstream, Proxy, Entrance) {
    let entrance = Entrance::by(door);
    let (upstream, proxy) = raw_with(|setup| entrance.fit(setup)).await;
    (upstream, proxy, entrance)
}

#[tokio::test]
async fn a_connection_carries_request_after_request_and_each_is_answered_in_turn() {
    for door in Door::ALL {
        let entrance = Entrance::by(door);
        let stage = Stage::with(Way::Plain, |setup| entrance.fit(setup)).await;
        let mut client = entrance.enter(&stage.proxy).await;
        for _ in 0..3 {
            let answer = client.ask(READ, "").await;
            assert_eq!((answer.status(), answer.header("connection")), (200, None), "{door:?}");
        }
        // An order, and two more requests behind it that did not wait.
        client.send(write("POST /v1/order/placeorder", ORDER) + &write(READ, "") + &write(READ, "")).await;
        assert!(client.answer().await.text().contains("orderId"), "{door:?}");
        assert!(client.answer().await.text().contains("DEMO15460"), "{door:?}");
        assert!(client.answer().await.text().contains("DEMO15460"), "{door:?}");
        let orders = stage.control().requests_to("order/placeorder");
        assert_eq!(orders.len(), 1, "{door:?}");
    }
}

#[tokio::test]
async fn a_body_that_was_announced_is_asked_for() {
    for door in Door::ALL {
        let (mut upstream, proxy, entrance) = raw(door).await;
        let mut client = entrance.enter(&proxy).await;
        client
            .send("POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            .await;
        assert_eq!(client.head().await.start, "HTTP/1.1 100 Continue", "{door:?}");
        client.send("{}").await;
        let request = upstream.request().await;
        assert_eq!(request.body, b"{}", "{door:?}");
        request.ok("done").await;
        assert_eq!(client.answer().await.text(), "done", "{door:?}");
    }
}

#[tokio::test]
async fn who_has_only_finished_sending_gets_its_answer() {
    for door in Door::ALL {
        let (mut upstream, proxy, entrance) = raw(door).await;
        let mut client = entrance.enter(&proxy).await;
        client.send(write(READ, "")).await;
        client.finish().await;
        upstream.request().await.ok("late").await;
        assert_eq!(client.answer().await.text(), "late", "{door:?}");
        client.end().await;
    }
}

#[tokio::test]
async fn a_large_answer_waits_for_a_slow_reader_and_arrives_whole() {
    for door in Door::ALL {
        let (mut upstream, proxy, entrance) = raw(door).await;
        let mut client = entrance.enter(&proxy).await;
        client.send(write(READ, "")).await;
        let mut request = upstream.request().await;
        request.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n")).await;
        client.head().await;

        // Until the way is full: the one worker has then served another caller twenty times without taking a byte.
        let (mut taken, mut idle_rounds) = (0, 0);
        let mut other = entrance.enter(&proxy).await;
        while idle_rounds < 20 {
            let filled = request.fill();
            taken += filled;
            idle_rounds = if filled == 0 { idle_rounds + 1 } else { 0 };
            assert!(taken < LARGE, "{door:?}: {taken} bytes went towards a caller that reads nothing");
            other.send(write("GET /v1/other", "")).await;
            upstream.request().await.ok("").await;
            assert_eq!(other.answer().await.status(), 200);
        }
        let rest = tokio::spawn(async move {
            request.write(vec![b'.'; LARGE - taken]).await;
            request.answer("").await;
        });
        client.skip(LARGE as u64).await;
        rest.await.unwrap();
        // In step, to the byte.
        client.send(write(READ, "")).await;
        upstream.request().await.ok("next").await;
        assert_eq!(client.answer().await.text(), "next", "{door:?}");
    }
}

#[tokio::test]
async fn half_an_answer_is_seen_to_be_half() {
    for door in Door::ALL {
        for head in ["Content-Length: 1000000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
            let (mut upstream, proxy, entrance) = raw(door).await;
            let mut client = entrance.enter(&proxy).await;
            client.send(write(READ, "")).await;
            let mut request = upstream.request().await;
            request.write(format!("HTTP/1.1 200 OK\r\n{head}")).await;
            client.head().await;
            request.close().await;
            client.breaks_off().await;
            proxy.counts(&[("outcome", "truncated")], 1.0).await;
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_with_its_connection_breaks_off_with_a_reset() {
    // Over a Unix socket there is none, and HTTP/1.0 with an answer of unknown length is the one case that needs it.
    for door in [Door::Tcp, Door::Tls, Door::Mutual] {
        let (mut upstream, proxy, entrance) = raw(door).await;
        let mut client = entrance.enter(&proxy).await;
        client.send("GET /v1/account/list HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
        let mut request = upstream.request().await;
        request.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
        client.head().await;
        request.close().await;
        assert_eq!(client.breaks_off().await, crate::support::client::End::Reset, "{door:?}");
    }
}

#[tokio::test]
async fn an_order_whose_caller_left_while_it_waited_for_a_token_is_not_sent() {
    for door in Door::ALL {
        let (upstream, client, proxy, _entrance) = waiting(door).await;
        drop(client);
        released(&upstream, &proxy).await;
        proxy.counts(&[("outcome", "not-sent"), ("effect", "order")], 1.0).await;
    }
}

#[tokio::test]
async fn an_order_whose_caller_has_stayed_is_sent_once_there_is_a_token() {
    for door in Door::ALL {
        let (mut upstream, mut client, proxy, _entrance) = waiting(door).await;
        // What comes behind it is no sign of having left.
        client.send(write(READ, "")).await;
        released(&upstream, &proxy).await;
        for expected in ["order", "read"] {
            upstream.request().await.ok(expected).await;
            assert_eq!(client.answer().await.text(), expected, "{door:?}");
        }
    }
}

/// A caller whose order waits for a login that has not been answered.
async fn waiting(door: Door) -> (RawUpstream, Client, Proxy, Entrance) {
    let entrance = Entrance::by(door);
    let upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = crate::support::Setup::before(&format!("http://{}", upstream.address), &upstream.clock)
        .with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "15s");
    let proxy = entrance.fit(setup).start().await;
    let mut client = entrance.enter(&proxy).await;
    client.send(write("POST /v1/order/placeorder", ORDER)).await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 1.0).await;
    (upstream, client, proxy, entrance)
}

async fn released(upstream: &RawUpstream, proxy: &Proxy) {
    upstream.answers_session_calls(true);
    proxy.reaches(State::Live).await;
}

#[tokio::test]
async fn a_drain_lets_idle_connections_go_and_finishes_the_rest() {
    for door in Door::ALL {
        let (mut upstream, proxy, entrance) = raw(door).await;
        let mut idle = entrance.enter(&proxy).await;
        idle.send(write(READ, "")).await;
        upstream.request().await.ok("").await;
        idle.answer().await;
        let mut busy = entrance.enter(&proxy).await;
        busy.send(write(READ, "")).await;
        let request = upstream.request().await;
        let stopping = tokio::spawn(proxy.stop());
        // In order: over TLS with its own word for that, else this would be a panic.
        assert_eq!(idle.end().await, crate::support::client::End::Closed, "{door:?}");
        request.ok("whole").await;
        let answer: Answer = busy.answer().await;
        assert_eq!((answer.text(), answer.header("connection")), ("whole", Some("close")), "{door:?}");
        assert_eq!(busy.end().await, crate::support::client::End::Closed, "{door:?}");
        // It lingers until the caller has closed too.
        drop(busy);
        stopping.await.unwrap();
    }
}

const LARGE: usize = 32 << 20;
