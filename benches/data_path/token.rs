//! Reading the current token while the renewer publishes, beside what could have been used instead.
//!
//! A writer here publishes a thousand times a second; the real one does so every hour. That is the point: what
//! a reader pays must not depend on it.
//!
//! | | what one read is |
//! |---|---|
//! | `reader` | [`Reader::current`](tradovate_proxy::auth::Reader::current), as the data path calls it: a load, the present time, a comparison |
//! | `clock` | the present time alone, which every request needs however the token is kept |
//! | `arc-swap` | the load alone |
//! | `rwlock` | the same from a [`std::sync::RwLock`] |
//! | `watch` | the same from a [`tokio::sync::watch`] channel |
//!
//! Times are per read and reader; two readers on fewer than two idle cores measure the scheduler.

use std::{
    hint::black_box,
    sync::{
        Arc, Barrier, RwLock,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use criterion::{BenchmarkGroup, Criterion, measurement::WallTime};
use jiff::SignedDuration;
use tokio::{sync::watch, time::Instant};
use tradovate_proxy::{
    auth::{Generation, Publisher, Session, Status, User, channel},
    bearer::Bearer,
    clock::Clock,
};

/// Measures each with and without a writer, from one thread and from two.
pub(crate) fn bench(criterion: &mut Criterion) {
    let clock = Clock::system();
    let (mut publisher, reader) = channel(clock.clone(), Status::starting(clock.now()));
    let publish = |publisher: &mut Publisher, generation| {
        publisher.publish(session(&clock, generation), Status::starting(clock.now()));
    };
    publish(&mut publisher, 0);
    let swap = ArcSwap::from_pointee(session(&clock, 0));
    let lock = RwLock::new(Arc::new(session(&clock, 0)));
    let (sender, receiver) = watch::channel(Arc::new(session(&clock, 0)));

    for writers in [Writers::None, Writers::Thousandfold] {
        for readers in [1, 2] {
            let mut group = criterion.benchmark_group(format!("token/{readers} reading, {}", writers.name()));
            let mut compare = Comparison { group: &mut group, readers, writers };
            compare.of(
                "reader",
                |generation| publish(&mut publisher, generation),
                || reader.current().map_or(0, |session| session.bearer.as_bytes().len()),
            );
            compare.of("clock", |_| {}, || clock.now());
            compare.of(
                "arc-swap",
                |generation| swap.store(Arc::new(session(&clock, generation))),
                || swap.load().bearer.as_bytes().len(),
            );
            compare.of(
                "rwlock",
                |generation| *lock.write().expect("no reader panics") = Arc::new(session(&clock, generation)),
                || lock.read().expect("the writer does not panic").bearer.as_bytes().len(),
            );
            compare.of(
                "watch",
                |generation| drop(sender.send_replace(Arc::new(session(&clock, generation)))),
                || receiver.borrow().bearer.as_bytes().len(),
            );
            group.finish();
        }
    }
}

/// Who publishes meanwhile.
#[derive(Clone, Copy)]
enum Writers {
    None,
    Thousandfold,
}

impl Writers {
    fn name(self) -> &'static str {
        match self {
            Self::None => "none writing",
            Self::Thousandfold => "1 writing at 1 kHz",
        }
    }
}

struct Comparison<'a, 'c> {
    group: &'a mut BenchmarkGroup<'c, WallTime>,
    readers: u32,
    writers: Writers,
}

impl Comparison<'_, '_> {
    /// Measures `read` while `publish` is called with one generation after another.
    fn of<T>(&mut self, name: &str, publish: impl FnMut(u64) + Send, read: impl Fn() -> T + Sync) {
        let readers = self.readers;
        beside(self.writers, publish, || {
            self.group.bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| time(readers, iterations, &read));
            });
        });
    }
}

/// Calls `measure` while a thread publishes, if one is to.
fn beside(writers: Writers, mut publish: impl FnMut(u64) + Send, measure: impl FnOnce()) {
    thread::scope(|scope| {
        // Dropped when the measurement ends, however it does: that is what ends the writer.
        let (_measuring, measured) = mpsc::channel::<()>();
        if let Writers::Thousandfold = writers {
            scope.spawn(move || {
                let mut generation = 0;
                while measured.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
                    generation += 1;
                    publish(generation);
                }
            });
        }
        measure();
    });
}

/// How long `iterations` reads take a reader, on average over the readers, who all start at once.
fn time<T>(readers: u32, iterations: u64, read: impl Fn() -> T + Sync) -> Duration {
    let start = Barrier::new(readers as usize);
    let run = || {
        start.wait();
        let started = Instant::now();
        for _ in 0..iterations {
            black_box(read());
        }
        started.elapsed()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..readers).map(|_| scope.spawn(run)).collect();
        let times = threads.into_iter().map(|thread| thread.join().expect("reading does not panic"));
        times.sum::<Duration>() / readers
    })
}

fn session(clock: &Clock, generation: u64) -> Session {
    let now = clock.now();
    Session {
        bearer: Bearer::new(&"x".repeat(512).into()).expect("the token is b64token"),
        expires_at: now + SignedDuration::from_hours(1),
        issued_at: now,
        generation: Generation(generation),
        origin: Arc::new("https://demo.tradovateapi.com".parse().expect("the origin is https")),
        user: User::default(),
    }
}
