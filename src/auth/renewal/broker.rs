//! A broker with bad days: what a year of operation is played against. It knows the truth about every session, and
//! notes whatever the renewer should not have done.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    auth::{
        fingerprint::{Fingerprint, FingerprintKey},
        signs::Sign,
        source::{ErrorText, Grant, Loss, Means, SourceError, Step, TokenSource, Vitality},
    },
    bearer::Bearer,
    clock::Clock,
    origin::Origin,
};

/// What goes wrong at the moment, and with which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weather {
    Fine,
    Unreachable,
    /// 5xx to everything.
    Down,
    /// Requests arrive and are obeyed, and no answer comes back.
    Swallowing,
    /// Answers that nobody can read.
    Garbage,
    /// Renewals are refused although the session lives.
    Denying,
    /// Every session call is answered 429.
    Limiting,
    /// Logins want a captcha.
    Captcha,
    /// 423 to every session call.
    Locked,
    /// Expiries that are missing, past or years ahead.
    Absurd,
    /// Each call meets one of the others.
    Flaky,
}

const TROUBLE: [Weather; 10] = [
    Weather::Unreachable,
    Weather::Down,
    Weather::Swallowing,
    Weather::Garbage,
    Weather::Denying,
    Weather::Limiting,
    Weather::Captcha,
    Weather::Locked,
    Weather::Absurd,
    Weather::Flaky,
];

/// The truth.
#[derive(Debug)]
pub(super) struct World {
    pub(super) weather: Weather,
    random: fastrand::Rng,
    /// Every token that is honoured, until when.
    tokens: BTreeMap<String, Timestamp>,
    /// The newest token that was handed over.
    delivered: Option<String>,
    /// How the token of a closed session is answered.
    closed_answer: Sign,
    made: u64,
    in_flight: bool,
    opened: Vec<Timestamp>,
    failed: Vec<Timestamp>,
    renewed: Vec<Timestamp>,
    pub(super) faults: Vec<String>,
}

/// A share of the world, and the source that the renewer asks.
#[derive(Clone, Debug)]
pub(super) struct Broker {
    world: Arc<Mutex<World>>,
    clock: Clock,
    origin: Origin,
}

impl Broker {
    pub(super) fn new(seed: u64, clock: Clock) -> Self {
        let world = World {
            weather: Weather::Fine,
            random: fastrand::Rng::with_seed(seed),
            tokens: BTreeMap::new(),
            delivered: None,
            closed_answer: Sign::Refused,
            made: 0,
            in_flight: false,
            opened: Vec::new(),
            failed: Vec::new(),
            renewed: Vec::new(),
            faults: Vec::new(),
        };
        let origin = "https://demo.tradovateapi.com".parse().unwrap();
        Self { world: Arc::new(Mutex::new(world)), clock, origin }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The weather changes; says how long it stays so.
    pub(super) fn change_weather(&self) -> Duration {
        let mut world = self.world();
        let was_fine = world.weather == Weather::Fine;
        let random = &mut world.random;
        let (weather, minutes) = if was_fine {
            {
                let longest = 1 + random.u64(..600);
                (*random.choice(&TROUBLE).unwrap(), 1 + random.u64(..longest))
            }
        } else {
            (Weather::Fine, 150 + random.u64(..4000))
        };
        world.weather = weather;
        Duration::from_secs(minutes * 60)
    }

    /// Another login closes every session of ours.
    pub(super) fn kick(&self) {
        let mut world = self.world();
        world.tokens.clear();
        let answers = [Sign::Refused, Sign::Refused, Sign::Doubtful];
        world.closed_answer = *world.random.choice(&answers).unwrap();
    }

    /// A caller's request with `bearer`: what its answer says against the session.
    pub(super) fn serve(&self, bearer: &Bearer) -> Option<Sign> {
        let now = self.clock.now();
        let world = self.world();
        match world.weather {
            Weather::Unreachable | Weather::Swallowing => None,
            Weather::Down => Some(Sign::Doubtful),
            Weather::Fine
            | Weather::Garbage
            | Weather::Denying
            | Weather::Limiting
            | Weather::Captcha
            | Weather::Locked
            | Weather::Absurd
            | Weather::Flaky => (!world.lives(bearer, now)).then_some(world.closed_answer),
        }
    }

    fn answer(&self, login: bool, bearer: Option<&Bearer>) -> Result<Grant, SourceError> {
        let now = self.clock.now();
        let mut world = self.world();
        let mut weather = world.weather;
        if weather == Weather::Flaky {
            weather = *world.random.choice(&TROUBLE).unwrap();
        }
        if login && world.delivered.as_ref().is_some_and(|token| world.tokens.get(token) > Some(&now)) {
            let fault = format!("{now}: a login although the session lives ({weather:?})");
            world.faults.push(fault);
        }
        let reached = weather != Weather::Unreachable;
        let result = world.decide(weather, login, bearer, now);
        if reached {
            let World { opened: sessions, failed, renewed, faults, .. } = &mut *world;
            let (list, limit, what) = match (login, &result) {
                (true, Ok(_)) => (sessions, 4, "sessions opened"),
                (true, Err(_)) => (failed, 2, "logins failed"),
                (false, _) => (renewed, 10, "renewals"),
            };
            list.push(now);
            let first = list.len().checked_sub(limit + 1).map(|at| list[at]);
            if first.is_some_and(|first| now.duration_since(first).as_secs() < 3600) {
                faults.push(format!("{now}: too many {what}"));
            }
        }
        result
    }
}

impl World {
    fn lives(&self, bearer: &Bearer, now: Timestamp) -> bool {
        let text = bearer.value().to_str().unwrap().trim_start_matches("Bearer ");
        self.tokens.get(text).is_some_and(|expires_at| now < *expires_at)
    }

    fn decide(
        &mut self,
        weather: Weather,
        login: bool,
        bearer: Option<&Bearer>,
        now: Timestamp,
    ) -> Result<Grant, SourceError> {
        let refused = || SourceError::Refused { status: 401, text: ErrorText::new("Access is denied") };
        match weather {
            Weather::Unreachable => {
                return Err(SourceError::Unreachable { step: Step::Connect, source: "refused".into() });
            }
            Weather::Down => return Err(SourceError::UnexpectedStatus { status: 503 }),
            Weather::Garbage => return Err(SourceError::Malformed { what: "it is HTML" }),
            Weather::Limiting => return Err(SourceError::RateLimited),
            Weather::Locked => return Err(SourceError::Locked),
            Weather::Captcha if login => return Err(SourceError::Captcha),
            Weather::Denying if !login => return Err(refused()),
            Weather::Fine
            | Weather::Swallowing
            | Weather::Denying
            | Weather::Captcha
            | Weather::Absurd
            | Weather::Flaky => {}
        }
        if bearer.is_some_and(|bearer| !self.lives(bearer, now)) {
            return Err(match self.closed_answer {
                Sign::Doubtful | Sign::Held => SourceError::RateLimited,
                Sign::Refused | Sign::Denied => refused(),
            });
        }
        self.made += 1;
        let token = format!("token-{}", self.made);
        let (life, stated) = match (weather, self.random.u8(..4)) {
            // Short enough that it is dead when we give it up.
            (Weather::Absurd, 0) => (15, None),
            (Weather::Absurd, 1) => (15, Some(-3)),
            (Weather::Absurd, 2) => (90, Some(5_000_000)),
            _ => (80, Some(80)),
        };
        self.tokens.retain(|_, expires_at| now < *expires_at);
        self.tokens.insert(token.clone(), now + SignedDuration::from_mins(life));
        if weather == Weather::Swallowing {
            return Err(SourceError::Lost { how: Loss::TimedOut });
        }
        self.delivered = Some(token.clone());
        Ok(Grant {
            token: token.into(),
            expires_at: stated.map(|minutes| now + SignedDuration::from_mins(minutes)),
            server_date: None,
            user: None,
            origin: None,
            refresh: None,
            opened: login,
            proves_bearer: !login,
        })
    }

    fn depart(&mut self) {
        if std::mem::replace(&mut self.in_flight, true) {
            self.faults.push("two attempts at once".to_owned());
        }
    }
}

impl TokenSource for Broker {
    async fn acquire(&mut self, _: &Means) -> Result<Grant, SourceError> {
        self.world().depart();
        tokio::time::sleep(TRAVEL).await;
        self.world().in_flight = false;
        self.answer(true, None)
    }

    async fn renew(&mut self, _: &Means, bearer: &Bearer, _: &Origin) -> Result<Grant, SourceError> {
        self.world().depart();
        tokio::time::sleep(TRAVEL).await;
        self.world().in_flight = false;
        self.answer(false, Some(bearer))
    }

    async fn examine(&mut self, bearer: &Bearer, _: &Origin) -> Vitality {
        tokio::time::sleep(TRAVEL).await;
        let world = self.world();
        match (world.weather, world.lives(bearer, self.clock.now()), world.closed_answer) {
            (Weather::Unreachable | Weather::Down | Weather::Swallowing | Weather::Garbage, ..) => {
                Vitality::Unclear
            }
            (_, true, _) => Vitality::Alive,
            (_, false, Sign::Refused) => Vitality::Dead,
            (_, false, Sign::Doubtful | Sign::Denied | Sign::Held) => Vitality::Unclear,
        }
    }

    async fn is_well(&mut self) -> bool {
        tokio::time::sleep(TRAVEL).await;
        !matches!(self.world().weather, Weather::Unreachable | Weather::Down | Weather::Swallowing)
    }

    fn moved(&self, _: &Origin, _: &str) -> Option<Origin> {
        None
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

const TRAVEL: Duration = Duration::from_millis(40);
