//! Connections that wait for an order: over a long way, with TLS, no order is behind a handshake.
//!
//! What is asserted is not how long anything took, but which connection an order went by: one that stood before the
//! order was sent. How long that takes is measured by `benches/warm`.

use std::time::Duration;

use tradovate_proxy::{clock::Clock, sandbox::Sandbox};

use crate::support::{
    Client, Proxy, Setup,
    relay::{Relay, Way},
    stage::{self, ORDER, broker},
    wait::within,
};

const ORDERS: &str = "POST /v1/order/placeorder";
const CONNECTS: &str = "tradovate_proxy_upstream_connects_total";
const CONNECTIONS: &str = "tradovate_proxy_upstream_connections";

/// A broker a long way off, and a proxy that is yet to be started.
struct Scene {
    sandbox: Sandbox,
    clock: Clock,
    relay: Relay,
    setup: Setup,
}

/// With what the proxy knows of it: two connections are to wait, and `settings`.
async fn scene(host: &str, idle_limit: Option<Duration>, settings: &[(&str, &str)]) -> Scene {
    let (sandbox, clock) = broker().await;
    let way = Way { delay: Duration::from_millis(20), idle_limit };
    let relay = Relay::start(sandbox.https_addr().unwrap(), way).unwrap();
    let setup = stage::setup(&sandbox, &clock, stage::Way::Tls)
        .with("TRADOVATE_PROXY_UPSTREAM_URL", &format!("https://{host}:{}", relay.address.port()))
        .with("TRADOVATE_PROXY_UPSTREAM_WARM", "2");
    let setup = settings.iter().fold(setup, |setup, (name, value)| setup.with(name, value));
    Scene { sandbox, clock, relay, setup }
}

impl Scene {
    /// Places an order, and asserts that it went by a connection that had been there before.
    async fn orders(&self, proxy: &Proxy) {
        let mut client = proxy.client().await;
        // Every connection that the broker numbers has passed the relay before.
        let opened = self.relay.seen().opened;
        assert_eq!(client.ask(ORDERS, ORDER).await.status(), 200);
        let record = self.sandbox.control().requests().pop().unwrap();
        assert!(record.path().ends_with("order/placeorder"), "{record:?}");
        assert!(record.connection <= opened, "by {} of {opened}: {record:?}", record.connection);
        assert_eq!(proxy.metrics().await.sum(CONNECTS, &[("by", "request")]).to_string(), "0");
    }
}

/// Waits until so many have been opened ahead of requests since the proxy was started.
async fn opens(proxy: &Proxy, count: f64) {
    let opened = async {
        while proxy.metrics().await.sum(CONNECTS, &[("by", "reserve"), ("result", "ok")]) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(&format!("{count} connections in reserve"), opened).await;
}

#[tokio::test]
async fn the_first_order_of_a_process_finds_a_connection_and_so_does_that_of_its_successor() {
    let state = tempfile::tempdir().unwrap();
    let mut scene = scene("127.0.0.1", None, &[]).await;
    scene.setup = scene.setup.stored_in(state.path());
    for _ in 0..2 {
        let proxy = scene.setup.clone().live().await;
        opens(&proxy, 1.0).await;
        scene.orders(&proxy).await;
        opens(&proxy, 2.0).await;
        proxy.shows(CONNECTIONS, &[("state", "idle")], 2.0).await;
        scene.orders(&proxy).await;
        proxy.stop().await;
    }
    assert_eq!(scene.sandbox.control().sessions().len(), 1);
}

#[tokio::test]
async fn after_any_silence_a_connection_waits_that_the_proxy_has_replaced_by_itself() {
    let scene = scene("127.0.0.1", None, &[("TRADOVATE_PROXY_TIMEOUT_POOL_IDLE", "3s")]).await;
    let proxy = scene.setup.clone().live().await;
    // The two of the beginning, and twice another in the place of each.
    for count in [2.0, 4.0, 6.0] {
        opens(&proxy, count).await;
        scene.orders(&proxy).await;
    }
    assert_eq!(scene.relay.seen().timed_out, 0);
}

#[tokio::test]
async fn after_any_silence_a_connection_waits_though_upstream_closes_those_that_do() {
    let scene = scene("127.0.0.1", Some(Duration::from_secs(2)), &[]).await;
    let proxy = scene.setup.clone().live().await;
    opens(&proxy, 2.0).await;
    within("upstream to close one", scene.relay.has_seen(|seen| seen.timed_out > 0)).await;
    scene.orders(&proxy).await;
    opens(&proxy, 6.0).await;
    scene.orders(&proxy).await;
}

#[tokio::test]
async fn a_renewal_leaves_them_where_they_are() {
    let scene = scene("127.0.0.1", None, &[]).await;
    let proxy = scene.setup.clone().live().await;
    opens(&proxy, 2.0).await;
    scene.clock.advance(Duration::from_secs(65 * 60)).unwrap();
    proxy.reaches_generation(2).await;
    scene.orders(&proxy).await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.sum(CONNECTS, &[]).to_string(), "2");
}

#[tokio::test]
async fn a_session_that_moves_finds_them_at_its_new_host() {
    let scene = scene("a.api.localhost", None, &[("TRADOVATE_PROXY_TRUSTED_HOSTS", "api.localhost")]).await;
    let rules = |host: &str| {
        scene.sandbox.control().change_rules(|rules| rules.home_host = Some(format!("{host}.api.localhost")));
    };
    rules("a");
    let proxy = scene.setup.clone().live().await;
    opens(&proxy, 2.0).await;
    rules("b");
    scene.clock.advance(Duration::from_secs(65 * 60)).unwrap();
    proxy.reaches_generation(2).await;
    opens(&proxy, 3.0).await;
    scene.orders(&proxy).await;
    let record = scene.sandbox.control().requests().pop().unwrap();
    assert!(record.host.starts_with("b.api.localhost:"), "{record:?}");
}

#[tokio::test]
async fn while_the_seat_is_lent_none_is_opened_in_the_place_of_those_that_upstream_closes() {
    let scene = scene("127.0.0.1", Some(Duration::from_secs(2)), &[]).await;
    let proxy = scene.setup.clone().live().await;
    opens(&proxy, 2.0).await;
    let mut operator = Client::connect(proxy.admin).await;
    assert_eq!(operator.ask("POST /session/pause", "").await.status(), 200);
    proxy.shows(CONNECTIONS, &[], 0.0).await;
    let opened = scene.relay.seen().opened;
    // Of all that is silent on this way, this is now the only one; it lasts long enough for others to come.
    Client::connect(scene.relay.address).await.breaks_off().await;
    assert_eq!(scene.relay.seen().opened, opened + 1);

    let before = proxy.metrics().await.sum(CONNECTS, &[]);
    assert_eq!(operator.ask("POST /session/resume", "").await.status(), 200);
    opens(&proxy, before + 2.0).await;
    scene.orders(&proxy).await;
}
