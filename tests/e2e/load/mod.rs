//! Traffic of all kinds over hundreds of renewals and dozens of moves: no request fails, none is sent with a token that
//! is dead or to a host that is not home, and each order is placed once. The sandbox counts.

mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tradovate_proxy::sandbox::{Action, ApiHosts, Control, Fault, OldToken, Record, Refusal};

use self::traffic::{Kind, LENGTH, LONG, Traffic};
use crate::support::{
    stage::{self, Stage, Way, broker},
    within,
};

const LOGIN: &str = "auth/accesstokenrequest";
const RENEWAL: &str = "auth/renewaccesstoken";
const EXAMINATION: &str = "user/list";

/// Short-lived: due for renewal after some five minutes.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// Renewal is due by then, the token lives on, and ten renewals an hour are allowed.
const STEP: Duration = Duration::from_secs(7 * 60);

/// A proxy under load, and what the broker has seen of it.
struct Load {
    stage: Stage,
    traffic: Traffic,
    domain: &'static str,
    /// Where each token is good, by its number.
    homes: BTreeMap<u64, String>,
    /// How often each order was put on the wire.
    orders: BTreeMap<String, u32>,
    /// Whether requests carried each token.
    used: BTreeSet<u64>,
    /// Calls of the session's own.
    own: BTreeMap<&'static str, u64>,
}

impl Load {
    async fn new(way: Way, domain: &'static str, callers: Vec<Kind>) -> Self {
        let (sandbox, clock) = broker().await;
        let home = format!("h0.{domain}");
        sandbox.control().change_rules(|rules| {
            rules.token_life = LIFE;
            // The user's own limit is not what this is about.
            rules.requests_per_hour = None;
            rules.home_host = Some(home.clone());
        });
        let (scheme, address) = match way {
            Way::Plain => ("http", sandbox.http_addr()),
            Way::Tls | Way::Http2 => ("https", sandbox.https_addr().unwrap()),
        };
        let proxy = stage::setup(&sandbox, &clock, way)
            .with("TRADOVATE_PROXY_UPSTREAM_URL", &format!("{scheme}://{home}:{}", address.port()))
            .with("TRADOVATE_PROXY_TRUSTED_HOSTS", domain)
            .with("TRADOVATE_PROXY_WORKERS", "2")
            .with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "20s")
            .live()
            .await;
        let traffic = Traffic::of(callers, proxy.address);
        let mut load = Self {
            stage: Stage { sandbox, proxy, clock },
            traffic,
            domain,
            homes: BTreeMap::from([(1, home)]),
            orders: BTreeMap::new(),
            used: BTreeSet::new(),
            own: BTreeMap::new(),
        };
        load.take_stock();
        load
    }

    fn control(&self) -> &Control {
        self.stage.control()
    }

    /// The token in use, by its number: the broker's and the proxy's are the same here.
    fn newest(&self) -> u64 {
        *self.homes.keys().next_back().unwrap()
    }

    /// One renewal with requests in flight, before, at and after it, that may take the user elsewhere.
    async fn renews(&mut self, moves: bool) {
        let (newest, next) = (self.newest(), self.newest() + 1);
        let mut home = self.homes[&newest].clone();
        if moves {
            home = format!("h{next}.{}", self.domain);
            // The next grant names it; what carries the last one is at home where that was good.
            let named = ApiHosts::Override(BTreeMap::from([("demo".to_owned(), home.clone())]));
            self.control().change_rules(|rules| (rules.home_host, rules.api_hosts) = (None, named));
        }
        self.homes.insert(next, home.clone());
        let long = Fault::next(LONG, Action::Huge { bytes: LENGTH, chunked: next % 2 == 0 });
        self.control().inject(long.times(u32::MAX));
        self.traffic.begins().await;
        self.stage.clock.advance(STEP).unwrap();
        self.stage.proxy.reaches_generation(next).await;
        self.traffic.rests().await;
        self.control().clear_faults();
        self.take_stock();
        assert!(self.used.contains(&next), "token {next} was used");
        self.control().change_rules(|rules| {
            (rules.home_host, rules.api_hosts) = (Some(home), ApiHosts::Own);
        });
    }

    /// Looks at what the broker has seen since the last time. To be called while all callers rest, lest something be
    /// forgotten unseen.
    fn take_stock(&mut self) {
        let records = self.control().requests();
        self.control().forget_requests();
        assert!(records.len() < tradovate_proxy::sandbox::KEPT, "none was lost");
        for record in records {
            if let Some(call) =
                [LOGIN, RENEWAL, EXAMINATION].into_iter().find(|call| record.path().ends_with(call))
            {
                *self.own.entry(call).or_default() += 1;
                continue;
            }
            if let Some(id) = record.body.json()["clOrdId"].as_str() {
                *self.orders.entry(id.to_owned()).or_default() += 1;
            }
            let Some(serial) = record.bearer.and_then(|bearer| bearer.serial) else { continue };
            assert_eq!(host(&record), self.homes[&serial], "where token {serial} is good: {record:?}");
            self.used.insert(serial);
        }
    }

    fn own(&self, call: &str) -> u64 {
        self.own.get(call).copied().unwrap_or_default()
    }

    /// The orders that the broker has, by the names that their callers gave them.
    fn placed(&self) -> Vec<String> {
        let commands = self.control().entities("command");
        let names = commands.iter().filter(|command| command["commandType"] == "New");
        let mut names: Vec<String> = names.map(|new| new["clOrdId"].as_str().unwrap().to_owned()).collect();
        names.sort_unstable();
        names
    }
}

/// The host of a request, without its port.
fn host(record: &Record) -> &str {
    record.host.split(':').next().unwrap()
}

/// So many renewals, each `every`th of which moves the user.
async fn nothing_fails_over(renewals: u32, every: u32, way: Way, domain: &'static str) {
    let callers = Kind::SHORT.into_iter().chain([Kind::Bulk, Kind::Closing, Kind::Trader]);
    let mut load = Load::new(way, domain, callers.collect()).await;
    for renewal in 1..=renewals {
        load.renews(renewal % every == 0).await;
    }
    let report = load.traffic.ends().await;
    let tally = load.control().tally();
    assert_eq!((report.refused.len(), report.others_refused), (0, 0));
    assert_eq!(tally.refused, BTreeMap::new(), "no request carried a token that was dead or unknown");
    assert_eq!(tally.astray, 0, "and none went to a host that was not home");
    assert_eq!(load.own, BTreeMap::from([(LOGIN, 1), (RENEWAL, renewals.into())]));
    assert_eq!(
        (tally.open, tally.accepted),
        (1, (report.served + renewals).into()),
        "each request went out once"
    );
    assert!(load.orders.values().all(|times| *times == 1), "{:?}", load.orders);
    let mut placed = report.placed;
    placed.sort_unstable();
    assert_eq!(load.placed(), placed);
    assert_eq!(load.control().sessions().len(), 1);

    // Nothing else was answered, by the proxy's own count.
    let answered = f64::from(report.served + report.local);
    load.stage.proxy.counts(&[("status", "200")], answered).await;
    load.stage.proxy.counts(&[], answered).await;
    assert!(report.local > renewals && placed.len() > renewals as usize, "there was traffic of each kind");
    let renewed = [("call", "renew"), ("result", "ok")];
    load.stage.proxy.shows("tradovate_proxy_session_attempts_total", &renewed, f64::from(renewals)).await;
}

#[tokio::test]
async fn nothing_fails_over_two_hundred_renewals_and_twenty_moves() {
    nothing_fails_over(210, 10, Way::Plain, "localhost").await;
}

#[tokio::test]
async fn nor_does_anything_over_tls() {
    for way in [Way::Tls, Way::Http2] {
        nothing_fails_over(20, 4, way, "api.localhost").await;
    }
}

#[tokio::test]
async fn where_a_renewal_ends_the_last_token_no_read_fails_and_each_order_is_told_what_became_of_it() {
    let mut load = Load::new(Way::Plain, "localhost", Kind::SHORT.into()).await;
    load.control().change_rules(|rules| rules.old_token = OldToken::Dies);
    let renewals = 12;
    for _ in 0..renewals {
        let next = load.newest() + 1;
        load.homes.insert(next, load.homes[&1].clone());
        load.traffic.begins().await;
        // From here on until the answer is let go, the token that everybody has is dead and nobody knows the next.
        let late = Fault::next(RENEWAL, Action::Pass).delayed_ms(60_000);
        load.control().inject(late);
        load.stage.clock.advance(STEP).unwrap();
        let refused = |path: &'static str| {
            move |record: &Record| {
                record.path().ends_with(path) && record.bearer.is_some_and(|bearer| bearer.refused.is_some())
            }
        };
        for path in ["order/placeorder", "account/list"] {
            within("a request with the dead token", load.control().seen(refused(path))).await;
        }
        load.control().clear_faults();
        load.stage.proxy.reaches_generation(next).await;
        load.traffic.rests().await;
        load.take_stock();
    }
    let mut report = load.traffic.ends().await;
    let tally = load.control().tally();
    assert_eq!(tally.refused.keys().collect::<Vec<_>>(), [&Refusal::Superseded]);
    assert!(!report.refused.is_empty());
    // Every order went out once, whatever was said to it: those refused are not there, those placed are there once.
    assert!(load.orders.values().all(|times| *times == 1), "{:?}", load.orders);
    assert_eq!(load.orders.len(), report.placed.len() + report.refused.len());
    report.placed.sort_unstable();
    assert_eq!(load.placed(), report.placed);
    assert_eq!((load.own(LOGIN), load.own(RENEWAL), load.own(EXAMINATION)), (1, renewals, 0));
    assert_eq!(load.stage.proxy.session.status().reason, None);
}
