//! What answers say of the session, and second tries at another origin: over real sockets, with a session that the
//! test itself publishes.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

use prometheus::Registry;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::{
    auth::{Publisher, Session, State, Status, channel},
    bearer::Bearer,
    budget::{Budget, Policy},
    callers::{self, Callers, Listener, Rules},
    clock::Clock,
    downstream::{Listeners, SocketAccess},
    idempotency::{Bounds, Journal, Register},
    proxy::{Api, Buffered, Limits, Metrics, Proxy, Timeouts},
    tradovate::Endpoints,
    upstream::{Connector, Upstream, tls},
};

#[test]
fn only_what_speaks_against_the_session_is_a_sign() {
    for (status, with_words, without) in [
        (401, Some(Sign::Refused), Some(Sign::Denied)),
        (408, Some(Sign::Doubtful), Some(Sign::Doubtful)),
        (429, Some(Sign::Doubtful), Some(Sign::Doubtful)),
        (500, Some(Sign::Doubtful), Some(Sign::Doubtful)),
        (503, Some(Sign::Doubtful), Some(Sign::Doubtful)),
        (599, Some(Sign::Doubtful), Some(Sign::Doubtful)),
        (200, None, None),
        (301, None, None),
        (307, None, None),
        (400, None, None),
        (403, None, None),
        (404, None, None),
        (421, None, None),
        (423, None, None),
        (600, None, None),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!((sign(status, || false), sign(status, || true)), (with_words, without), "{status}");
    }
}

const READ: &str = "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\n\r\n";
const ORDER: &str = "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\n\r\n";
const CANCEL: &str = "POST /v1/order/cancelorder HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n\r\n";
const WRITE: &str = "POST /v1/accountRiskStatus/setaccountnotes HTTP/1.1\r\nHost: localhost\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]";
const MOVED: &str =
    "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://b.example/v1/x\r\nContent-Length: 0\r\n\r\n";

#[tokio::test]
async fn a_read_follows_the_session_to_its_new_origin_with_its_new_token() {
    on_stage(1000, async |mut stage, mut caller| {
        caller.write_all(READ.as_bytes()).await.unwrap();
        let mut first = request(&stage.old).await;
        stage.publish(2, stage.new.local_addr().unwrap());
        first.answer(MOVED).await;
        let mut second = request(&stage.new).await;
        assert!(first.text.contains("Bearer token-1") && second.text.contains("Bearer token-2"));
        second.answer(OK).await;
        let answer = read(&mut caller).await;
        assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("X-Proxy-Outcome"), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn there_is_one_second_try_at_most() {
    on_stage(1000, async |mut stage, mut caller| {
        caller.write_all(READ.as_bytes()).await.unwrap();
        let mut first = request(&stage.old).await;
        stage.publish(2, stage.new.local_addr().unwrap());
        first.answer(MOVED).await;
        let mut second = request(&stage.new).await;
        stage.publish(3, stage.old.local_addr().unwrap());
        second.answer(MOVED).await;
        is_passed_on(&read(&mut caller).await);
        stage.is_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn an_order_follows_nowhere() {
    on_stage(1000, async |mut stage, mut caller| {
        caller.write_all(ORDER.as_bytes()).await.unwrap();
        let mut first = request(&stage.old).await;
        stage.publish(2, stage.new.local_addr().unwrap());
        first.answer(MOVED).await;
        is_passed_on(&read(&mut caller).await);
        stage.is_quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_that_does_not_move_leaves_the_redirect_to_the_caller() {
    // Whether it is published anew where it was, or not at all.
    for (patience, republished) in [(1000, true), (20, false)] {
        on_stage(patience, async |mut stage, mut caller| {
            caller.write_all(READ.as_bytes()).await.unwrap();
            let mut first = request(&stage.old).await;
            if republished {
                stage.publish(2, stage.old.local_addr().unwrap());
            }
            first.answer(MOVED).await;
            is_passed_on(&read(&mut caller).await);
            stage.is_quiet().await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_new_origin_that_cannot_be_reached_leaves_the_redirect_to_the_caller() {
    on_stage(1000, async |mut stage, mut caller| {
        let nowhere = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        caller.write_all(READ.as_bytes()).await.unwrap();
        let mut first = request(&stage.old).await;
        stage.publish(2, nowhere);
        first.answer(MOVED).await;
        is_passed_on(&read(&mut caller).await);
    })
    .await;
}

#[tokio::test]
async fn a_caller_that_closes_its_side_while_a_connection_is_opened_has_left_only_if_that_takes_long() {
    let moments = [Duration::ZERO, Duration::from_millis(300)];
    for (request, took) in
        [READ, ORDER, CANCEL, WRITE].into_iter().flat_map(|request| moments.map(|took| (request, took)))
    {
        on_stage(1000, async |mut stage, mut caller| {
            stage.publish_over_tls(2);
            caller.write_all(request.as_bytes()).await.unwrap();
            caller.shutdown().await.unwrap();
            let (opening, _) = stage.old.accept().await.unwrap();
            pass(took).await;
            let mut opened = stage.acceptor.accept(opening).await.unwrap();
            if took.is_zero() || [READ, CANCEL].contains(&request) {
                let mut byte = [0];
                opened.read_exact(&mut byte).await.unwrap();
                opened.write_all(OK.as_bytes()).await.unwrap();
                let answer = read(&mut caller).await;
                assert!(answer.starts_with("HTTP/1.1 200"), "{request:?} {took:?}: {answer}");
            } else {
                let answer = read(&mut caller).await;
                assert!(answer.starts_with("HTTP/1.1 503"), "{request:?} {took:?}: {answer}");
                assert!(answer.contains("\r\nX-Proxy-Outcome: not-sent\r\n"), "{answer}");
                assert!(answer.contains("caller-left"), "{answer}");
                let mut seen = Vec::new();
                // However it ends: the proxy owes nothing to a connection that it has not used.
                let _ = opened.read_to_end(&mut seen).await;
                assert!(seen.is_empty(), "{seen:?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_a_disk_that_hangs_until_its_caller_gives_up() {
    let (register, _disk) = Register::hung();
    on_stage_with(1000, register, async |stage, mut caller| {
        caller.write_all(CANCEL.as_bytes()).await.unwrap();
        let sent = tokio::time::timeout(Duration::from_secs(1), request(&stage.old));
        sent.await.expect("the cancel to be sent before its caller gives up").answer(OK).await;
        let answer = read(&mut caller).await;
        assert!(answer.contains("\r\nX-Proxy-Idempotency: not-kept\r\n"), "{answer}");
    })
    .await;
}

/// Lets time pass, and nothing else that waits for it end before it has.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn is_passed_on(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 307 Temporary Redirect\r\n"), "{answer}");
    assert!(answer.contains("\r\nLocation: https://b.example/v1/x\r\n"), "{answer}");
    assert!(answer.contains("\r\nX-Proxy-Outcome: answered\r\n"), "{answer}");
}

/// A worker whose session lives at the first of two upstreams.
struct Stage {
    publisher: Publisher,
    clock: Clock,
    old: TcpListener,
    new: TcpListener,
    /// What either of them can be behind.
    acceptor: TlsAcceptor,
}

/// Plays a scene between a worker, which waits so many milliseconds for a session, and one caller.
async fn on_stage(patience: u64, scene: impl AsyncFnOnce(Stage, TcpStream)) {
    let register = Register::start(Journal::Memory, Bounds::default(), Clock::system()).unwrap();
    on_stage_with(patience, register, scene).await;
}

/// The same, with this register of keys.
async fn on_stage_with(patience: u64, register: Register, scene: impl AsyncFnOnce(Stage, TcpStream)) {
    let tasks = LocalSet::new();
    let played = tasks.run_until(async {
        let clock = Clock::system();
        let (publisher, session) = channel(clock.clone(), Status::starting(clock.now()));
        let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let new = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let served = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(served));
        let mut stage = Stage { publisher, clock: clock.clone(), old, new, acceptor };
        stage.publish(1, stage.old.local_addr().unwrap());

        let registry = Registry::new();
        let tls = tls::client_config(&[certificate.der().clone()], tls::Alpn::Http1).unwrap();
        let connector = Connector::new(Arc::new(tls), upstream::Timeouts::default());
        let upstream =
            Upstream::new(connector, 16 * 1024, 0, upstream::Metrics::register(&registry).unwrap());
        let budget = Budget::new(Policy::unlimited(), clock.clone());
        let metrics = Metrics::register(&registry).unwrap();
        let proxy = Proxy {
            budget: Arc::new(budget),
            session,
            callers: Callers::new(
                Listener::Proxy,
                Rules::default(),
                &callers::Metrics::register(&registry).unwrap(),
            ),
            api: Api::Tradovate,
            endpoints: Endpoints::new(),
            limits: Limits::default(),
            timeouts: Timeouts { token: Duration::from_millis(patience), ..Timeouts::default() },
            content_types: Vec::new(),
            guards: crate::guard::Guards::open(&registry, &clock),
            audit: crate::audit::AuditLog::off(clock.clone()),
            register,
            clock,
            in_progress: AtomicUsize::new(0),
            buffered: Buffered::new(0, metrics.buffered()),
            metrics,
        };
        let worker = Rc::new(Worker::new(Arc::new(proxy), upstream));
        let door = Listeners::bind(&"127.0.0.1:0".parse().unwrap(), None, &SocketAccess::default()).unwrap();
        let caller = TcpStream::connect(door.addresses().unwrap().tcp().unwrap()).await.unwrap();
        tokio::task::spawn_local(worker.serve(door.accept().await));
        scene(stage, caller).await;
    });
    tokio::time::timeout(PATIENCE, played).await.expect("the scene to end");
}

impl Stage {
    /// Publishes a session of this generation at `address`.
    fn publish(&mut self, generation: u64, address: SocketAddr) {
        self.publish_at(generation, &format!("http://{address}"));
    }

    /// The same, at the old upstream, behind TLS.
    fn publish_over_tls(&mut self, generation: u64) {
        self.publish_at(generation, &format!("https://{}", self.old.local_addr().unwrap()));
    }

    fn publish_at(&mut self, generation: u64, origin: &str) {
        let now = self.clock.now();
        let session = Session {
            bearer: Bearer::new(&format!("token-{generation}").into()).unwrap(),
            expires_at: now + Duration::from_secs(3600),
            issued_at: now,
            generation: Generation(generation),
            origin: Arc::new(origin.parse().unwrap()),
            user: crate::auth::User::default(),
        };
        self.publisher.publish(session, Status { state: State::Live, ..Status::starting(now) });
    }

    /// Asserts that nothing waits at either upstream, once the caller has its answer.
    async fn is_quiet(&self) {
        for upstream in [&self.old, &self.new] {
            let knock = tokio::time::timeout(Duration::ZERO, upstream.accept()).await;
            assert!(knock.is_err(), "another connection");
        }
    }
}

/// A request at an upstream, on a connection of its own.
struct Request {
    stream: TcpStream,
    text: String,
}

async fn request(upstream: &TcpListener) -> Request {
    let (mut stream, _) = upstream.accept().await.unwrap();
    let text = read(&mut stream).await;
    Request { stream, text }
}

impl Request {
    async fn answer(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }
}

/// One head, and what comes with it.
async fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "ended in {bytes:?}");
    }
    String::from_utf8(bytes).unwrap()
}

/// Only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(20);
