//! The loop that keeps a session alive, and the only one that talks to a [`TokenSource`].

mod attempt;
mod report;

use std::{future::Future, pin::pin, sync::Arc};

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Duration, timeout},
};

use crate::{
    auth::{
        console::{Declined, Orders, Request},
        ledger::Errand,
        machine::{Action, Machine, Plan, Seat, Step},
        metrics::SessionMetrics,
        policy::RenewalPolicy,
        signs::Heard,
        source::TokenSource,
        state::Status,
        store::Publisher,
        token::{Generation, Session},
        vault::{Record, Vault},
    },
    bearer::Bearer,
    clock::Clock,
    origin::Origin,
};

/// Owns everything that can change the session: the source, the vault and the publisher. What to do is decided by
/// the [`Machine`]; this does it.
#[derive(Debug)]
pub struct Renewer<S> {
    source: S,
    machine: Machine,
    publisher: Publisher,
    clock: Clock,
    vault: Vault,
    metrics: SessionMetrics,
    orders: Orders,
    changes: mpsc::Receiver<Change<S>>,
    policy: RenewalPolicy,
    /// What readers see now.
    published: Option<Published>,
    status: Status,
    /// When to store again what could not be stored.
    store_again: Option<tokio::time::Instant>,
}

/// What a [`Renewer`] is made of.
#[derive(Debug)]
pub struct Parts<S> {
    /// What hands out tokens.
    pub source: S,
    /// Where they go.
    pub publisher: Publisher,
    /// When they are renewed, and how often anything may be tried.
    pub policy: RenewalPolicy,
    /// What time it is.
    pub clock: Clock,
    /// Where the session waits between two runs.
    pub vault: Vault,
    /// What [`Vault::load`] gave for this source's [`seat`](TokenSource::seat).
    pub record: Record,
    /// What is counted.
    pub metrics: SessionMetrics,
    /// What operators ask for.
    pub orders: Orders,
    /// What changes without a restart.
    pub changes: mpsc::Receiver<Change<S>>,
    /// What jitter is drawn from.
    pub random: fastrand::Rng,
}

/// What changes without a restart.
#[derive(Debug)]
pub enum Change<S> {
    /// Other credentials: what asks from now on. It must be of the same [`seat`](TokenSource::seat).
    Source(S),
    /// Other limits and policies.
    Policy(RenewalPolicy),
}

/// The session in use, as the source wants it.
#[derive(Debug)]
struct Published {
    generation: Generation,
    bearer: Bearer,
    expires_at: Timestamp,
}

impl<S: TokenSource> Renewer<S> {
    /// Puts the parts together. Nothing is sent before [`run`](Self::run).
    pub fn new(parts: Parts<S>) -> Self {
        let Parts { source, publisher, policy, clock, vault, mut record, metrics, orders, changes, random } =
            parts;
        let now = clock.now();
        record.rebase(&clock);
        if let Some(session) = &mut record.session {
            // Trust may have been withdrawn since.
            let bootstrap = source.origin();
            let is_trusted = session.origin == *bootstrap
                || source.moved(bootstrap, &session.origin.to_string()).as_ref() == Some(&session.origin);
            if !is_trusted {
                session.origin = bootstrap.clone();
            }
        }
        let seat = seat(&source, &record);
        let machine = Machine::new(believed(policy, &source), seat, record, random, now);
        let status = Status::starting(now);
        Self {
            source,
            machine,
            publisher,
            clock,
            vault,
            metrics,
            orders,
            changes,
            policy,
            published: None,
            status,
            store_again: None,
        }
    }

    /// Keeps the session alive until `shutdown`. Whatever one attempt meets, the loop goes on.
    ///
    /// An attempt that `shutdown` finds under way gets [`GRACE`] to end, since a login whose answer is thrown away
    /// has still opened a session.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        // Said at once if the disk is not well, and not only when something has to be kept.
        self.store().await;
        loop {
            let plan = self.settle();
            let event = tokio::select! {
                biased;
                () = &mut shutdown => return,
                event = self.event(plan) => event,
            };
            let mut handled = pin!(self.handle(event));
            tokio::select! {
                () = &mut handled => {}
                () = &mut shutdown => {
                    let _ = timeout(GRACE, handled).await;
                    return;
                }
            }
        }
    }

    /// Brings readers, status and metrics in line with the machine, and says what is next.
    fn settle(&mut self) -> Plan {
        let now = self.clock.now();
        let plan = self.machine.plan(now);
        let generation = self.machine.generation();
        let usable = self.machine.usable();
        match (usable, self.published.as_ref().map(|published| published.generation)) {
            (Some(_), Some(published)) if published == generation => self.report(plan, now),
            (Some(session), _) => match Bearer::new(&session.token) {
                Ok(bearer) => self.publish(bearer, plan, now),
                // Only a stored token comes this far unchecked.
                Err(error) => {
                    tracing::warn!(%error, "the stored token is not used");
                    self.machine.discard();
                    return self.settle();
                }
            },
            // One that has run out is used by nobody, and its last hour is still of interest.
            (None, Some(_))
                if self.published.as_ref().is_some_and(|published| now < published.expires_at) =>
            {
                self.withdraw(plan, now);
            }
            (None, _) => self.report(plan, now),
        }
        plan
    }

    /// Waits for whatever is next. Cancel safe.
    async fn event(&mut self, plan: Plan) -> Event<S> {
        let Self { machine, publisher, clock, orders, changes, store_again, .. } = self;
        let due = match plan.action {
            Action::At(_, at) => plan.until.map_or(at, |until| at.min(until)),
            Action::Stop => plan.until.unwrap_or_else(|| clock.now() + LONGEST_SLEEP),
        };
        let store = async {
            match *store_again {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let permits = |operation| machine.permits(operation);
        tokio::select! {
            biased;
            // First, so that no number of orders keeps a renewal from its time.
            () = clock.sleep_until(due) => Event::Woken,
            request = orders.next() => Event::Ordered(request),
            Some(change) = changes.recv() => Event::Changed(change),
            () = store => Event::StoreAgain,
            heard = publisher.heard(machine.generation(), machine.listens(), permits) => Event::Heard(heard),
        }
    }

    async fn handle(&mut self, event: Event<S>) {
        match event {
            Event::Woken => self.act().await,
            Event::StoreAgain => self.store().await,
            Event::Heard(Heard::Against(cause)) => {
                tracing::info!(?cause, "an answer speaks against the token; looking into it");
                self.machine.suspect(cause);
            }
            Event::Heard(Heard::Moved(location)) => self.follow(&location).await,
            Event::Ordered(request) => self.obey(request).await,
            Event::Changed(change) => self.change(change).await,
        }
    }

    /// Does what is due. Time has passed since it was planned, and maybe more than was slept: so it is decided anew.
    async fn act(&mut self) {
        let now = self.clock.now();
        let Action::At(step, _) = self.machine.plan(now).due(now) else { return };
        match step {
            Step::Attempt(errand) => drop(self.attempt(errand).await),
            Step::Examine => self.examine().await,
            Step::Probe => {
                let is_well =
                    timeout(self.policy.attempt_timeout, self.source.is_well()).await.unwrap_or(false);
                tracing::debug!(is_well, "asked whether upstream is there");
                let lost = self.machine.probed(is_well, self.clock.now());
                self.mourn(lost).await;
            }
            Step::Resume => {
                self.machine.resume();
                self.store().await;
            }
        }
    }

    async fn obey(&mut self, request: Request) {
        let answer = match self.machine.order(request.order, self.clock.now()) {
            Ok(None) => {
                self.store().await;
                Ok(())
            }
            Ok(Some(errand)) => {
                self.attempt(errand).await.map_err(|error| Declined::Failed { result: error.label() })
            }
            Err(declined) => Err(declined),
        };
        // Whoever asks next sees what came of it.
        self.settle();
        request.answer(answer);
    }

    async fn change(&mut self, change: Change<S>) {
        match change {
            Change::Source(source) => {
                let seat = seat(&source, self.machine.record());
                self.source = source;
                self.machine.govern(believed(self.policy, &self.source));
                if self.machine.reseat(seat) {
                    drop(self.attempt(Errand::Acquire).await);
                }
            }
            Change::Policy(policy) => {
                self.policy = policy;
                self.machine.govern(believed(policy, &self.source));
            }
        }
    }

    fn publish(&mut self, bearer: Bearer, plan: Plan, now: Timestamp) {
        let Some(stored) = self.machine.usable() else { return };
        let generation = self.machine.generation();
        let session = Session {
            bearer: bearer.clone(),
            expires_at: stored.expires_at,
            issued_at: stored.issued_at,
            generation,
            origin: Arc::<Origin>::new(stored.origin.clone()),
            user: stored.user.clone(),
        };
        self.status.last_success = Some((session.issued_at, generation));
        self.metrics.published(generation, self.clock.shown(session.expires_at));
        self.published = Some(Published { generation, bearer, expires_at: session.expires_at });
        self.describe(plan, now);
        self.publisher.publish(session, self.status.clone());
    }

    fn withdraw(&mut self, plan: Plan, now: Timestamp) {
        self.published = None;
        self.describe(plan, now);
        self.metrics.withdrawn();
        self.publisher.withdraw(self.status.clone());
    }

    async fn store(&mut self) {
        let record = self.machine.stamped(self.clock.stamp());
        let trouble = self.vault.save(record).await.err();
        match (&trouble, &self.status.store_trouble) {
            (Some(trouble), None) => {
                tracing::warn!(trouble, "the session cannot be stored and would not survive a restart");
            }
            (None, Some(_)) => tracing::info!("the session is stored again"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.store_again = trouble.is_some().then(|| tokio::time::Instant::now() + STORE_AGAIN);
        self.status.store_trouble = trouble;
    }
}

/// Something to handle.
#[derive(Debug)]
enum Event<S> {
    Woken,
    StoreAgain,
    Heard(Heard),
    Ordered(Request),
    Changed(Change<S>),
}

fn seat<S: TokenSource>(source: &S, record: &Record) -> Seat {
    Seat {
        credentials: source.fingerprint(&record.key),
        seed: source.seed(&record.key),
        bootstrap: source.origin().clone(),
        is_handed: source.is_handed(),
    }
}

/// How long a life is believed depends on whose tokens they are.
fn believed<S: TokenSource>(policy: RenewalPolicy, source: &S) -> RenewalPolicy {
    RenewalPolicy { longest_life: source.longest_life().unwrap_or(policy.longest_life), ..policy }
}

/// How long an attempt that is under way may go on after the order to stop: less than the 10 s after which a container
/// engine insists, since the answer may carry the only refresh token that is still good.
pub const GRACE: Duration = Duration::from_secs(8);

/// How soon after a failure the session is stored again.
const STORE_AGAIN: Duration = Duration::from_secs(30);

/// How long to sleep when nothing is planned.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod broker;
#[cfg(test)]
mod doubts;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod weather;
#[cfg(test)]
mod year;
