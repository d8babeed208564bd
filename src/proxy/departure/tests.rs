//! What each of the three says in the end: the budget, the audit log and the register.

use std::{sync::Arc, time::Duration};

use prometheus::Registry;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::LocalSet};

use super::*;
use crate::{
    audit::{self, Asked, AuditLog},
    auth::Generation,
    bearer::Bearer,
    budget::{Budget, Policy},
    clock::Clock,
    http1::RequestHead,
    hygiene::Received,
    idempotency::{self, Admission, Bounds, Journal, Key, Refusal, Register},
    origin::Origin,
    proxy::Metrics,
    tradovate::{Endpoint, Endpoints},
    upstream::{Choice, Upstream},
};

const HEAD: &str = "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\n\r\n";
const TARGET: &str = "/v1/order/placeorder";

/// All who are told.
struct Stage {
    budget: Budget,
    metrics: Metrics,
    register: Register,
    audit: AuditLog,
    endpoint: Endpoint,
    directory: TempDir,
}

/// What they say of an order that has ended.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    spent: u64,
    outcome: String,
    is_key_free: bool,
}

const NOTHING_LEFT: (u64, &str, bool) = (0, "not-sent", true);
const MAY_HAVE_LEFT: (u64, &str, bool) = (1, "unknown", false);

impl Stage {
    fn new() -> Self {
        let (clock, registry) = (Clock::system(), Registry::new());
        let directory = tempfile::tempdir().unwrap();
        let options = audit::Options::in_directory(directory.path().to_owned());
        let written = audit::Metrics::register(&registry).unwrap();
        Self {
            budget: Budget::new(Policy::default(), clock.clone()),
            metrics: Metrics::register(&registry).unwrap(),
            register: Register::start(Journal::Memory, Bounds::default(), clock.clone()).unwrap(),
            audit: AuditLog::open(options, "demo", clock, written).unwrap(),
            endpoint: *Endpoints::new().find("/order/placeorder"),
            directory,
        }
    }

    /// Asks for leave to send the order.
    async fn ask(&self) -> Result<Admission, Refusal> {
        let request = idempotency::request("POST", TARGET, b"");
        self.register.begin("bot", Key::new("a").unwrap(), request, Duration::from_secs(2)).await
    }

    /// One order that is broken off after these steps.
    async fn after(self, steps: impl AsyncFnOnce(&mut Departure<'_, '_>)) -> Said {
        let Ok(Admission::First(attempt)) = self.ask().await else { panic!("not the first") };
        {
            let metrics = self.metrics.local(Endpoints::new().len());
            let mut observation = metrics.observe();
            observation.is_for(&self.endpoint);
            let (endpoint, method) = (&self.endpoint, "POST");
            let asked = Asked { endpoint, caller: "bot", method, target: TARGET, body: b"" };
            observation.concerns(self.audit.entry(asked));
            observation.begin().await.unwrap();
            let fare =
                self.budget.spend("bot", &self.endpoint, Generation(1), Clock::system().now()).unwrap();
            steps(&mut Departure::new(fare, &mut observation, Some(attempt))).await;
        }
        self.audit.finish().await;
        let lines = std::fs::read_to_string(self.directory.path().join("orders-000001.jsonl")).unwrap();
        let ended = lines.lines().find(|line| line.contains(r#""kind":"ended""#)).unwrap();
        let ended: serde_json::Value = serde_json::from_str(ended).unwrap();
        Said {
            spent: self.budget.report().hour.spent,
            outcome: ended["outcome"].as_str().unwrap().to_owned(),
            is_key_free: match self.ask().await {
                Ok(Admission::First(_)) => true,
                Err(Refusal::OutcomeUnknown) => false,
                other => panic!("{other:?}"),
            },
        }
    }
}

fn said((spent, outcome, is_key_free): (u64, &str, bool)) -> Said {
    Said { spent, outcome: outcome.to_owned(), is_key_free }
}

#[tokio::test]
async fn all_say_the_same_whenever_a_request_is_broken_off() {
    const LEAVES: bool = true;
    const HAS_NOT: bool = false;
    for (steps, expected) in [
        (&[][..], NOTHING_LEFT),
        (&[LEAVES], MAY_HAVE_LEFT),
        (&[LEAVES, HAS_NOT], NOTHING_LEFT),
        (&[LEAVES, HAS_NOT, LEAVES], MAY_HAVE_LEFT),
        (&[LEAVES, HAS_NOT, LEAVES, HAS_NOT], NOTHING_LEFT),
        // What the first try may have done stays done.
        (&[LEAVES, LEAVES, HAS_NOT], MAY_HAVE_LEFT),
    ] {
        let found = Stage::new().after(async |departure| {
            for step in steps {
                if *step == LEAVES { departure.leaves() } else { departure.has_not_left() }
            }
        });
        assert_eq!(found.await, said(expected), "{steps:?}");
    }
}

#[tokio::test]
async fn a_connection_that_took_not_a_byte_has_sent_nothing() {
    for (is_dead, expected) in [(true, NOTHING_LEFT), (false, MAY_HAVE_LEFT)] {
        let tasks = LocalSet::new();
        let found = tasks.run_until(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let origin: Arc<Origin> = Arc::new(format!("http://{address}").parse().unwrap());
            let lease = Upstream::scripted().lease(&origin, Choice::Any).await.unwrap();
            let (peer, _) = listener.accept().await.unwrap();
            let mut head = RequestHead::default();
            head.read(HEAD.as_bytes()).unwrap();
            let request = Received::new(&head, HEAD.as_bytes(), TARGET, b"").scrub();
            let (bearer, mut wire) = (Bearer::new(&"token".into()).unwrap(), Vec::new());
            let prepared = lease.prepare(&request.authorize(&bearer, &origin), &mut wire).unwrap();
            if is_dead {
                socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
                drop(peer);
            }
            Stage::new()
                .after(async |departure| {
                    assert_eq!(departure.send(prepared).await.is_err(), is_dead);
                })
                .await
        });
        assert_eq!(found.await, said(expected), "dead: {is_dead}");
    }
}
