//! A session that moves to another host: with the next token, all at once, and nowhere that is not trusted.

use std::{collections::BTreeMap, time::Duration};

use tradovate_proxy::sandbox::{ApiHosts, Record};

use crate::support::{
    RawUpstream, Setup,
    client::write,
    stage::{self, ORDER, Stage, Way, broker},
};

const READ: &str = "GET /v1/account/list";
const ORDERS: &str = "POST /v1/order/placeorder";

/// A broker whose user lives at `a`, and a proxy that may follow him to other names below `domain`.
async fn stage(way: Way, domain: &str) -> Stage {
    let (sandbox, clock) = broker().await;
    sandbox.control().change_rules(|rules| rules.home_host = Some(format!("a.{domain}")));
    let address = if way == Way::Plain { sandbox.http_addr() } else { sandbox.https_addr().unwrap() };
    let scheme = if way == Way::Plain { "http" } else { "https" };
    let setup = stage::setup(&sandbox, &clock, way)
        .with("TRADOVATE_PROXY_UPSTREAM_URL", &format!("{scheme}://a.{domain}:{}", address.port()))
        .with("TRADOVATE_PROXY_TRUSTED_HOSTS", domain);
    let proxy = setup.live().await;
    Stage { sandbox, proxy, clock }
}

/// Lets a renewal become due, and waits for its token.
async fn renews(stage: &Stage, generation: u64) {
    stage.clock.advance(Duration::from_secs(65 * 60)).unwrap();
    stage.proxy.reaches_generation(generation).await;
}

/// The host of a request, without its port.
fn host(record: &Record) -> &str {
    record.host.split(':').next().unwrap()
}

/// Where a read goes now, and that it is served there.
async fn goes_to(stage: &Stage) -> String {
    assert_eq!(stage.ask(READ, "").await.status(), 200);
    host(stage.seen().last().unwrap()).to_owned()
}

#[tokio::test]
async fn a_renewal_moves_the_session_and_nothing_goes_to_the_old_host_after_it() {
    for (way, domain) in
        [(Way::Plain, "localhost"), (Way::Tls, "api.localhost"), (Way::Http2, "api.localhost")]
    {
        let stage = stage(way, domain).await;
        let (old, new) = (format!("a.{domain}"), format!("b.{domain}"));
        assert_eq!(goes_to(&stage).await, old, "{way:?}");

        stage.control().change_rules(|rules| rules.home_host = Some(new.clone()));
        renews(&stage, 2).await;
        assert_eq!(stage.proxy.session.last().unwrap().origin.host(), new);
        stage.control().forget_requests();
        for (request, body) in [(READ, ""), (ORDERS, ORDER), (READ, "")] {
            assert_eq!(stage.ask(request, body).await.status(), 200, "{way:?}");
        }
        renews(&stage, 3).await;
        let requests = stage.control().requests();
        assert_eq!(requests.len(), 4);
        assert!(requests.iter().all(|record| host(record) == new), "the renewal's too: {requests:?}");
        let status = stage.proxy.admin("/status").await.json();
        assert!(status["origin"].as_str().unwrap().contains(&format!("://{new}:")), "{status}");
        assert_eq!(stage.control().sessions().len(), 1);
    }
}

#[tokio::test]
async fn a_host_is_kept_where_an_answer_names_none_or_one_that_is_not_trusted() {
    let stage = stage(Way::Plain, "localhost").await;
    stage.control().change_rules(|rules| rules.home_host = Some("b.localhost".to_owned()));
    renews(&stage, 2).await;
    let named = |host: &str| ApiHosts::Override(BTreeMap::from([("demo".to_owned(), host.to_owned())]));
    let port = stage.sandbox.http_addr().port();
    for (generation, hosts) in (3..).zip([
        ApiHosts::Absent,
        named("evil.example"),
        named("localhost.evil.example"),
        named("user@c.localhost"),
        named(&format!("c.localhost:{port}")),
        // Tradovate's own would take the session out of what the operator set in its place.
        ApiHosts::Public,
    ]) {
        stage.control().change_rules(|rules| rules.api_hosts = hosts.clone());
        renews(&stage, generation).await;
        assert_eq!(goes_to(&stage).await, "b.localhost", "{hosts:?}");
    }
}

#[tokio::test]
async fn connections_to_the_old_host_are_closed_when_they_have_nothing_left_to_do() {
    let mut upstream = RawUpstream::start().await;
    let url = |name| format!("http://{name}.localhost:{}", upstream.address.port());
    let setup = Setup::before(&url("a"), &upstream.clock).with("TRADOVATE_PROXY_TRUSTED_HOSTS", "localhost");
    let proxy = setup.live().await;
    let (mut reader, mut trader) = (proxy.client().await, proxy.client().await);
    reader.send(write(READ, "")).await;
    let mut idle = upstream.request().await;
    trader.send(write(ORDERS, ORDER)).await;
    let mut busy = upstream.request().await;
    idle.write(EMPTY).await;
    assert_eq!(reader.answer().await.status(), 200);
    proxy.shows("tradovate_proxy_upstream_connections", &[("state", "idle")], 1.0).await;

    upstream.moves_to("b.localhost");
    upstream.clock.advance(Duration::from_secs(65 * 60)).unwrap();
    proxy.reaches_generation(2).await;
    // Nobody has asked for anything since.
    idle.left().await;
    busy.write(EMPTY).await;
    assert_eq!(trader.answer().await.status(), 200, "what was under way is finished");
    busy.left().await;

    reader.send(write(READ, "")).await;
    let moved = upstream.request().await;
    assert_eq!(moved.all("host"), [format!("b.localhost:{}", upstream.address.port())]);
    assert_eq!(moved.all("authorization"), ["Bearer SIM-access-raw-2"]);
    moved.answer(EMPTY).await;
    assert_eq!(reader.answer().await.status(), 200);
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
