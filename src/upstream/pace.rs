//! When to open a connection that nobody has asked for yet, and for how long one may wait: arithmetic alone.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

/// One worker's memory of how upstream takes connections that wait.
#[derive(Debug)]
pub(super) struct Pace {
    /// How long a connection may wait at the most: a setting.
    pool_idle: Duration,
    random: Rng,
    /// Of its limit, how much a connection waits before another takes its place; drawn anew for each, so that workers
    /// and processes that started together do not go on together.
    share: f64,
    /// When the last opening began.
    begun: Option<Instant>,
    failures: u32,
    failed_at: Option<Instant>,
    /// Until when nothing is tried after a failure.
    backs_off_until: Option<Instant>,
    idle_limit: IdleLimit,
}

/// What is known of upstream's own limit, which it tells nobody.
#[derive(Debug)]
struct IdleLimit {
    since: Instant,
    /// The longest that a connection has waited without being closed.
    survived: Duration,
    /// Below what one was closed after.
    learned: Option<Duration>,
}

impl Pace {
    pub(super) fn new(pool_idle: Duration, random: Rng) -> Self {
        let mut pace = Self {
            pool_idle,
            random,
            share: 0.0,
            begun: None,
            failures: 0,
            failed_at: None,
            backs_off_until: None,
            idle_limit: IdleLimit::unknown(Instant::now()),
        };
        pace.draw();
        pace
    }

    /// Forgets what it knows: this upstream is another.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::new(self.pool_idle, self.random.fork());
    }

    /// When the next may be opened. Where none waits every moment counts; a spare has time, and connections that were
    /// opened apart are not closed together.
    pub(super) fn next_opening(&self, none_waits: bool, now: Instant) -> Instant {
        let apart = self.begun.filter(|_| !none_waits).map(|begun| begun + APART);
        [apart, self.backs_off_until].into_iter().flatten().fold(now, Instant::max)
    }

    /// One is being opened.
    pub(super) fn begins(&mut self, now: Instant) {
        self.begun = Some(now);
    }

    /// It was, and what it took the place of is closed.
    pub(super) fn replaced(&mut self) {
        self.draw();
    }

    /// It could not be, or was closed as soon as it was. Returns how long nothing is tried, and whether this is news.
    pub(super) fn failed(&mut self, now: Instant) -> (Duration, bool) {
        let doubled = FIRST_BACK_OFF * 2_u32.saturating_pow(self.failures.min(16));
        let wait = doubled.min(LONGEST_BACK_OFF).mul_f64(0.5 + self.random.f64() / 2.0);
        self.failures += 1;
        self.failed_at = Some(now);
        self.backs_off_until = Some(now + wait);
        (wait, self.failures == 1)
    }

    /// One that was opened at that moment is still open. Returns when that will tell that upstream takes connections
    /// again, which only one that is younger than the last failure can.
    pub(super) fn stands(&mut self, opened_at: Instant, now: Instant) -> Option<Instant> {
        self.failed_at.filter(|failed_at| *failed_at < opened_at)?;
        let is_proof_at = opened_at + EARLY;
        if now < is_proof_at {
            return Some(is_proof_at);
        }
        self.failures = 0;
        self.failed_at = None;
        self.backs_off_until = None;
        None
    }

    /// One that need not be replaced, over HTTP/2, and was opened at that moment, has ended.
    pub(super) fn ended(&mut self, opened_at: Instant, now: Instant) {
        if now.duration_since(opened_at) < EARLY {
            self.failed(now);
        }
    }

    /// A connection has waited for so long, and is open.
    pub(super) fn survived(&mut self, age: Duration) {
        self.idle_limit.survived = self.idle_limit.survived.max(age);
    }

    /// Upstream has closed one that had waited for `age`; none had waited longer than `oldest` at that moment.
    ///
    /// A limit closes the oldest. A restart of upstream's closes them all, and would pass for a limit that is far too
    /// low if the younger ones were believed too.
    pub(super) fn closed(&mut self, age: Duration, oldest: Duration, now: Instant) {
        if age < EARLY {
            self.failed(now);
            return;
        }
        self.survived(oldest);
        if age >= self.idle_limit.survived {
            let learned = age.mul_f64(BELOW).max(SHORTEST_POOL_IDLE);
            if learned < self.pool_idle {
                tracing::debug!(after = ?age, kept = ?learned, "upstream closes connections that wait");
            }
            self.idle_limit.learned = Some(learned);
        }
    }

    /// How long a connection waits before another takes its place.
    pub(super) fn life(&mut self, now: Instant) -> Duration {
        // Upstream may have another limit by now, and only a connection that waits longer can tell.
        if now.duration_since(self.idle_limit.since) >= REMEMBERED {
            self.idle_limit = IdleLimit::unknown(now);
        }
        let limit = self.idle_limit.learned.map_or(self.pool_idle, |learned| learned.min(self.pool_idle));
        limit.mul_f64(self.share)
    }

    fn draw(&mut self) {
        self.share = SHARE.0 + (SHARE.1 - SHARE.0) * self.random.f64();
    }
}

impl IdleLimit {
    fn unknown(since: Instant) -> Self {
        Self { since, survived: Duration::ZERO, learned: None }
    }
}

/// Between the openings of two spares.
const APART: Duration = Duration::from_secs(1);
/// Whoever closes a connection this soon did not want it: within the shortest time after which another would take its
/// place, [`SHARE`] of [`SHORTEST_POOL_IDLE`].
const EARLY: Duration = Duration::from_millis(1800);
/// With a shorter `timeouts.pool-idle` nothing is kept waiting; nor is a shorter limit of upstream's followed. Else
/// connections would be opened for nothing, over and over.
pub(super) const SHORTEST_POOL_IDLE: Duration = Duration::from_secs(3);
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// The place is taken before the limit is reached, with time left to open one, or two in a row.
const SHARE: (f64, f64) = (0.6, 0.85);
/// How far below a limit that upstream has shown to stay.
const BELOW: f64 = 0.8;
/// How long what upstream has shown counts.
const REMEMBERED: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(25);
    const HOUR: Duration = Duration::from_secs(3600);

    fn pace() -> Pace {
        Pace::new(LIMIT, Rng::with_seed(7))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_taken_before_the_limit_and_never_at_once() {
        let (mut pace, now) = (pace(), Instant::now());
        let mut lives = Vec::new();
        for _ in 0..1000 {
            pace.replaced();
            lives.push(pace.life(now));
        }
        assert!(lives.iter().all(|life| (LIMIT.mul_f64(0.6)..=LIMIT.mul_f64(0.85)).contains(life)));
        lives.sort_unstable();
        assert!(lives[900] > lives[100] + seconds(4), "drawn anew for each");
    }

    #[tokio::test(start_paused = true)]
    async fn a_spare_is_opened_apart_and_the_only_one_at_once() {
        let (mut pace, now) = (pace(), Instant::now());
        assert_eq!(pace.next_opening(false, now), now);
        pace.begins(now);
        assert_eq!(pace.next_opening(false, now), now + APART);
        assert_eq!(pace.next_opening(true, now), now);
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_refuses_is_asked_ever_more_rarely_and_at_least_each_half_minute() {
        let (mut pace, now) = (pace(), Instant::now());
        for (failure, longest) in [1, 2, 4, 8, 16, 30, 30, 30].into_iter().enumerate() {
            let (wait, is_news) = pace.failed(now);
            assert!((seconds(longest) / 2..=seconds(longest)).contains(&wait), "{wait:?} of {longest} s");
            assert_eq!(is_news, failure == 0);
            assert_eq!(pace.next_opening(true, now), now + wait, "nobody's need shortens it");
        }
        for _ in 0..100 {
            assert!(pace.failed(now).0 <= LONGEST_BACK_OFF);
        }
        pace.survived(HOUR);
        assert_eq!(pace.stands(now, now + EARLY), None);
        assert!(pace.next_opening(true, now) > now, "it was opened before the last failure");
        let opened_at = now + seconds(1);
        let early = opened_at + EARLY.mul_f64(0.99);
        assert_eq!(pace.stands(opened_at, early), Some(opened_at + EARLY));
        assert!(pace.next_opening(true, now) > now, "it may yet be closed as soon as the others");
        assert_eq!(pace.stands(opened_at, opened_at + EARLY), None);
        assert_eq!(pace.next_opening(true, now), now);
        assert!(pace.failed(now).1, "news again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_closed_at_once_counts_as_refused() {
        let (mut pace, now) = (pace(), Instant::now());
        let before = pace.life(now);
        pace.closed(EARLY / 2, EARLY / 2, now);
        assert!(pace.next_opening(true, now) > now);
        assert_eq!(pace.life(now), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_too_short_to_be_worth_it_is_not_followed() {
        let (mut pace, now) = (pace(), Instant::now());
        pace.closed(seconds(2), seconds(2), now);
        assert_eq!(EARLY, SHORTEST_POOL_IDLE.mul_f64(SHARE.0));
        assert!((EARLY..SHORTEST_POOL_IDLE).contains(&pace.life(now)));
    }

    #[tokio::test(start_paused = true)]
    async fn upstreams_limit_is_learned_from_the_oldest_alone_and_forgotten_after_an_hour() {
        let (mut pace, now) = (pace(), Instant::now());
        pace.closed(seconds(5), seconds(5), now);
        let learned = seconds(4);
        assert!(pace.life(now) < learned && pace.life(now) >= learned.mul_f64(0.6));
        pace.closed(seconds(2), seconds(3), now);
        assert!(pace.life(now) >= learned.mul_f64(0.6), "an older one was still open");
        assert!(pace.life(now + REMEMBERED.mul_f64(0.99)) < learned);
        assert!(pace.life(now + REMEMBERED) > learned);

        pace.survived(seconds(15));
        pace.closed(seconds(5), seconds(5), now);
        assert!(pace.life(now + REMEMBERED) > learned, "others have waited longer");
        pace.closed(seconds(400), seconds(400), now);
        assert!(pace.life(now + REMEMBERED) < LIMIT, "the setting is a limit too");
    }
}
