//! What HTTP/2 can say to a request, frame by frame. RFC 9113 §8.7 lets a client send some of them again; an order is
//! none of those, since nothing shows that whoever says "refused" speaks for the broker.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tradovate_proxy::clock::Clock;

use super::{
    Effect,
    origin::{Certificate, Desk, serve, setup},
    record::Arrivals,
};
use crate::support::{Client, Proxy, stage::Way, within};

/// An upstream that answers session calls by itself, over HTTP/1.1, and hands every HTTP/2 connection to the test.
struct Upstream {
    connections: mpsc::UnboundedReceiver<Frames>,
}

/// One HTTP/2 connection, in frames (RFC 9113 §4).
struct Frames(TlsStream<TcpStream>);

async fn upstream() -> (Upstream, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, certificate) = (Clock::simulated_from_now(), Certificate::make());
    let (answering, answers) = watch::channel(true);
    let desk = Desk { arrivals: Arrivals::default(), answering: answers, clock: clock.clone() };
    let acceptor = TlsAcceptor::from(Arc::clone(&certificate.tls));
    let (sender, connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let _answering = answering;
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                // The test may have ended.
                let _ = sender.send(Frames(stream));
            } else {
                tokio::spawn(serve(stream, desk.clone()));
            }
        }
    });
    let proxy = setup(Way::Http2, address, &clock, &certificate.pem).live().await;
    (Upstream { connections }, proxy)
}

impl Upstream {
    async fn connection(&mut self) -> Frames {
        let mut frames =
            within("a connection", self.connections.recv()).await.expect("an upstream that runs");
        let mut preface = [0; 24];
        frames.0.read_exact(&mut preface).await.unwrap();
        assert!(preface.starts_with(b"PRI * HTTP/2.0"), "{preface:?}");
        frames.write(SETTINGS, 0, 0, &[]).await;
        frames
    }

    /// Asserts that no other connection has come.
    fn has_no_more(&mut self) {
        assert!(self.connections.try_recv().is_err(), "another connection");
    }
}

impl Frames {
    /// Reads a request to its end; returns its stream and its body. `None` if the proxy leaves instead.
    async fn request(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut body = Vec::new();
        loop {
            let (kind, flags, stream, payload) = within("a frame", self.read()).await?;
            match kind {
                SETTINGS | PING if flags & ACK == 0 => {
                    let payload = if kind == PING { payload } else { Vec::new() };
                    self.write(kind, ACK, 0, &payload).await;
                }
                HEADERS | DATA => {
                    if kind == DATA {
                        body.extend(payload);
                    }
                    if flags & END_STREAM != 0 {
                        return Some((stream, body));
                    }
                }
                GOAWAY => return None,
                _ => {}
            }
        }
    }

    /// Allows so many requests at once (RFC 9113 §5.1.2), and waits until the proxy goes by it.
    async fn allows(&mut self, requests: u32) {
        let setting = [&MAX_CONCURRENT_STREAMS.to_be_bytes()[..], &requests.to_be_bytes()].concat();
        self.write(SETTINGS, 0, 0, &setting).await;
        self.write(PING, 0, 0, b"settings").await;
        // Frames are taken in their order.
        while self.read().await.unwrap().0 != PING {}
    }

    async fn read(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some((kind, flags, u32::from_be_bytes(stream) & 0x7fff_ffff, payload))
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&[a, b, c, kind, flags][..], &stream.to_be_bytes()].concat();
        // The proxy may have left.
        let _ = self.0.write_all(&[&head, payload].concat()).await;
        let _ = self.0.flush().await;
    }

    /// Answers 200 without a body: `:status: 200` is the eighth entry of the static table (RFC 7541, appendix A).
    async fn ok(&mut self, stream: u32) {
        self.write(HEADERS, END_STREAM | END_HEADERS, stream, &[0x88]).await;
    }

    async fn go_away(&mut self, last: u32, error: u32) {
        self.write(GOAWAY, 0, 0, &[last.to_be_bytes(), error.to_be_bytes()].concat()).await;
    }
}

/// What upstream does with a request that it has read.
#[derive(Clone, Copy, Debug)]
enum Reply {
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// `GOAWAY` that counts this request as one that may have been worked on, or not; and the end.
    GoAway { covers: bool, error: u32 },
    /// The end, without a word.
    Close,
}

#[tokio::test]
async fn no_frame_makes_an_order_or_a_write_go_out_again_or_pass_for_one_that_was_not_sent() {
    let (mut upstream, proxy) = upstream().await;
    let mut client = proxy.client().await;
    let mut number = 0;
    let resets = (0..=0xd).map(Reply::Reset);
    let others = [
        Reply::GoAway { covers: true, error: 0 },
        Reply::GoAway { covers: false, error: 0 },
        Reply::GoAway { covers: false, error: REFUSED_STREAM },
        Reply::GoAway { covers: true, error: 0xb },
        Reply::Close,
    ];
    let mut kept = None;
    for effect in Effect::UNREPEATABLE {
        for (reply, reused) in resets.clone().chain(others).flat_map(|reply| [(reply, false), (reply, true)])
        {
            let context = format!("{effect:?}, {reply:?}, reused {reused}");
            if reused && kept.is_none() {
                // So that the connection has carried a request before.
                client.send(Effect::Read.request(0)).await;
                let mut frames = upstream.connection().await;
                let (stream, _) = frames.request().await.expect("a request");
                frames.ok(stream).await;
                assert_eq!(client.answer().await.status(), 200, "{context}");
                kept = Some(frames);
            } else if !reused && let Some(mut frames) = kept.take() {
                frames.go_away(0x7fff_ffff, 0).await;
                assert!(frames.request().await.is_none(), "{context}");
            }
            number += 1;
            client.send(effect.request(number)).await;
            let mut frames = match kept.take() {
                Some(frames) => frames,
                None => upstream.connection().await,
            };
            let (stream, body) = frames.request().await.unwrap_or_else(|| panic!("no request: {context}"));
            assert!(String::from_utf8_lossy(&body).contains(&format!("{number:06}")), "{context}");
            match reply {
                Reply::Reset(code) => frames.write(RST_STREAM, 0, stream, &code.to_be_bytes()).await,
                Reply::GoAway { covers, error } => {
                    frames.go_away(if covers { stream } else { stream - 1 }, error).await;
                    frames.0.shutdown().await.unwrap();
                }
                Reply::Close => frames.0.shutdown().await.unwrap(),
            }
            let answer = client.answer().await;
            assert_eq!((answer.status(), answer.outcome()), (502, Some("unknown")), "{context}");
            assert_eq!(answer.problem(), "connection-lost", "{context}");
            upstream.has_no_more();
            if matches!(reply, Reply::Reset(_)) {
                // The connection lives on, and what comes next on it is the next request.
                client.send(Effect::Read.request(0)).await;
                let (stream, body) =
                    frames.request().await.unwrap_or_else(|| panic!("no request: {context}"));
                assert!(body.is_empty(), "sent again: {context}");
                frames.ok(stream).await;
                assert_eq!(client.answer().await.status(), 200, "{context}");
                kept = Some(frames);
            }
        }
    }
}

#[tokio::test]
async fn an_order_under_a_graceful_goodbye_gets_its_answer() {
    // RFC 9113 §6.8: streams up to the last one named are still answered.
    let (mut upstream, proxy) = upstream().await;
    let mut client = proxy.client().await;
    client.send(Effect::Order.request(1)).await;
    let mut frames = upstream.connection().await;
    let (stream, _) = frames.request().await.expect("a request");
    frames.go_away(stream, 0).await;
    frames.ok(stream).await;
    assert_eq!(client.answer().await.status(), 200);
    // The next one goes elsewhere.
    client.send(Effect::Order.request(2)).await;
    let mut frames = upstream.connection().await;
    let (stream, body) = frames.request().await.expect("a request");
    assert!(String::from_utf8_lossy(&body).contains("000002"));
    frames.ok(stream).await;
    assert_eq!(client.answer().await.status(), 200);
    upstream.has_no_more();
}

#[tokio::test]
async fn an_order_that_waits_for_its_turn_when_a_kill_comes_does_not_leave() {
    let (mut upstream, proxy) = upstream().await;
    let mut client = proxy.client().await;
    client.send(Effect::Order.request(1)).await;
    let mut frames = upstream.connection().await;
    let (first, _) = frames.request().await.expect("a request");
    frames.allows(1).await;
    let mut waiting = [proxy.client().await, proxy.client().await];
    for (client, number) in waiting.iter_mut().zip(2..) {
        client.send(Effect::Order.request(number)).await;
    }
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 3.0).await;
    // Answered on the same thread, so after whatever it could do for those two.
    assert_eq!(proxy.ask("POST /v1/auth/accesstokenrequest", "{}").await.status(), 200);
    let killed = Client::connect(proxy.admin).await.ask("POST /guards/kill", "").await;
    assert_eq!(killed.status(), 200, "{}", killed.text());
    frames.ok(first).await;
    assert_eq!(client.answer().await.status(), 200, "it had left");
    // What comes next is what passes still. Of an order there may be a head, without its body or its end.
    client.send(Effect::Read.request(0)).await;
    let (read, body) = frames.request().await.expect("a request");
    assert_eq!(String::from_utf8_lossy(&body), "");
    frames.ok(read).await;
    assert_eq!(client.answer().await.status(), 200);
    for client in &mut waiting {
        let answer = client.answer().await;
        assert_eq!((answer.status(), answer.problem().as_str()), (403, "guard-kill"), "{}", answer.text());
        assert_eq!(answer.outcome(), Some("not-sent"));
    }
    upstream.has_no_more();
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A setting.
const MAX_CONCURRENT_STREAMS: u16 = 3;

const REFUSED_STREAM: u32 = 7;
