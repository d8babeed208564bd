//! The loop that keeps a session alive, and the only one that talks to a [`TokenSource`].

use std::{error::Error as _, future::Future, iter, pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    auth::{
        fingerprint::Fingerprint,
        ledger::Errand,
        metrics::{OK, SessionMetrics},
        policy::{Action, Lease, Plan, RenewalPolicy, Situation, skew},
        source::{Grant, Loss, Means, SourceError, TokenSource},
        state::{Attempt, State, Status},
        store::Publisher,
        token::{Generation, Session},
        vault::{Record, StoredSession, Vault},
    },
    bearer::Bearer,
    clock::Clock,
    origin::Origin,
};

/// Owns everything that can change the session: the source, the vault and the publisher.
#[derive(Debug)]
pub struct Renewer<S> {
    source: S,
    publisher: Publisher,
    policy: RenewalPolicy,
    clock: Clock,
    vault: Vault,
    metrics: SessionMetrics,
    random: fastrand::Rng,
    /// What is stored, or would be if the disk were well.
    record: Record,
    credentials: Fingerprint,
    /// The token in use.
    held: Option<Held>,
    had_token: bool,
    /// Whether a caller's request was answered 401 with the token in use.
    suspected: bool,
    setback: Option<Setback>,
    status: Status,
}

impl<S: TokenSource> Renewer<S> {
    /// Puts the parts together. `record` is what [`Vault::load`] gave for this source's
    /// [`seat`](TokenSource::seat). Nothing is sent before [`run`](Self::run).
    pub fn new(
        source: S,
        publisher: Publisher,
        policy: RenewalPolicy,
        clock: Clock,
        vault: Vault,
        record: Record,
        metrics: SessionMetrics,
    ) -> Self {
        let credentials = source.fingerprint(&record.key);
        let status = Status::starting(clock.now());
        Self {
            source,
            publisher,
            policy,
            clock,
            vault,
            metrics,
            random: fastrand::Rng::new(),
            record,
            credentials,
            held: None,
            had_token: false,
            suspected: false,
            setback: None,
            status,
        }
    }

    /// Keeps the session alive until `shutdown`. Whatever one attempt meets, the loop goes on.
    ///
    /// An attempt that `shutdown` finds under way gets [`GRACE`] to end, since a login whose answer is thrown
    /// away has still opened a session.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = pin!(shutdown);
        self.restore();
        loop {
            let now = self.clock.now();
            let plan = self.plan(now);
            self.announce(plan, now);
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = rejected(&self.publisher, self.unsuspected()) => {
                    self.suspected = true;
                    continue;
                }
                () = self.clock.sleep_until(self.wake_at(plan, now)) => {}
            }
            let errand = match plan.action {
                Action::At(errand, at) if at <= now => errand,
                // Time has passed: decide anew.
                Action::At(..) | Action::Stop => continue,
            };
            let mut attempt = pin!(self.attempt(errand));
            tokio::select! {
                () = &mut attempt => {}
                () = &mut shutdown => {
                    let _ = timeout(GRACE, attempt).await;
                    return;
                }
            }
        }
    }

    /// Takes up the stored session, if it lives: without a login, and without asking whether it is still good,
    /// since the first request will tell.
    fn restore(&mut self) {
        let now = self.clock.now();
        let Some(stored) = self.record.session.clone().filter(|stored| now < stored.expires_at) else {
            return;
        };
        match Bearer::new(&stored.token) {
            Ok(bearer) => self.publish(stored, bearer, now),
            Err(error) => tracing::warn!(%error, "the stored token is not used"),
        }
    }

    fn plan(&mut self, now: Timestamp) -> Plan {
        if let Some(setback) = &mut self.setback {
            // Further off than its delay only if the clock was set back.
            setback.retry_at = setback.retry_at.min(now + setback.delay);
        }
        self.record.ledger.reconcile(&self.policy.budgets, now);
        if self.held.as_ref().is_some_and(|held| held.lease.expires_at <= now) {
            // A login is due now; that renewals failed is no reason to put it off.
            (self.held, self.setback) = (None, None);
        }
        self.policy.decide(&Situation {
            now,
            ledger: &self.record.ledger,
            credentials: &self.credentials,
            lease: self.held.as_ref().map(|held| held.lease),
            suspected: self.suspected,
            had_token: self.had_token,
            retry_at: self.setback.map(|setback| setback.retry_at),
        })
    }

    /// When to decide anew at the latest: when the action is due, or the state changes by itself.
    fn wake_at(&self, plan: Plan, now: Timestamp) -> Timestamp {
        let due = match plan.action {
            Action::At(_, at) => at,
            Action::Stop => now + LONGEST_SLEEP,
        };
        self.held.as_ref().map_or(due, |held| due.min(held.lease.expires_at))
    }

    /// The generation that a report of a 401 would say something new about: once one has been heard, the
    /// others, however many, say nothing.
    fn unsuspected(&self) -> Option<Generation> {
        (self.held.is_some() && !self.suspected).then_some(self.record.generation)
    }

    /// One errand: entered in the ledger and stored, then made, then settled and stored.
    async fn attempt(&mut self, errand: Errand) {
        let asked = self.clock.now();
        self.record.ledger.begin(errand, asked);
        self.store().await;
        let means = Means::default();
        let answer = match (errand, &self.held) {
            (Errand::Acquire, _) => timeout(self.policy.attempt_timeout, self.source.acquire(&means)).await,
            (Errand::Renew | Errand::Verify, Some(held)) => {
                let call = self.source.renew(&means, &held.bearer, &held.origin);
                timeout(self.policy.attempt_timeout, call).await
            }
            // The policy renews only what is held; should it err, nothing is called, least of all a login.
            (Errand::Renew | Errand::Verify, None) => return,
        };
        let answer = answer.unwrap_or(Err(SourceError::Lost { how: Loss::TimedOut }));
        let now = self.clock.now();
        match answer.and_then(|grant| Ok((Bearer::new(&grant.token)?, grant))) {
            Ok((bearer, grant)) => self.granted(errand, grant, bearer, asked, now),
            Err(error) => self.failed(errand, &error, now),
        }
        self.store().await;
    }

    fn granted(&mut self, errand: Errand, grant: Grant, bearer: Bearer, asked: Timestamp, now: Timestamp) {
        self.record.ledger.granted();
        self.setback = None;
        let last = self.record.session.take();
        let (origin, user) = match last {
            Some(last) => (Some(last.origin), Some(last.user)),
            None => (None, None),
        };
        let granted = StoredSession {
            token: grant.token,
            issued_at: now,
            expires_at: self.policy.expires_at(grant.expires_at, grant.server_date, asked),
            // Absent means unchanged, not back to where it began.
            origin: grant.origin.or(origin).unwrap_or_else(|| self.source.origin().clone()),
            user: grant.user.or(user).unwrap_or_default(),
        };
        if grant.server_date.is_some() {
            self.status.clock_skew_seconds = Some(skew(grant.server_date, now).as_secs());
        }
        self.ended(errand, OK, now);
        tracing::info!(call = errand.call().name(), expires_at = %granted.expires_at, origin = %granted.origin, "token granted");
        self.publish(granted, bearer, now);
    }

    fn failed(&mut self, errand: Errand, error: &SourceError, now: Timestamp) {
        self.record.ledger.failed(error, &self.credentials, now);
        self.ended(errand, error.label(), now);
        let delay = self.policy.delay(error, self.setback.map(|setback| setback.delay), self.random.f64());
        self.setback = Some(Setback { delay, retry_at: now + delay });
        let cause = chain(error);
        tracing::warn!(call = errand.call().name(), %error, cause, "no token granted");
        if let (Errand::Renew | Errand::Verify, SourceError::Refused { .. }) = (errand, error) {
            self.lost(now);
        }
    }

    /// The session is dead: a renewal was refused, which upstream does to no session that lives.
    fn lost(&mut self, now: Timestamp) {
        let Some(held) = self.held.take() else { return };
        let left = held.lease.expires_at.duration_since(now);
        if left > NEAR_EXPIRY {
            tracing::error!(left_seconds = left.as_secs(), "another login has taken this session's place");
            self.record.ledger.kicked(now);
            self.metrics.kicked();
        }
        // What was learnt of origin and user stays; the token goes.
        if let Some(stored) = &mut self.record.session {
            stored.expires_at = stored.expires_at.min(now);
        }
        // The login that follows is a call of its own: its first try owes nothing to the renewal's failure.
        (self.suspected, self.setback) = (false, None);
        let plan = self.plan(now);
        self.describe(plan, now);
        self.metrics.withdrawn();
        self.publisher.withdraw(self.status.clone());
    }

    fn publish(&mut self, stored: StoredSession, bearer: Bearer, now: Timestamp) {
        let StoredSession { issued_at, expires_at, .. } = stored;
        let renew_at = self.policy.renew_at(issued_at, expires_at, self.random.f64());
        let origin = Arc::new(stored.origin.clone());
        let lease = Lease { expires_at, renew_at };
        self.record.generation = self.record.generation.next();
        self.held = Some(Held { bearer: bearer.clone(), origin: Arc::clone(&origin), lease });
        (self.had_token, self.suspected) = (true, false);
        let generation = self.record.generation;
        self.status.last_success = Some((issued_at, generation));
        let session =
            Session { bearer, expires_at, issued_at, generation, origin, user: stored.user.clone() };
        self.record.session = Some(stored);
        let plan = self.plan(now);
        self.describe(plan, now);
        self.publisher.publish(session, self.status.clone());
        self.metrics.published(generation, expires_at);
    }

    async fn store(&mut self) {
        let trouble = self.vault.save(&self.record).await.err();
        if let (Some(trouble), None) = (&trouble, &self.status.store_trouble) {
            tracing::warn!(trouble, "the session cannot be stored and would not survive a restart");
        }
        self.status.store_trouble = trouble;
    }

    fn ended(&mut self, errand: Errand, result: &'static str, at: Timestamp) {
        self.metrics.attempted(errand.call(), result);
        self.status.last = Some(Attempt { call: errand.call(), at, result });
    }

    fn announce(&mut self, plan: Plan, now: Timestamp) {
        self.describe(plan, now);
        self.publisher.report(self.status.clone());
    }

    /// Writes `plan` into the status, and a change of state into log and metrics.
    fn describe(&mut self, plan: Plan, now: Timestamp) {
        if plan.state != self.status.state {
            self.status.since = now;
            let (state, reason) = (plan.state.name(), plan.reason.text());
            match plan.state {
                State::Starting | State::Live => tracing::info!(state, reason, "session"),
                State::Overdue | State::Lapsed => tracing::warn!(state, reason, "session"),
                State::Held | State::Rejected | State::Kicked | State::Paused => {
                    tracing::error!(state, reason, advice = plan.reason.advice(), "session");
                }
            }
        }
        self.status.state = plan.state;
        self.status.reason = plan.reason.text().map(str::to_owned);
        self.status.advice = plan.reason.advice().map(str::to_owned);
        self.status.next = match plan.action {
            Action::At(errand, at) => Some((errand.call(), at.max(now))),
            Action::Stop => None,
        };
        self.metrics.stands(&self.status);
    }
}

/// What changes without a restart.
#[derive(Debug)]
pub enum Change<S> {
    /// Other credentials: what asks from now on. It must be of the same [`seat`](TokenSource::seat).
    Source(S),
    /// Other limits and policies.
    Policy(RenewalPolicy),
}

/// What lies below an error, from layer to layer: the outermost words of an HTTP client say nothing.
fn chain(error: &SourceError) -> Option<String> {
    let below = iter::successors(error.source(), |&cause| cause.source());
    below.map(ToString::to_string).reduce(|above, cause| format!("{above}: {cause}"))
}

/// Waits for a report that this generation was refused; reports on earlier ones wake nobody. Cancel safe.
async fn rejected(publisher: &Publisher, generation: Option<Generation>) {
    match generation {
        Some(generation) => publisher.rejected(generation).await,
        None => std::future::pending().await,
    }
}

/// What a renewal needs of the token in use.
#[derive(Debug)]
struct Held {
    bearer: Bearer,
    origin: Arc<Origin>,
    lease: Lease,
}

/// The last failure, until a success.
#[derive(Clone, Copy, Debug)]
struct Setback {
    delay: Duration,
    retry_at: Timestamp,
}

/// How long an attempt that is under way may go on after the order to stop.
pub const GRACE: Duration = Duration::from_secs(3);

/// Closer to its expiry than this, a token that is refused has simply run out.
const NEAR_EXPIRY: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// How long to sleep when nothing is planned.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod weather;
