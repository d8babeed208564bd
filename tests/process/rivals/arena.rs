//! The broker and both proxies, on three clocks that are advanced together.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::contender::Contender;
use crate::support::broker::{Broker, LOGIN};

/// Everybody, and what was seen of them.
#[derive(Debug)]
pub(super) struct Arena {
    pub(super) broker: Broker,
    pub(super) contenders: Vec<Contender>,
    /// Every login, by the device that asked for it; in order.
    pub(super) logins: Vec<Login>,
    /// How many minutes each of them has had a token that the broker takes, and how many it said that another login
    /// had taken its place.
    pub(super) minutes: BTreeMap<String, Minutes>,
}

/// A login that the broker has seen.
#[derive(Clone, Debug)]
pub(super) struct Login {
    device: String,
    at: Timestamp,
    is_answered: bool,
}

/// How a proxy fared, in steps of a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Minutes {
    pub(super) seated: usize,
    pub(super) kicked: usize,
}

impl Arena {
    /// A broker that allows so many sessions of one user, and nobody in front of it yet.
    pub(super) fn of(sessions: usize) -> Self {
        let broker = Broker::start();
        broker.control().change_rules(|rules| rules.max_sessions = sessions);
        Self { broker, contenders: Vec::new(), logins: Vec::new(), minutes: BTreeMap::new() }
    }

    /// Has a proxy log in, with these settings.
    pub(super) fn enters(&mut self, device: &str, settings: &[(&str, &str)]) {
        let before = self.broker.logins();
        self.contenders.push(Contender::start(&self.broker.origin(), device, settings));
        self.broker.has_answered(LOGIN, before + 1);
    }

    /// Lets time pass, in steps of a minute, with one read through each proxy in each.
    pub(super) fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() / STEP.as_secs() {
            // The broker first: a token must not live longer with it than with its holder.
            self.broker.control().advance(STEP).unwrap();
            self.contenders.iter_mut().for_each(|contender| contender.advance(STEP));
            self.contenders.iter().for_each(Contender::settles);
            for contender in &self.contenders {
                let minutes = self.minutes.entry(contender.device.clone()).or_default();
                minutes.seated += usize::from(contender.proxy.get("/v1/account/list").status == 200);
                minutes.kicked += usize::from(says_what_is_wrong(&contender.proxy.status()));
            }
            self.note_logins();
        }
    }

    /// The logins of one proxy.
    pub(super) fn logins_of(&self, device: &str) -> usize {
        self.logins.iter().filter(|login| login.device == device).count()
    }

    /// The logins since an instant of the broker's.
    pub(super) fn logins_since(&self, start: Timestamp) -> usize {
        self.logins.iter().filter(|login| login.at > start).count()
    }

    /// No proxy has opened more sessions in any hour than its budget allows, nor been refused more often.
    pub(super) fn kept_the_budgets(&self) {
        for last in &self.logins {
            let within_an_hour = |login: &&Login| {
                let age = last.at.duration_since(login.at);
                // By their own clocks a step lies between any two instants on each side of a step.
                login.device == last.device && age >= SignedDuration::ZERO && age < HOUR
            };
            let hour = self.logins.iter().filter(within_an_hour);
            let (opened, failed): (Vec<_>, Vec<_>) = hour.partition(|login| login.is_answered);
            assert!(opened.len() <= 4 && failed.len() <= 2, "{:?} before {last:?}", self.logins);
        }
    }

    fn note_logins(&mut self) {
        for record in self.broker.control().requests_to(LOGIN) {
            let device = record.body.json()["deviceId"].as_str().unwrap().to_owned();
            self.logins.push(Login { device, at: record.time, is_answered: record.status == Some(200) });
        }
        self.broker.control().forget_requests();
    }
}

/// Whether `/status` says that another login has the seat. Whoever is not ready says why in any case.
fn says_what_is_wrong(status: &Value) -> bool {
    let (reason, advice) = (&status["session"]["reason"], &status["session"]["advice"]);
    let is_told = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
    assert!(status["ready"] == true || (is_told(reason) && is_told(advice)), "{status}");
    let is_kicked = status["session"]["state"] == "kicked";
    assert!(!is_kicked || reason == "another login took this session's place", "{status}");
    is_kicked
}

/// How far time goes at once.
pub(super) const STEP: Duration = Duration::from_secs(60);

/// A rolling hour, less what the clocks may differ by within a step.
const HOUR: SignedDuration = SignedDuration::from_secs(3600 - 60);
