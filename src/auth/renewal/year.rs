//! A year of operation against a broker with bad days, other logins that close the session, callers, operators and
//! restarts, under paused time. Each seed is another year.

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use tokio::sync::{mpsc, oneshot};

use super::{
    Parts, Renewer,
    broker::{Broker, Weather},
    scripted::start,
};
use crate::{
    auth::{
        console::{Console, Order, console},
        metrics::SessionMetrics,
        policy::RenewalPolicy,
        source::TokenSource as _,
        state::{State, Status},
        store::{Reader, channel},
        token::Generation,
        vault::Vault,
    },
    clock::Clock,
};

struct Running {
    reader: Reader,
    console: Console,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

fn run(broker: &Broker, vault: Vault, clock: &Clock, random: &mut fastrand::Rng) -> Running {
    let (publisher, reader) = channel(clock.clone(), Status::starting(clock.now()));
    let (console, orders) = console();
    let (_, changes) = mpsc::channel(1);
    let parts = Parts {
        source: broker.clone(),
        publisher,
        policy: RenewalPolicy::default(),
        clock: clock.clone(),
        record: vault.load(&broker.seat()).unwrap(),
        vault,
        metrics: SessionMetrics::register(&Registry::new()).unwrap(),
        orders,
        changes,
        random: random.fork(),
    };
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(Renewer::new(parts).run(async {
        let _ = stopped.await;
    }));
    Running { reader, console, stop, task }
}

/// Uses the session as callers do, and says what they see.
async fn call(reader: Reader, broker: Broker, clock: Clock, mut random: fastrand::Rng) {
    let mut newest = Generation::default();
    loop {
        tokio::time::sleep(Duration::from_secs(1 + random.u64(..3600))).await;
        // Now and then a burst.
        for operation in ["account-list", "order-list", "position-list", "fill-list"] {
            let Some(current) = reader.current() else { break };
            let mut world = broker.world();
            if current.generation < newest {
                world.faults.push("the generation went back".to_owned());
            }
            if current.expires_at <= clock.now() {
                world.faults.push("a token was used past its expiry".to_owned());
            }
            drop(world);
            newest = current.generation;
            match broker.serve(&current.bearer) {
                Some(sign) => reader.report(current.generation, operation, sign),
                None => reader.report_well(),
            }
        }
    }
}

async fn play(seed: u64, days: u64) {
    let kept = Arc::default();
    let open = || Vault::Kept(Arc::clone(&kept));
    let clock = Clock::simulated(start());
    let broker = Broker::new(seed, clock.clone());
    let mut random = fastrand::Rng::with_seed(!seed);
    let mut running = run(&broker, open(), &clock, &mut random);
    let spawn_callers = |reader: &Reader, random: &mut fastrand::Rng| {
        tokio::spawn(call(reader.clone(), broker.clone(), clock.clone(), random.fork()))
    };
    let mut callers = spawn_callers(&running.reader, &mut random);
    let end = clock.now() + Duration::from_secs(days * 24 * 3600);
    while clock.now() < end {
        let stays = broker.change_weather();
        let is_fine = broker.world().weather == Weather::Fine;
        let till = clock.now() + stays;
        // Whatever the trouble was, after the longest wait that it can have caused the session is there again.
        if is_fine {
            clock.sleep_until(clock.now() + RECOVERY).await;
            let status = running.reader.status();
            assert!(
                running.reader.current().is_some() && status.state == State::Live,
                "seed {seed}, {}: not live again: {status:?}",
                clock.now()
            );
        }
        while clock.now() < till {
            clock
                .sleep_until((clock.now() + Duration::from_secs(60 + random.u64(..12 * 3600))).min(till))
                .await;
            match random.u8(..40) {
                0..4 if is_fine && till.duration_since(clock.now()) > RECOVERY_AFTER_KICK => {
                    broker.kick();
                    clock.sleep_until(clock.now() + RECOVERY).await;
                }
                4 => drop(running.console.give(Order::Renew).await),
                5 => {
                    let until = Some(clock.now() + Duration::from_secs(600));
                    assert_eq!(running.console.give(Order::Pause { until }).await, Ok(()));
                }
                6 => {
                    callers.abort();
                    if random.bool() {
                        let _ = running.stop.send(());
                    } else {
                        running.task.abort();
                    }
                    let _ = running.task.await;
                    running = run(&broker, open(), &clock, &mut random);
                    callers = spawn_callers(&running.reader, &mut random);
                }
                _ => {}
            }
            let world = broker.world();
            assert!(world.faults.is_empty(), "seed {seed}: {:?}", world.faults);
            assert!(!running.task.is_finished(), "seed {seed}: the loop ended");
        }
    }
    callers.abort();
}

#[tokio::test(start_paused = true)]
async fn a_year_of_bad_days_costs_no_more_than_it_must() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        play(seed, 365).await;
    }
}

/// An hour's hold or budget, begun by the last call of the bad weather, and the calls after it.
const RECOVERY: Duration = Duration::from_secs(62 * 60 + 30);
const RECOVERY_AFTER_KICK: jiff::SignedDuration = jiff::SignedDuration::from_mins(130);
const SEEDS: u64 = 8;
