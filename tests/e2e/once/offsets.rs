//! The connection is cut at every byte: of the request, as upstream reads it, and of the answer, as it writes it.

use std::sync::Arc;

use super::{
    Effect,
    blade::{Cut, Side},
    origin::{Origin, origin},
    outcome,
    record::{Figures, Outcome, Told},
};
use crate::support::{Client, Proxy, client::End, stage::Way};

/// One caller who asks one thing at a time.
struct Bench {
    origin: Origin,
    proxy: Proxy,
    client: Client,
    told: Told,
    last: u64,
}

impl Bench {
    async fn new(way: Way) -> Self {
        let (origin, proxy) = origin(way, |setup| setup).await;
        let client = proxy.client().await;
        Self { origin, proxy, client, told: Told::default(), last: 0 }
    }

    /// Has the next request leave on a connection that was used before, or on one that was not.
    async fn prepare(&mut self, reused: bool) {
        self.origin.blade.set(None);
        if reused {
            assert_eq!(self.ask(Effect::Read, "to have a connection").await, Outcome::Answered);
        } else {
            self.origin.blade.strike(End::Closed);
            self.origin.is_quiet().await;
        }
    }

    async fn ask(&mut self, effect: Effect, context: &str) -> Outcome {
        self.last += 1;
        let (request, context) = (effect.request(self.last), Arc::from(context));
        self.client.send(&request).await;
        let answered = self.client.try_answer_to(&request).await;
        let outcome = outcome(answered.as_ref());
        if answered.is_err() {
            self.client = self.proxy.client().await;
        }
        self.told.add(self.last, effect, outcome, &context);
        outcome
    }

    /// How many bytes a request and its answer are.
    async fn lengths(&mut self, effect: Effect, reused: bool) -> [usize; 2] {
        self.prepare(reused).await;
        self.origin.blade.set(None);
        assert_eq!(self.ask(effect, "in peace").await, Outcome::Answered);
        Side::ALL.map(|side| self.origin.blade.passed(side))
    }

    /// Cuts once at each byte, and after the last.
    async fn cut_everywhere(&mut self, effect: Effect, how: End, reused: bool) {
        let lengths = self.lengths(effect, reused).await;
        for (side, length) in Side::ALL.into_iter().zip(lengths) {
            for after in 0..=length {
                let context =
                    format!("{effect:?}, {side:?} cut by {how:?} after {after} of {length}, reused {reused}");
                self.prepare(reused).await;
                self.origin.blade.set(Cut { side, after, how, times: 1 });
                let outcome = self.ask(effect, &context).await;
                let seen = self.origin.blade.passed(Side::Request);
                assert!(outcome != Outcome::NotSent || seen == 0, "{seen} bytes of it were sent: {context}");
                // Upstream has spoken its last byte; what follows is the next request's misfortune.
                let is_whole = side == Side::Response && after == length;
                assert!(
                    outcome == Outcome::Answered || !is_whole || how == End::Reset,
                    "{outcome:?}: {context}"
                );
            }
        }
    }

    async fn end(self) -> Figures {
        drop(self.client);
        self.proxy.stop().await;
        self.origin.is_quiet().await;
        self.told.agrees_with(&self.origin.arrivals)
    }
}

#[tokio::test]
async fn an_order_that_is_cut_at_any_byte_arrives_once_and_its_caller_is_told_the_truth() {
    let mut bench = Bench::new(Way::Plain).await;
    for how in [End::Closed, End::Reset] {
        for reused in [false, true] {
            bench.cut_everywhere(Effect::Order, how, reused).await;
        }
    }
    let figures = bench.end().await;
    assert!(figures.unknown > 0 && figures.answered > 0, "{figures}");
}

#[tokio::test]
async fn so_does_a_write() {
    let mut bench = Bench::new(Way::Plain).await;
    bench.cut_everywhere(Effect::Write, End::Closed, true).await;
    bench.cut_everywhere(Effect::Write, End::Reset, false).await;
    bench.end().await;
}

#[tokio::test]
async fn a_read_that_is_cut_at_any_byte_arrives_at_most_twice() {
    let mut bench = Bench::new(Way::Plain).await;
    bench.cut_everywhere(Effect::Read, End::Closed, true).await;
    bench.cut_everywhere(Effect::Read, End::Reset, true).await;
    let figures = bench.end().await;
    assert!(figures.reads_repeated > 0, "none was sent again: {figures}");
}

#[tokio::test]
async fn an_order_inside_a_protocol_of_its_own_is_no_exception() {
    // Offsets count what is on the wire: records of TLS, frames of HTTP/2.
    for way in [Way::Tls, Way::Http2] {
        let mut bench = Bench::new(way).await;
        bench.cut_everywhere(Effect::Order, End::Closed, true).await;
        bench.cut_everywhere(Effect::Order, End::Reset, true).await;
        bench.end().await;
    }
}
