//! Days on which everything that can go wrong does, at random, under paused time.

use std::time::Duration;

use tokio::time::timeout;

use super::scripted::{Answer, Made, Rig};
use crate::auth::{
    signs::Sign,
    source::{ErrorText, Loss, Reached, SourceError, Step},
    state::Call,
};

#[tokio::test(start_paused = true)]
async fn whatever_happens_the_loop_lives_and_the_budgets_hold() {
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        // Weather: for some hours most calls go well, for some hardly any does.
        let mut trouble = 0;
        let mut rig = Rig::ending([], move || {
            if random.u8(..) < 10 {
                trouble = *random.choice(&[0, 0, 5, 50, 95]).unwrap_or(&0);
            }
            if random.i32(..100) < trouble {
                trouble_of(&mut random)
            } else {
                Answer::Grant(random.i64(70..90))
            }
        });
        let reader = rig.reader.clone();
        let mut suspicion = fastrand::Rng::with_seed(!seed);
        let caller = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(suspicion.u64(60..7200))).await;
                if let Some(current) = reader.current() {
                    reader.report(current.generation, "account-list", Sign::Refused);
                }
            }
        });
        let mut made = Vec::new();
        let _ = timeout(Duration::from_secs(72 * 3600), async {
            loop {
                made.push(rig.made().await);
            }
        })
        .await;
        check_budgets(&made, seed);
        caller.abort();
        rig.stop().await;
    }
}

fn trouble_of(random: &mut fastrand::Rng) -> Answer {
    match random.u8(..12) {
        0 => Answer::Hang,
        1 => Answer::GrantWithoutExpiry,
        2 => Answer::Grant(random.i64(-10..10)),
        3 => Answer::Fail(SourceError::Captcha),
        4 => Answer::Fail(SourceError::RateLimited),
        5 => Answer::Fail(SourceError::UnexpectedStatus { status: 503 }),
        6 => Answer::Fail(SourceError::Malformed { what: "it is HTML" }),
        7 => Answer::Fail(SourceError::Refused { status: 401, text: ErrorText::new("Access is denied") }),
        8 => Answer::Fail(SourceError::Lost { how: Loss::Broken }),
        _ => Answer::Fail(SourceError::Unreachable { step: Step::Connect, source: "refused".into() }),
    }
}

fn check_budgets(made: &[Made], seed: u64) {
    let rolling = |limit: usize, what: &str, counts: &dyn Fn(&Made) -> bool| {
        let counted: Vec<_> =
            made.iter().filter(|made| made.reached != Reached::No && counts(made)).collect();
        for window in counted.windows(limit + 1) {
            let span = window[limit].at.duration_since(window[0].at);
            assert!(span.as_secs() >= 3600, "seed {seed}: {what}: {window:?}");
        }
    };
    rolling(4, "sessions opened", &|made| made.call == Call::Acquire && made.granted);
    rolling(2, "logins failed", &|made| made.call == Call::Acquire && !made.granted);
    rolling(10, "renewals", &|made| made.call == Call::Renew);
    assert!(made.len() > 60, "seed {seed}: the loop did its work: {}", made.len());
}
