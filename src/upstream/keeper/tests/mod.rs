//! What the keeper opens and closes, and when: in paused time, with an upstream that the test plays.

use std::pin::pin;

use prometheus::Registry;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::mpsc::UnboundedReceiver,
    task::{LocalSet, spawn_local},
    time::timeout,
};

use super::*;
use crate::{
    bearer::Bearer,
    http1::RequestHead,
    hygiene::Received,
    upstream::{
        Choice, Lease, Metrics, Timeouts, Upstream,
        staged::{Asked, Pipe, Stage},
    },
};

mod refusals;

const POOL_IDLE: Duration = Duration::from_secs(25);
const HOUR: Duration = Duration::from_secs(3600);

struct Scene {
    upstream: Upstream,
    asked: UnboundedReceiver<Asked>,
    registry: Registry,
    begun: Instant,
}

/// With so many to wait for a session at `a.example`.
async fn scene(warm: usize, play: impl AsyncFnOnce(Scene, Arc<Origin>)) {
    let play = async {
        let (connector, asked) = Stage::connector(Timeouts { pool_idle: POOL_IDLE, ..Timeouts::default() });
        let registry = Registry::new();
        let upstream = Upstream::new(connector, 1024, warm, Metrics::register(&registry).unwrap());
        let begun = Instant::now();
        play(Scene { upstream, asked, registry, begun }, origin("a.example")).await;
    };
    LocalSet::new().run_until(play).await;
}

fn origin(host: &str) -> Arc<Origin> {
    Arc::new(Origin::https(host).unwrap())
}

impl Scene {
    /// The next to be asked for, and how long after the beginning.
    async fn asks(&mut self) -> (Asked, Duration) {
        let asked = timeout(HOUR, self.asked.recv()).await.expect("a connection to be asked for").unwrap();
        (asked, self.begun.elapsed())
    }

    async fn accepts(&mut self) -> Pipe {
        self.asks().await.0.accept()
    }

    /// Nothing is asked for within `time`.
    async fn is_quiet_for(&mut self, time: Duration) {
        let asked = timeout(time, self.asked.recv()).await;
        assert!(asked.is_err(), "{asked:?} at {:?}", self.begun.elapsed());
    }

    fn counted(&self, name: &str, label: &str) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name).unwrap();
        let of_label = family
            .get_metric()
            .iter()
            .filter(|metric| metric.get_label().iter().any(|pair| pair.value() == label));
        of_label.map(|metric| metric.get_gauge().get_value() + metric.get_counter().get_value()).sum()
    }

    /// One request to upstream at the other end of `pipe`.
    async fn exchanges(&self, origin: &Arc<Origin>, pipe: &mut Pipe) {
        let lease = self.upstream.lease(origin, Choice::Any).await.unwrap();
        let bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut head = RequestHead::default();
        head.read(bytes.as_bytes()).unwrap();
        let bearer = Bearer::new(&"token".into()).unwrap();
        let request = Received::new(&head, bytes.as_bytes(), "/", b"").scrub();
        let mut wire = Vec::new();
        let prepared = lease.prepare(&request.authorize(&bearer, origin), &mut wire).unwrap();
        let mut answer = prepared.send().await.unwrap();
        assert!(pipe.read(&mut [0; 1024]).await.unwrap() > 0, "it came by this connection");
        pipe.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        answer.head().await.unwrap();
        while answer.next_data().await.unwrap().is_some() {}
        answer.finish();
    }
}

async fn is_open(pipe: &mut Pipe) -> bool {
    timeout(Duration::ZERO, pipe.read(&mut [0])).await.is_err()
}

fn was_waiting(lease: &Lease) -> bool {
    lease.opened_in().is_none()
}

#[tokio::test(start_paused = true)]
async fn connections_wait_before_anybody_asks_and_none_before_there_is_a_session() {
    scene(2, async |mut scene, origin| {
        scene.is_quiet_for(HOUR).await;
        scene.begun = Instant::now();
        scene.upstream.warm_up(&origin);
        let (first, at) = scene.asks().await;
        assert_eq!((&*first.host, at), ("a.example", Duration::ZERO));
        let _first = first.accept();
        let (second, at) = scene.asks().await;
        assert_eq!(at, Duration::from_secs(1), "connections opened together would be closed together");
        let _second = second.accept();
        scene.is_quiet_for(Duration::from_secs(10)).await;
        assert_eq!(scene.upstream.waiting_connections(), 2);
        assert!(was_waiting(&scene.upstream.lease(&origin, Choice::Any).await.unwrap()));
        assert_eq!(scene.counted("tradovate_proxy_upstream_connects_total", "reserve").to_string(), "2");
        assert_eq!(scene.counted("tradovate_proxy_upstream_connections", "idle").to_string(), "1");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_none_wanted_none_is_opened() {
    scene(0, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        scene.is_quiet_for(HOUR).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_takes_the_place_of_one_that_has_waited_and_only_then_is_that_closed() {
    scene(1, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut last = scene.accepts().await;
        for _ in 0..100 {
            scene.begun = Instant::now();
            let (next, after) = scene.asks().await;
            assert!((POOL_IDLE.mul_f64(0.6)..POOL_IDLE).contains(&after), "{after:?}");
            assert!(is_open(&mut last).await, "until there is another");
            let next = next.accept();
            assert_eq!(last.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(scene.upstream.waiting_connections(), 1);
            last = next;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn one_that_upstream_closes_is_replaced_at_once_and_is_not_chosen() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let (first, second) = (scene.accepts().await, scene.accepts().await);
        scene.is_quiet_for(Duration::from_secs(5)).await;
        drop(second);
        // At this moment nobody has told the keeper; the one that is chosen is the other.
        let lease = scene.upstream.lease(&origin, Choice::Any).await.unwrap();
        assert!(was_waiting(&lease));
        let third = scene.accepts().await;
        drop(lease);
        let fourth = scene.accepts().await;
        // Not for long: what has been replaced early, is replaced early.
        scene.is_quiet_for(Duration::from_millis(10)).await;
        assert_eq!(scene.upstream.waiting_connections(), 2);

        scene.begun = Instant::now();
        drop((third, fourth));
        let (_, at) = scene.asks().await;
        assert_eq!(at, Duration::ZERO, "none waits");
        drop(first);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn unasked_for_bytes_make_a_connection_unfit() {
    scene(1, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let mut first = scene.accepts().await;
        scene.is_quiet_for(Duration::from_secs(2)).await;
        first.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let _second = scene.accepts().await;
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_used_and_put_back_is_not_replaced_and_what_is_lost_is() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let (_first, mut second) = (scene.accepts().await, scene.accepts().await);
        scene.is_quiet_for(Duration::from_secs(1)).await;
        for _ in 0..100 {
            scene.exchanges(&origin, &mut second).await;
            scene.is_quiet_for(Duration::from_millis(100)).await;
        }
        drop(scene.upstream.lease(&origin, Choice::Any).await.unwrap());
        scene.begun = Instant::now();
        let (_, at) = scene.asks().await;
        assert!(at <= Duration::from_secs(1), "{at:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_upstream_tells_nobody_is_learned_and_stayed_below() {
    scene(2, async |mut scene, origin| {
        let limit = Duration::from_secs(5);
        scene.upstream.warm_up(&origin);
        let closed = Rc::new(Cell::new(0));
        let mut opened = 0;
        while scene.begun.elapsed() < Duration::from_secs(3550) {
            let mut pipe = scene.accepts().await;
            opened += 1;
            assert!(opened < 3600, "so many by {:?}", scene.begun.elapsed());
            let (closed, upstream) = (Rc::clone(&closed), scene.upstream.clone());
            spawn_local(async move {
                if timeout(limit, pipe.read(&mut [0])).await.is_err() {
                    closed.set(closed.get() + 1);
                    assert_eq!(upstream.waiting_connections(), 2, "this one and another");
                }
            });
        }
        assert!((1..=2).contains(&closed.get()), "the first, which taught it, and its neighbour");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn another_origin_has_its_connections_at_once_and_the_old_one_none() {
    scene(2, async |mut scene, origin_a| {
        scene.upstream.warm_up(&origin_a);
        let mut waiting = scene.accepts().await;
        let (opening, _) = scene.asks().await;
        scene.begun = Instant::now();
        scene.upstream.warm_up(&origin("b.example"));
        assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0);
        let (moved, at) = scene.asks().await;
        assert_eq!((&*moved.host, at), ("b.example", Duration::ZERO));
        assert!(opening.is_off(), "nobody waits for it any more");
        let _first = moved.accept();
        let (second, at) = scene.asks().await;
        assert_eq!((&*second.host, at), ("b.example", Duration::from_secs(1)));
        let _second = second.accept();
        scene.is_quiet_for(Duration::from_secs(1)).await;
        assert_eq!(scene.upstream.waiting_connections(), 2);
        assert_eq!(Arc::strong_count(&origin_a), 1, "nothing holds the old one");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_session_nothing_is_opened_and_what_waits_may_still_be_used() {
    scene(2, async |mut scene, origin| {
        scene.upstream.warm_up(&origin);
        let (mut first, _second) = (scene.accepts().await, scene.accepts().await);
        let (third, _) = scene.asks().await;
        scene.upstream.cool_down();
        scene.is_quiet_for(Duration::from_secs(1)).await;
        assert!(third.is_off());
        assert!(was_waiting(&scene.upstream.lease(&origin, Choice::Any).await.unwrap()));
        scene.is_quiet_for(HOUR).await;
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(scene.upstream.waiting_connections(), 0);
        scene.upstream.warm_up(&origin);
        scene.accepts().await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn whoever_drops_the_pool_closes_what_waits_and_ends_its_keeper() {
    let tasks = LocalSet::new();
    let play = async {
        let (connector, mut asked) = Stage::connector(Timeouts::default());
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let upstream = Upstream::new(connector.clone(), 1024, 1, metrics.clone());
        upstream.warm_up(&origin("a.example"));
        let mut first = asked.recv().await.unwrap().accept();
        assert!(timeout(Duration::from_secs(5), asked.recv()).await.is_err());
        drop(upstream);
        assert_eq!(first.read(&mut [0]).await.unwrap(), 0);

        let unused = Upstream::new(connector, 1024, 1, metrics);
        assert!(timeout(Duration::from_secs(5), asked.recv()).await.is_err(), "its keeper sleeps");
        drop(unused);
    };
    tasks.run_until(play).await;
    assert!(timeout(HOUR, tasks).await.is_ok(), "no task is left");
}

#[tokio::test(start_paused = true)]
async fn a_bell_is_heard_again_only_if_more_haste_is_asked_for() {
    let bell = Bell::default();
    let mut heard = pin!(bell.heard.notified());
    assert!(timeout(Duration::ZERO, heard.as_mut()).await.is_err());
    bell.raise(Haste::Soon);
    heard.await;
    for _ in 0..1000 {
        bell.raise(Haste::Soon);
    }
    assert!(timeout(Duration::ZERO, bell.heard.notified()).await.is_err(), "raised already");
    bell.raise(Haste::Now);
    assert!(timeout(Duration::ZERO, bell.heard.notified()).await.is_ok(), "this is more urgent");
}
