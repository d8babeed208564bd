//! Hours of service in little time: traffic of every kind, faults of every kind, a renewal every few seconds. At its
//! end the process takes no more of the machine than after its first minutes, and no order was sent twice.
//!
//! `SOAK_SECONDS` sets how long, after a warm-up of a quarter of that:
//! `SOAK_SECONDS=3600 cargo test --release --test process soak -- --nocapture`

mod callers;
mod faults;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::Instant;

use self::callers::{Caller, Tally};
use crate::support::{
    api::Api,
    footprint::Footprint,
    http,
    patience::until,
    proxy::{Proxy, serve},
};

#[test]
fn whatever_befalls_it_for_long_it_takes_no_more_of_the_machine_and_sends_no_order_twice() {
    #[expect(clippy::disallowed_methods, reason = "how long a test runs is no setting of the program")]
    let seconds = std::env::var("SOAK_SECONDS").map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let api = Api::start();
    let rules = json!({"token_life_seconds": LIFE, "requests_per_hour": null, "renewals_per_hour": null});
    assert_eq!(http::post(api.address, "/sandbox/rules", &rules.to_string()).status, 200);
    let state = tempfile::tempdir().unwrap();
    let mut command = serve(state.path(), &api.origin());
    command
        .env("TRADOVATE_PROXY_WORKERS", "2")
        .env("TRADOVATE_PROXY_LOG", "warn,tradovate_proxy::app=info")
        .env("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "1000")
        .env("TRADOVATE_PROXY_BUDGET_PER_HOUR", "off")
        .env("TRADOVATE_PROXY_BUDGET_PER_MINUTE", "off")
        .env("TRADOVATE_PROXY_LIMIT_BUFFERED_BYTES", "1MiB")
        // A second of silence stands for the half minute that upstream and callers are given.
        .env("TRADOVATE_PROXY_TIMEOUT_RESPONSE_HEAD", "1s")
        .env("TRADOVATE_PROXY_TIMEOUT_UPSTREAM_IDLE", "1s")
        .env("TRADOVATE_PROXY_TIMEOUT_DOWNSTREAM_IDLE", "1s")
        .env("TRADOVATE_PROXY_TIMEOUT_POOL_IDLE", "2s");
    let proxy = Proxy::start_ready(command);

    let mut soak = Soak { api, proxy, orders: BTreeMap::new(), total: Tally::default(), round: 0 };
    soak.goes_on_for(Duration::from_secs(seconds) / 4);
    let before = soak.at_rest();
    soak.goes_on_for(Duration::from_secs(seconds));
    let after = soak.at_rest();

    let Soak { proxy, orders, total, .. } = soak;
    eprintln!("{before:?} after the warm-up, {after:?} at the end; {total:?}; {} orders", orders.len());
    assert!(after.memory <= before.memory + GROWTH, "{before:?} {after:?}");
    assert!(after.descriptors <= before.descriptors + 2, "{before:?} {after:?}");
    // Those of the pool that asks the disk come with two questions at once, and stay while there are any.
    assert!(after.threads <= before.threads + 2, "{before:?} {after:?}");
    assert!(orders.values().all(|times| *times == 1), "{orders:?}");
    assert!(total.answered > 0 && total.refused > 0 && total.broken > 0 && total.left > 0, "{total:?}");
    assert_eq!(gauge(&proxy, "tradovate_proxy_panics_total"), 0);
    let renewals = gauge(&proxy, "tradovate_proxy_token_generation");
    let due = seconds * 5 / 4 / LIFE;
    assert!(renewals > due, "{renewals} tokens in {seconds} s");
    assert_eq!(proxy.stop().code, Some(0));
}

struct Soak {
    api: Api,
    proxy: Proxy,
    /// How often each order reached the broker, by the name that its caller gave it.
    orders: BTreeMap<String, u32>,
    total: Tally,
    round: u64,
}

impl Soak {
    /// Rounds of traffic and faults, each followed by a look at what the broker has seen.
    fn goes_on_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.round += 1;
            let stop = Arc::new(AtomicBool::new(false));
            let callers: Vec<_> = Caller::all(self.round, self.proxy.listen)
                .into_iter()
                .map(|caller| {
                    let stop = Arc::clone(&stop);
                    thread::spawn(move || caller.calls_until(&stop))
                })
                .collect();
            for fault in faults::of_round(self.round) {
                self.api.fault(&fault);
            }
            until("every fault to have hit", || {
                let waiting = http::get(self.api.address, "/sandbox/faults").json();
                waiting.as_array().unwrap().is_empty().then_some(())
            });
            stop.store(true, Ordering::Relaxed);
            for caller in callers {
                self.total += caller.join().unwrap();
            }
            self.takes_stock();
        }
    }

    /// Looks at the orders that the broker has read, and lets it forget them: its memory is not what is measured, but
    /// it must not run out either.
    fn takes_stock(&mut self) {
        for record in self.api.requests("order/placeorder") {
            let text = record["body"]["text"].as_str().unwrap();
            // One that was reset unread left no name here.
            if text.is_empty() {
                continue;
            }
            let order: Value = serde_json::from_str(text).unwrap();
            *self.orders.entry(order["clOrdId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let forgotten =
            http::call(self.api.address, "DELETE", "/sandbox/requests", "Connection: close\r\n", "");
        assert_eq!(forgotten.unwrap().status, 200);
    }

    /// What the process takes once nothing is under way.
    fn at_rest(&self) -> Footprint {
        for name in IN_FLIGHT {
            until(format!("{name} to be 0"), || (gauge(&self.proxy, name) == 0).then_some(()));
        }
        until("a live session", || (self.proxy.readiness().status == 200).then_some(()));
        // Connections to upstream that wait are no leak, and each of these uses the one that was used last.
        for _ in 0..20 {
            self.proxy.serves();
        }
        until("idle connections to be closed", || {
            (gauge(&self.proxy, "tradovate_proxy_upstream_connections{state=\"idle\"}") <= 2).then_some(())
        });
        Footprint::of(self.proxy.process.pid())
    }
}

fn gauge(proxy: &Proxy, name: &str) -> u64 {
    let scrape = http::get(proxy.admin, "/metrics").text();
    let line = scrape.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {scrape}")).parse().unwrap()
}

/// What has to be back at nothing when nobody calls.
const IN_FLIGHT: [&str; 4] = [
    "tradovate_proxy_requests_in_flight",
    "tradovate_proxy_buffered_bytes",
    "tradovate_proxy_downstream_connections",
    "tradovate_proxy_upstream_connections{state=\"active\"}",
];
const SECONDS: u64 = 14;
/// A token's, in seconds: a renewal is due after half of it.
const LIFE: u64 = 8;
/// What an allocator may keep for itself.
const GROWTH: u64 = 4 << 20;
