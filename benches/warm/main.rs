//! What an order takes over a long way after nobody has asked for anything: one round trip, and how much more.
//!
//! ```text
//! cargo bench --bench warm                   50 orders a case, silences of seconds: about a minute
//! cargo bench --bench warm -- --full         1,000 orders a case, silences of a minute and of ten: about 25 minutes
//! ```
//!
//! ```text
//! callers ─▶ proxy (a worker for each order, TLS) ─▶ relay (20 ms each way) ─▶ the simulated API (TLS)
//! ```
//!
//! Ten minutes cannot be waited for a thousand times, and need not be: each worker has connections of its own, which
//! know nothing of the others'. So the proxy has a worker for each order of a case, each caller has a connection to a
//! worker of its own, and in each case every worker carries exactly one order, after the silence or the event. The
//! silences are really waited; the connections really replaced meanwhile, by the proxy's defaults. A hundred of them
//! a second are, which makes the machine busier than one proxy would; up to four orders are under way at a time.
//!
//! How to read it:
//!
//! - *The way* is the same orders sent by the callers themselves, on TLS connections through the same relay, with the
//!   proxy left out: the round trip is its median, since the API and the relay's timer (which counts in milliseconds,
//!   and rounds up) take their time on either side of us.
//! - *in time* is how many orders took one round trip and at most 3 ms more, from a caller's first byte sent to its
//!   answer's last. An order that is late for want of a processor is late, too; how many of those there are with nothing
//!   of ours in between, the first line tells.
//! - *handshakes* is how many found no connection waiting, by the proxy's own count: that must be 0 whatever the
//!   machine is doing, and the bench fails if it is not.
//! - The relay cannot delay what the kernel does alone: what a TCP handshake would take is put on a connection's first
//!   bytes. A connection that is opened for an order costs two round trips more, 80 ms.
//! - In the cases *upstream closes* the relay closes what has been silent for 10 s, which nobody tells the proxy.
//!
//! Without `--bench` among its arguments (`cargo test --benches`) it sends a few orders and waits for no silence.

#![expect(clippy::print_stdout, reason = "a bench reports to whoever runs it")]

mod caller;
#[path = "../../tests/relay/mod.rs"]
mod relay;
mod stage;

use std::time::Duration;

use anyhow::ensure;
use tokio::runtime;

use crate::{
    caller::Took,
    stage::{Running, Stage},
};

/// How much of it.
#[derive(Clone, Copy, Debug)]
struct Extent {
    orders: usize,
    silences: &'static [Duration],
    /// The same where upstream closes what is silent.
    closing: &'static [Duration],
}

fn main() -> anyhow::Result<()> {
    let has = |wanted| std::env::args().any(|argument| argument == wanted);
    let extent = match (has("--bench"), has("--full")) {
        (false, _) => Extent { orders: 4, silences: &[], closing: &[] },
        (true, false) => Extent { orders: 50, silences: &[SECOND], closing: &[SOME_SECONDS] },
        (true, true) => {
            Extent { orders: 1000, silences: &[SECOND, MINUTE, TEN_MINUTES], closing: &[MINUTE, TEN_MINUTES] }
        }
    };
    runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(extent))
}

async fn measure(extent: Extent) -> anyhow::Result<()> {
    println!("{} orders a case, over a way of {} ms there and back", extent.orders, 2 * DELAY.as_millis());
    println!(
        "{:<34}{:>9}{:>10}{:>10}{:>10}{:>12}",
        "", "in time", "p50 ms", "p99 ms", "max ms", "handshakes"
    );

    let stage = Stage::set(DELAY, None).await?;
    let the_way = stage.orders_without_a_proxy(extent.orders).await?;
    let in_time = the_way.percentile(50) + MARGIN;
    show("the way", &the_way, in_time, None);
    let mut proxy = stage.proxy(extent.orders).await?;
    case(&stage, &mut proxy, "after the start", in_time).await?;
    for silence in extent.silences {
        tokio::time::sleep(*silence).await;
        case(&stage, &mut proxy, &format!("after {} s", silence.as_secs()), in_time).await?;
    }
    proxy.stop().await?;
    proxy = stage.proxy(extent.orders).await?;
    case(&stage, &mut proxy, "after a restart", in_time).await?;
    proxy.renew().await?;
    case(&stage, &mut proxy, "after a renewal", in_time).await?;
    stage.move_home();
    proxy.renew().await?;
    proxy.has_connections_for_all().await?;
    case(&stage, &mut proxy, "after a move to another host", in_time).await?;
    proxy.stop().await?;

    if !extent.closing.is_empty() {
        let stage = Stage::set(DELAY, Some(UPSTREAMS_LIMIT)).await?;
        let mut proxy = stage.proxy(extent.orders).await?;
        for silence in extent.closing {
            tokio::time::sleep(*silence).await;
            case(&stage, &mut proxy, &format!("upstream closes, after {} s", silence.as_secs()), in_time)
                .await?;
        }
        proxy.stop().await?;
        println!("upstream has closed {} of {} connections", stage.seen().timed_out, stage.seen().opened);
    }
    Ok(())
}

/// One order on each worker.
async fn case(stage: &Stage, proxy: &mut Running, name: &str, in_time: Duration) -> anyhow::Result<()> {
    let before = proxy.handshakes().await?;
    let took = stage.orders(proxy).await?;
    let handshakes = proxy.handshakes().await? - before;
    show(name, &took, in_time, Some(handshakes));
    ensure!(handshakes == 0, "{name}: {handshakes} orders were behind a handshake");
    Ok(())
}

fn show(name: &str, took: &Took, in_time: Duration, handshakes: Option<u64>) {
    let in_time = took.at_most(in_time);
    let [p50, p99, max] = [50, 99, 100].map(|percent| took.percentile(percent).as_secs_f64() * 1e3);
    let handshakes = handshakes.map_or_else(|| "-".to_owned(), |count| count.to_string());
    println!("{name:<34}{in_time:>9}{p50:>10.2}{p99:>10.2}{max:>10.2}{handshakes:>12}");
}

const DELAY: Duration = Duration::from_millis(20);
/// What the proxy may add.
const MARGIN: Duration = Duration::from_millis(3);
const UPSTREAMS_LIMIT: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
const SOME_SECONDS: Duration = Duration::from_secs(25);
const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(600);
