//! A source that follows a script, and a renewer that runs on it in paused time.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use prometheus::Registry;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{Change, Parts, Renewer};
use crate::{
    auth::{
        console::{Console, console},
        fingerprint::{Fingerprint, FingerprintKey},
        metrics::SessionMetrics,
        policy::RenewalPolicy,
        signs::Sign,
        source::{Grant, Means, Reached, SourceError, TokenSource, Vitality},
        state::{Call, Status},
        store::{Reader, channel},
        token::Generation,
        vault::Vault,
    },
    bearer::Bearer,
    clock::Clock,
    origin::Origin,
};

/// What the source answers to the next call.
pub(super) enum Answer {
    /// A token that expires this many minutes from now, or earlier if negative.
    Grant(i64),
    /// A token without a legible expiry.
    GrantWithoutExpiry,
    /// A token of 80 minutes, and the origin to use it at.
    GrantAt(&'static str),
    Fail(SourceError),
    Hang,
}

/// One call of the renewer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub(super) call: Call,
    pub(super) at: Timestamp,
    pub(super) granted: bool,
    pub(super) reached: Reached,
}

/// Minute 0 of every test.
pub(super) fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(super) struct Scripted {
    clock: Clock,
    script: Arc<Mutex<VecDeque<Answer>>>,
    /// What follows the script.
    then: Box<dyn FnMut() -> Answer + Send>,
    calls: mpsc::UnboundedSender<Made>,
    asked: mpsc::UnboundedSender<Asked>,
    vitality: Arc<Mutex<Vitality>>,
    well: Arc<Mutex<bool>>,
    origin: Origin,
    granted: u64,
}

/// A question of the renewer's that is no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Examined,
    Probed,
}

impl Scripted {
    async fn answer(&mut self, call: Call) -> Result<Grant, SourceError> {
        let scripted = self.script.lock().unwrap().pop_front();
        let answer = scripted.unwrap_or_else(|| (self.then)());
        let reached = match &answer {
            Answer::Fail(error) => error.reached(),
            Answer::Grant(_) | Answer::GrantWithoutExpiry | Answer::GrantAt(_) | Answer::Hang => {
                Reached::Unknown
            }
        };
        let granted = !matches!(answer, Answer::Fail(_) | Answer::Hang);
        let _ = self.calls.send(Made { call, at: self.clock.now(), granted, reached });
        let in_minutes = |minutes| Some(self.clock.now() + SignedDuration::from_mins(minutes));
        let (expires_at, origin) = match answer {
            Answer::Grant(minutes) => (in_minutes(minutes), None),
            Answer::GrantWithoutExpiry => (None, None),
            Answer::GrantAt(origin) => (in_minutes(80), Some(origin.parse().unwrap())),
            Answer::Fail(error) => return Err(error),
            Answer::Hang => std::future::pending().await,
        };
        self.granted += 1;
        Ok(Grant {
            token: format!("token-{}", self.granted).into(),
            expires_at,
            server_date: None,
            user: None,
            origin,
            refresh: None,
            opened: true,
            proves_bearer: call == Call::Renew,
        })
    }
}

impl TokenSource for Scripted {
    async fn acquire(&mut self, _: &Means) -> Result<Grant, SourceError> {
        self.answer(Call::Acquire).await
    }

    async fn renew(&mut self, _: &Means, _: &Bearer, _: &Origin) -> Result<Grant, SourceError> {
        self.answer(Call::Renew).await
    }

    async fn examine(&mut self, _: &Bearer, _: &Origin) -> Vitality {
        let _ = self.asked.send(Asked::Examined);
        *self.vitality.lock().unwrap()
    }

    async fn is_well(&mut self) -> bool {
        let _ = self.asked.send(Asked::Probed);
        *self.well.lock().unwrap()
    }

    fn moved(&self, _: &Origin, location: &str) -> Option<Origin> {
        location.ends_with(".tradovateapi.com").then(|| location.parse().ok()).flatten()
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn seat(&self) -> String {
        "seat".to_owned()
    }

    fn fingerprint(&self, key: &FingerprintKey) -> Fingerprint {
        key.fingerprint(&[b"credentials"])
    }
}

/// A renewer at work.
pub(super) struct Rig {
    pub(super) clock: Clock,
    pub(super) reader: Reader,
    pub(super) registry: Registry,
    pub(super) console: Console,
    pub(super) changes: mpsc::Sender<Change<Scripted>>,
    /// What an examination finds; alive at first.
    pub(super) vitality: Arc<Mutex<Vitality>>,
    /// What a probe finds; well at first.
    pub(super) well: Arc<Mutex<bool>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    calls: mpsc::UnboundedReceiver<Made>,
    asked: mpsc::UnboundedReceiver<Asked>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Rig {
    /// Answers from `script`, then with tokens of 80 minutes.
    pub(super) fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::with(Vault::Memory, Clock::simulated(start()), script, || Answer::Grant(80))
    }

    /// Answers from `script`, then always with `then`.
    pub(super) fn ending(
        script: impl IntoIterator<Item = Answer>,
        then: impl FnMut() -> Answer + Send + 'static,
    ) -> Self {
        Self::with(Vault::Memory, Clock::simulated(start()), script, then)
    }

    pub(super) fn with(
        vault: Vault,
        clock: Clock,
        script: impl IntoIterator<Item = Answer>,
        then: impl FnMut() -> Answer + Send + 'static,
    ) -> Self {
        Self::governed(RenewalPolicy::default(), vault, clock, script, then)
    }

    pub(super) fn governed(
        policy: RenewalPolicy,
        vault: Vault,
        clock: Clock,
        script: impl IntoIterator<Item = Answer>,
        then: impl FnMut() -> Answer + Send + 'static,
    ) -> Self {
        let (sender, calls) = mpsc::unbounded_channel();
        let (asks, asked) = mpsc::unbounded_channel();
        let vitality = Arc::new(Mutex::new(Vitality::Alive));
        let well = Arc::new(Mutex::new(true));
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let source = Scripted {
            clock: clock.clone(),
            script: Arc::clone(&script),
            then: Box::new(then),
            calls: sender,
            asked: asks,
            vitality: Arc::clone(&vitality),
            well: Arc::clone(&well),
            origin: "https://demo.tradovateapi.com".parse().unwrap(),
            granted: 0,
        };
        let registry = Registry::new();
        let metrics = SessionMetrics::register(&registry).unwrap();
        let (publisher, reader) = channel(clock.clone(), Status::starting(clock.now()));
        let record = vault.load(&source.seat()).unwrap();
        let (console, orders) = console();
        let (changes, receiver) = mpsc::channel(1);
        let parts = Parts {
            source,
            publisher,
            policy,
            clock: clock.clone(),
            vault,
            record,
            metrics,
            orders,
            changes: receiver,
            random: fastrand::Rng::with_seed(7),
        };
        let renewer = Renewer::new(parts);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(renewer.run(async {
            let _ = stopped.await;
        }));
        Self { clock, reader, registry, console, changes, vitality, well, script, calls, asked, stop, task }
    }

    /// Adds to the end of the script.
    pub(super) fn answer(&self, answer: Answer) {
        self.script.lock().unwrap().push_back(answer);
    }

    /// The next call and its minute.
    pub(super) async fn call(&mut self) -> (Call, f64) {
        let made = self.made().await;
        (made.call, minute(made.at))
    }

    /// The next call with all that is known of it.
    pub(super) async fn made(&mut self) -> Made {
        self.calls.recv().await.expect("the renewer lives")
    }

    /// The next question that is no attempt.
    pub(super) async fn asked(&mut self) -> Asked {
        self.asked.recv().await.expect("the renewer lives")
    }

    /// How many such questions were asked and not looked at yet.
    pub(super) fn questions(&mut self) -> Vec<Asked> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }

    /// A caller's request with `generation` was answered 401.
    pub(super) fn refused(&self, generation: u64) {
        self.reader.report(Generation(generation), "account-list", Sign::Refused);
    }

    pub(super) fn finds(&self, vitality: Vitality) {
        *self.vitality.lock().unwrap() = vitality;
    }

    /// Every call of the next `span`.
    pub(super) async fn calls_within(&mut self, span: Duration) -> Vec<(Call, f64)> {
        let mut calls = Vec::new();
        let _ = tokio::time::timeout(span, async {
            loop {
                calls.push(self.call().await);
            }
        })
        .await;
        calls
    }

    /// Waits for a status that is as wanted.
    pub(super) async fn until(&self, wanted: impl FnMut(&Status) -> bool) -> Status {
        self.reader.watch().wait_for(wanted).await.unwrap().clone()
    }

    /// Waits for the publication of `generation`.
    pub(super) async fn published(&self, generation: u64) {
        let newest = |status: &Status| status.last_success.map(|(_, generation)| generation);
        self.until(|status| newest(status) >= Some(Generation(generation))).await;
    }

    pub(super) fn now(&self) -> f64 {
        minute(self.clock.now())
    }

    /// Orders the renewer to stop and waits until it has.
    pub(super) async fn stop(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }

    /// Ends the renewer as `kill -9` would.
    pub(super) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

fn minute(at: Timestamp) -> f64 {
    at.duration_since(start()).as_secs_f64() / 60.0
}
