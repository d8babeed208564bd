//! Callers that leave: before their request is whole, while it is on its way, and while it is answered.
//!
//! A reset says that nobody will read an answer. A FIN does not (RFC 9112 §9.6): it may come from a program that has
//! ended, or from one that has asked all it wanted and waits.

use super::{Effect, origin::origin};
use crate::support::{
    client::End,
    stage::Way,
    upstream::{RawUpstream, raw},
};

#[tokio::test]
async fn half_a_request_never_reaches_upstream() {
    let (origin, proxy) = origin(Way::Plain, |setup| setup).await;
    let mut number = 0;
    for effect in Effect::ALL {
        for how in [End::Closed, End::Reset] {
            for sent in (1..effect.request(0).len()).step_by(3) {
                number += 1;
                let mut client = proxy.client().await;
                client.send(&effect.request(number)[..sent]).await;
                match how {
                    End::Closed => drop(client),
                    End::Reset => client.reset(),
                }
            }
        }
    }
    proxy.stop().await;
    origin.is_quiet().await;
    let arrived: Vec<_> = (1..=number).filter(|&number| origin.arrivals.of(number) > 0).collect();
    assert!(arrived.is_empty(), "{arrived:?}");
}

#[tokio::test]
async fn an_order_whose_caller_left_before_it_did_is_not_counted_among_those_of_unknown_outcome() {
    let (mut upstream, proxy) = raw().await;
    let order = Effect::Order.request(1);
    let (head, _) = order.split_once("\r\n\r\n").unwrap();
    let mut client = proxy.client().await;
    client.send(format!("{head}\r\nExpect: 100-continue\r\n\r\n")).await;
    // What it wants is known.
    assert_eq!(client.head().await.start, "HTTP/1.1 100 Continue");
    client.reset();
    let of_orders = |outcome| [("effect", "order"), ("status", "499"), ("outcome", outcome)];
    proxy.counts(&of_orders("aborted-unsent"), 1.0).await;
    proxy.counts(&of_orders("aborted"), 0.0).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn a_reset_cancels_a_read_that_waits_for_its_answer() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(Effect::Read.request(1)).await;
    let request = upstream.request().await;
    client.reset();
    // Well before `timeouts.response-head`, which is longer than this test would wait.
    request.left().await;
    proxy.counts(&[("operation", "account-list"), ("outcome", "aborted")], 1.0).await;
    upstream.is_untouched();
}

#[tokio::test]
async fn a_reset_cancels_a_read_whose_answer_has_begun() {
    let (mut upstream, proxy) = raw().await;
    let mut client = proxy.client().await;
    client.send(Effect::Read.request(1)).await;
    let mut request = upstream.request().await;
    // Longer than what is read whole before any of it is passed on.
    request.write("HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n[").await;
    client.head().await;
    client.reset();
    request.left().await;
    proxy.counts(&[("operation", "account-list"), ("outcome", "caller-gone")], 1.0).await;
}

#[tokio::test]
async fn a_reset_cancels_no_order_and_no_write() {
    let (mut upstream, proxy) = raw().await;
    for (effect, operation) in [(Effect::Order, "place-order"), (Effect::Write, "set-account-notes")] {
        let mut client = proxy.client().await;
        client.send(effect.request(1)).await;
        let request = upstream.request().await;
        client.reset();
        hear_from(&mut upstream, &proxy).await;
        request.ok("{}").await;
        proxy.counts(&[("operation", operation), ("status", "200")], 1.0).await;
        upstream.is_untouched();
    }
}

#[tokio::test]
async fn a_caller_that_has_only_asked_all_it_wanted_gets_its_answer() {
    let (mut upstream, proxy) = raw().await;
    for effect in Effect::ALL {
        let mut client = proxy.client().await;
        client.send(effect.request(1)).await;
        client.finish().await;
        let request = upstream.request().await;
        hear_from(&mut upstream, &proxy).await;
        request.ok("[]").await;
        assert_eq!(client.answer().await.text(), "[]", "{effect:?}");
    }
}

/// One more exchange with the same worker, so that it has heard by then of whatever came before.
async fn hear_from(upstream: &mut RawUpstream, proxy: &crate::support::Proxy) {
    let mut client = proxy.client().await;
    client.send(Effect::Read.request(0)).await;
    upstream.request().await.ok("[]").await;
    client.answer().await;
}
