//! Thousands of cuts at random, over each protocol: orders, writes and reads mixed, one at a time or several behind one
//! another, on new connections and on used ones, by upstream, by the network, and by the caller.
//!
//! `CUTS` says how many in all (2,000 where it does not), `CUTS_SEED` which: a failure names the seed that repeats it.
//! With `CUTS_REPORT` the figures are printed (`--nocapture`).

use std::{str::FromStr, sync::Arc};

use fastrand::Rng;

use super::{
    Effect,
    blade::{Blade, Cut, Side},
    origin::{Origin, origin},
    outcome,
    record::{Figures, Outcome, Told},
};
use crate::support::{Client, Proxy, client::End, stage::Way};

#[tokio::test]
async fn over_plain_http_nothing_arrives_twice_and_no_caller_is_told_wrong() {
    cut_at_random(Way::Plain).await;
}

#[tokio::test]
async fn over_tls_nothing_arrives_twice_and_no_caller_is_told_wrong() {
    cut_at_random(Way::Tls).await;
}

#[tokio::test]
async fn over_http2_nothing_arrives_twice_and_no_caller_is_told_wrong() {
    cut_at_random(Way::Http2).await;
}

async fn cut_at_random(way: Way) {
    let seed = variable("CUTS_SEED").unwrap_or_else(|| fastrand::u64(..));
    let cuts = variable("CUTS").unwrap_or(2_000_usize).div_ceil(Way::ALL.len());
    let (origin, proxy) = origin(way, |setup| setup).await;
    let client = proxy.client().await;
    let (told, rng) = (Told::default(), Rng::with_seed(seed));
    let mut lane = Lane { way, seed, rng, origin, proxy, client, told, last: 0 };
    for _ in 0..cuts {
        lane.cut_once().await;
    }
    let figures = lane.end().await;
    assert!(figures.answered > 0 && figures.unknown > 0, "too tame, with CUTS_SEED={seed}: {figures}");
    report(way, seed, cuts, &figures);
}

#[expect(clippy::print_stderr, reason = "the figures are asked for")]
fn report(way: Way, seed: u64, cuts: usize, figures: &Figures) {
    if std::env::var_os("CUTS_REPORT").is_some() {
        eprintln!("{way:?}, {cuts} cuts, CUTS_SEED={seed}: {figures}");
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let value = std::env::var_os(name)?;
    let value = value.to_str().and_then(|value| value.parse().ok());
    Some(value.unwrap_or_else(|| panic!("{name} is no number")))
}

/// What befalls some requests.
#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The connection is cut at a byte.
    Cut(Cut),
    /// Every connection of upstream's is ended, while the request is on its way to the proxy: the race of a connection
    /// that was kept alive too long.
    Race(End),
    /// The caller leaves, once it has sent so many bytes.
    Departure(usize, End),
}

struct Lane {
    way: Way,
    seed: u64,
    rng: Rng,
    origin: Origin,
    proxy: Proxy,
    client: Client,
    told: Told,
    last: u64,
}

impl Lane {
    /// One blow, and the requests that it hits.
    async fn cut_once(&mut self) {
        self.origin.blade.set(None);
        if self.rng.bool() {
            // So that there is a connection which was used before.
            self.ask(&[Effect::Read], &Arc::from("in peace")).await;
        }
        let behind = if self.rng.u8(..10) < 3 { self.rng.usize(1..4) } else { 0 };
        let effects: Vec<_> = (0..=behind).map(|_| self.effect()).collect();
        let blow = self.blow(&effects);
        let context = Arc::from(format!(
            "{:?}, CUTS_SEED={}, number {}: {effects:?} under {blow:?}",
            self.way,
            self.seed,
            self.last + 1
        ));
        match blow {
            Blow::Cut(cut) => {
                self.origin.blade.set(cut);
                self.ask(&effects, &context).await;
            }
            Blow::Race(how) => {
                let blade = self.origin.blade.clone();
                tokio::join!(self.ask(&effects, &context), strike(&blade, how));
            }
            Blow::Departure(after, how) => self.leave(&effects, after, how, &context).await,
        }
    }

    fn effect(&mut self) -> Effect {
        // Orders are what it is about.
        self.rng.choice([Effect::Order, Effect::Order, Effect::Write, Effect::Read]).unwrap()
    }

    fn blow(&mut self, effects: &[Effect]) -> Blow {
        let how = self.rng.choice([End::Closed, End::Reset]).unwrap();
        match self.rng.u8(..10) {
            0 => Blow::Race(how),
            1 => {
                let length: usize = effects.iter().map(|effect| effect.request(0).len()).sum();
                // As often as anywhere: when all of it has been sent.
                Blow::Departure(self.rng.usize(..2 * length).min(length), how)
            }
            _ => {
                let side = self.rng.choice(Side::ALL).unwrap();
                // Most bytes are an exchange's, behind a handshake if there was one.
                let within = self.rng.choice([300, 600, 3000]).unwrap();
                Blow::Cut(Cut { side, after: self.rng.usize(..within), how, times: self.rng.usize(1..4) })
            }
        }
    }

    /// Sends requests behind one another, and hears what becomes of each.
    async fn ask(&mut self, effects: &[Effect], context: &Arc<str>) {
        let numbered = self.numbered(effects);
        let requests: Vec<_> = numbered.iter().map(|(number, effect)| effect.request(*number)).collect();
        self.client.send(requests.concat()).await;
        let mut is_there = true;
        for ((number, effect), request) in numbered.into_iter().zip(&requests) {
            let outcome = if is_there {
                let answered = self.client.try_answer_to(request).await;
                if let Ok(answer) = &answered
                    && answer.outcome().is_none()
                {
                    // Never another's.
                    assert_eq!(answer.text(), format!("{{\"number\":\"{number:06}\"}}"), "{context}");
                }
                is_there = answered.is_ok();
                outcome(answered.as_ref())
            } else {
                Outcome::BrokenOff
            };
            self.told.add(number, effect, outcome, context);
        }
        if !is_there {
            self.client = self.proxy.client().await;
        }
    }

    /// Sends some of the requests, and leaves.
    async fn leave(&mut self, effects: &[Effect], after: usize, how: End, context: &Arc<str>) {
        let numbered = self.numbered(effects);
        let bytes: String = numbered.iter().map(|(number, effect)| effect.request(*number)).collect();
        self.client.send(&bytes[..after]).await;
        let client = std::mem::replace(&mut self.client, self.proxy.client().await);
        match how {
            End::Closed => drop(client),
            End::Reset => client.reset(),
        }
        for (number, effect) in numbered {
            self.told.add(number, effect, Outcome::Unheard, context);
        }
    }

    fn numbered(&mut self, effects: &[Effect]) -> Vec<(u64, Effect)> {
        let first = self.last + 1;
        self.last += effects.len() as u64;
        (first..).zip(effects.iter().copied()).collect()
    }

    async fn end(self) -> Figures {
        drop(self.client);
        self.proxy.stop().await;
        self.origin.is_quiet().await;
        self.told.agrees_with(&self.origin.arrivals)
    }
}

async fn strike(blade: &Blade, how: End) {
    // As far into the request's way as the scheduler happens to let it.
    tokio::task::yield_now().await;
    blade.strike(how);
}
