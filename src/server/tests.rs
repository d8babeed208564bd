//! What a defect costs: workers over real sockets, whose every exchange with upstream panics at the worst moment.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus::Registry;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::{
    auth::{Generation, Session, State, Status, User, channel},
    bearer::Bearer,
    budget::{Budget, Policy},
    callers::{self, Callers, Listener, Rules},
    clock::Clock,
    downstream::{Listeners, SocketAccess},
    proxy::{Api, Buffered, Limits, Metrics, Proxy, Timeouts},
    server::Workers,
    tradovate::Endpoints,
    upstream::{self, Connector, tls},
};

/// An order with a body above what is free, so that it has a share of the budget too.
const LENGTH: usize = 100_000;
const LOCAL: &str = "POST /v1/auth/accesstokenrequest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

#[tokio::test]
async fn a_panic_costs_one_connection_and_nothing_that_it_held() {
    let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = Registry::new();
    let proxy = proxy_before(upstream.local_addr().unwrap(), &registry);
    // No setting allows it: reckoning with this bound overflows, which panics, right after an order has been sent.
    let timeouts = upstream::Timeouts { response_head: Duration::MAX, ..upstream::Timeouts::default() };
    let tls = tls::client_config(&[], tls::Alpn::Http1).unwrap();
    let connector = Connector::new(Arc::new(tls), timeouts);
    let metrics = upstream::Metrics::register(&registry).unwrap();
    let workers = Workers::start(2, &proxy, &connector, &metrics, 0, Duration::ZERO).unwrap();
    let door = Listeners::bind(&"127.0.0.1:0".parse().unwrap(), None, &SocketAccess::default()).unwrap();
    let address = door.addresses().unwrap().tcp().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        workers
            .run(
                door,
                async {
                    let _ = stopped.await;
                },
                std::future::pending(),
            )
            .await
    });

    let played = async {
        let mut bystander = TcpStream::connect(address).await.unwrap();
        for _ in 0..20 {
            let mut caller = TcpStream::connect(address).await.unwrap();
            let head = format!(
                "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {LENGTH}\r\n\r\n"
            );
            caller.write_all(head.as_bytes()).await.unwrap();
            caller.write_all(&vec![b' '; LENGTH]).await.unwrap();
            // The order has left; and then its exchange panics. What is no answer must not look like one.
            let (mut sent, _) = upstream.accept().await.unwrap();
            assert!(sent.read(&mut [0; 1024]).await.unwrap() > 0);
            let error = caller.read(&mut [0; 1024]).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

            bystander.write_all(LOCAL.as_bytes()).await.unwrap();
            let mut answer = [0; 1024];
            let length = bystander.read(&mut answer).await.unwrap();
            assert!(answer[..length].starts_with(b"HTTP/1.1 200 "), "the same worker serves on");
        }
        drop(bystander);
        drop(stop);
        running.await.unwrap().unwrap();
    };
    tokio::time::timeout(PATIENCE, played).await.expect("the scene to end");

    assert_eq!(proxy.in_progress.load(Ordering::Relaxed), 0);
    let shown = |name: &str| {
        let families = registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let sum: f64 = family.get_metric().iter().map(|metric| metric.get_gauge().get_value()).sum();
        sum.to_string()
    };
    assert_eq!(
        [
            shown("tradovate_proxy_requests_in_flight"),
            shown("tradovate_proxy_buffered_bytes"),
            shown("tradovate_proxy_downstream_connections"),
            shown("tradovate_proxy_upstream_connections"),
        ],
        ["0"; 4]
    );
    assert_eq!(panicked(&registry).to_string(), "20");
}

/// Requests that were counted as ended by a panic.
fn panicked(registry: &Registry) -> f64 {
    let families = registry.gather();
    let requests = families.iter().find(|family| family.name() == "tradovate_proxy_requests_total").unwrap();
    let by_panic = |metric: &&prometheus::proto::Metric| {
        metric.get_label().iter().any(|label| label.value() == "panicked")
    };
    requests.get_metric().iter().filter(by_panic).map(|metric| metric.get_counter().get_value()).sum()
}

fn proxy_before(upstream: SocketAddr, registry: &Registry) -> Arc<Proxy> {
    let clock = Clock::system();
    let now = clock.now();
    let (mut publisher, session) = channel(clock.clone(), Status::starting(now));
    let live = Session {
        bearer: Bearer::new(&"token".to_owned().into()).unwrap(),
        expires_at: now + Duration::from_secs(3600),
        issued_at: now,
        generation: Generation(1),
        origin: Arc::new(format!("http://{upstream}").parse().unwrap()),
        user: User::default(),
    };
    publisher.publish(live, Status { state: State::Live, ..Status::starting(now) });
    let metrics = Metrics::register(registry).unwrap();
    let strangers = callers::Metrics::register(registry).unwrap();
    Arc::new(Proxy {
        budget: Arc::new(Budget::new(Policy::unlimited(), clock.clone())),
        session,
        callers: Callers::new(Listener::Proxy, Rules::default(), &strangers),
        api: Api::Tradovate,
        endpoints: Endpoints::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        content_types: Vec::new(),
        guards: crate::guard::Guards::open(registry, &clock),
        register: crate::idempotency::Register::start(
            crate::idempotency::Journal::Memory,
            crate::idempotency::Bounds::default(),
            clock.clone(),
        )
        .unwrap(),
        audit: crate::audit::AuditLog::off(clock.clone()),
        clock,
        in_progress: AtomicUsize::new(0),
        buffered: Buffered::new(Limits::default().buffered_bytes, metrics.buffered()),
        metrics,
    })
}

/// Only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(20);
