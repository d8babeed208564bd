//! An answer passed on without a request, for fuzzing.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;

use crate::{
    clock::{Alarm, Clock},
    downstream::Stream,
    http1::Version,
    proxy::{
        Draining,
        dates::Dates,
        keyed::Keeping,
        outbound::{Outbound, Watches},
    },
    tradovate::{Penalty, penalty},
    upstream::{Answer, Head},
};

/// Passes an answer on as an exchange does, and says whether the caller may ask again, or `None` where it could not be
/// passed on whole.
pub(crate) async fn pass_on(
    mut answer: Answer,
    stream: &mut Stream,
    version: Version,
    to_head: bool,
) -> Option<bool> {
    let (draining, dates) = (Draining::default(), Dates::new(Clock::simulated(Timestamp::UNIX_EPOCH)));
    let (mut alarm, mut buffer) = (Alarm::default(), Vec::new());
    let mut outbound = Outbound {
        stream,
        alarm: &mut alarm,
        buffer: &mut buffer,
        version,
        to_head,
        keep_alive: true,
        draining: &draining,
        environment: "demo",
        patience: Duration::from_secs(30),
        dates: &dates,
        request_id: None,
        keeping: Keeping::AsAsked,
        remaining: Some(1),
        penalty: None,
        is_broken: false,
    };
    while answer.head().await.ok()? == Head::Interim {
        outbound.interim(&answer).await.ok()?;
    }
    if answer.status() == StatusCode::OK {
        outbound.penalty = Penalty::find(answer.peek(penalty::LONGEST).await.ok()?);
    }
    let keep_alive = outbound.answer(&mut answer, &mut Nobody).await.ok()?;
    answer.finish();
    Some(keep_alive)
}

/// Nobody looks on.
struct Nobody;

impl Watches for Nobody {
    fn saw(&mut self, _: &[u8]) {}

    fn is_passed_on(&mut self, _: bool) {}
}
