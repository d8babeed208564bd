//! Request bodies in sum: bounded over all callers, taken as they come, given back, and never at the cost of orders.

use crate::support::{Client, Proxy, RawUpstream, client::write, stage::ORDER, upstream::raw_with};

const LARGE: usize = 512 * 1024;
const BUDGET: &str = "TRADOVATE_PROXY_LIMIT_BUFFERED_BYTES";
const BUFFERED: &str = "tradovate_proxy_buffered_bytes";
const FREE: usize = 16 * 1024;

fn head(length: usize) -> String {
    format!(
        "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n"
    )
}

/// A caller whose body has come but for its last byte.
async fn holding(proxy: &Proxy, length: usize) -> Client {
    let mut client = proxy.client().await;
    client.send(format!("{}\r\n", head(length))).await;
    client.send(vec![b' '; length - 1]).await;
    client
}

/// Whether orders go through as if nothing else was there.
async fn orders_go_through(proxy: &Proxy, upstream: &mut RawUpstream) {
    let mut client = proxy.client().await;
    // The largest that needs no share of the budget, and a usual one.
    for body in [ORDER.to_owned(), format!("{ORDER}{}", " ".repeat(FREE - ORDER.len()))] {
        client.send(write("POST /v1/order/placeorder", &body)).await;
        let request = upstream.request().await;
        assert_eq!(request.body.len(), body.len());
        request.ok("{}").await;
        assert_eq!(client.answer().await.status(), 200);
    }
}

fn is_refused(answer: &crate::support::Answer) {
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "overloaded"), "{}", answer.text());
    assert_eq!((answer.outcome(), answer.header("retry-after")), (Some("not-sent"), Some("1")));
    assert!(answer.json()["help"].as_str().unwrap().contains("limits.buffered-bytes"));
}

#[tokio::test]
async fn large_bodies_share_a_budget_and_orders_need_none_of_it() {
    // Room for three.
    let (mut upstream, proxy) =
        raw_with(|setup| setup.with(BUDGET, "1600KiB").with("TRADOVATE_PROXY_WORKERS", "2")).await;
    let share = f64::from(u32::try_from(LARGE - FREE).unwrap());
    let mut holders = Vec::new();
    for held in 1..=3 {
        holders.push(holding(&proxy, LARGE).await);
        proxy.shows(BUFFERED, &[], share * f64::from(held)).await;
    }

    // One more is refused by its length, before it is asked to send a byte of it.
    let mut fourth = proxy.client().await;
    fourth.send(format!("{}Expect: 100-continue\r\n\r\n", head(LARGE))).await;
    let answer = fourth.answer().await;
    assert!(answer.interim.is_empty(), "it was not told to go on");
    is_refused(&answer);
    // And one that does not say how long it is, as it grows.
    let mut fifth = proxy.client().await;
    fifth.send(head(0).replace("Content-Length: 0", "Transfer-Encoding: chunked") + "\r\n").await;
    fifth.send(format!("{:x}\r\n{}\r\n", 300_000, " ".repeat(300_000))).await;
    is_refused(&fifth.answer().await);
    orders_go_through(&proxy, &mut upstream).await;
    proxy.shows(BUFFERED, &[], share * 3.0).await;

    // What is held comes back at each end: with the answer's head, with its caller, with a refusal.
    let mut first = holders.remove(0);
    first.send(" ").await;
    let mut request = upstream.request().await;
    assert_eq!(request.body.len(), LARGE);
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
    request.write(vec![b'.'; 50_000]).await;
    first.head().await;
    proxy.shows(BUFFERED, &[], share * 2.0).await;
    drop(holders.remove(0));
    proxy.shows(BUFFERED, &[], share).await;
    let mut last = holding(&proxy, LARGE).await;
    last.finish().await;
    assert_eq!(last.answer().await.status(), 400, "it is not whole");
    drop(holders);
    proxy.shows(BUFFERED, &[], 0.0).await;
    request.answer(vec![b'.'; 50_000]).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn what_is_announced_and_does_not_come_takes_nothing() {
    let (mut upstream, proxy) = raw_with(|setup| setup.with(BUDGET, "1MiB")).await;
    let mut announced = Vec::new();
    for _ in 0..50 {
        let mut client = proxy.client().await;
        client.send(format!("{}\r\n", head(1 << 20))).await;
        announced.push(client);
    }
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 50.0).await;
    proxy.shows(BUFFERED, &[], 0.0).await;
    let mut client = holding(&proxy, LARGE).await;
    client.send(" ").await;
    upstream.request().await.ok("{}").await;
    assert_eq!(client.answer().await.status(), 200);
    drop(announced);
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 0.0).await;
}

#[tokio::test]
async fn four_hundred_large_bodies_at_once_stay_within_the_budget_and_orders_are_served_meanwhile() {
    let process = crate::support::process::Process::sandbox(&[(BUDGET, "16MiB")]).await;
    let mut trader = Client::connect(process.proxy).await;
    for _ in 0..50 {
        assert_eq!(trader.ask("GET /v1/account/list", "").await.status(), 200);
    }
    let before = process.most_memory();
    let mut uploads = Vec::new();
    let body = vec![b' '; (1 << 20) - 1];
    let mut refused = 0;
    for _ in 0..400 {
        let mut client = Client::connect(process.proxy).await;
        client.send(format!("{}\r\n", head(1 << 20))).await;
        // What is refused is read no further than a farewell goes.
        if client.try_send(&body).await.is_err() {
            refused += 1;
        }
        uploads.push(client);
        if uploads.len() % 20 == 0 {
            assert_eq!(trader.ask("POST /v1/order/placeorder", ORDER).await.status(), 200);
        }
    }
    for client in &mut uploads {
        if let Some(answer) = client.answer_at_hand().await {
            is_refused(&answer);
            refused += 1;
        }
    }
    assert!((300..400).contains(&refused), "{refused} were refused");
    let grown = process.most_memory() - before;
    assert!(grown < 40 << 20, "it grew by {} KiB", grown / 1024);
}
