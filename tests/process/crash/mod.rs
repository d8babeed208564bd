//! `kill -9` at every step of acquire, persist and publish: what the broker granted is lost to nobody, or at most the
//! one session whose answer was not yet stored.
//!
//! A session is stored before it is published, and an attempt before it is made. So whatever the moment, the file is
//! absent, the old one or the new one; a start always succeeds; and it logs in exactly if the file holds no session.
//!
//! - [`login`]: moments of a login, chosen by what the broker has done
//! - [`renewal`]: the same of a renewal
//! - [`system_calls`]: before each system call that writes the file
//! - [`end`]: when it is not a kill but a part of the process that ends

mod end;
mod login;
mod renewal;
mod system_calls;

use std::{ffi::OsString, fs, path::Path, process::Command, time::Duration};

use serde_json::Value;
use tradovate_proxy::sandbox::CREDENTIALS;

use crate::support::{
    broker::Broker,
    http,
    patience::until,
    proxy::{Proxy, serve},
};

/// `serve` in front of `broker`, free to renew as often as a test wants, with nothing but the session to store.
fn command(state: &Path, broker: &Broker) -> Command {
    let mut command = serve(state, &broker.origin());
    command.env("TRADOVATE_PROXY_SESSION_RENEWALS_PER_HOUR", "1000");
    command.env("TRADOVATE_DEVICE_ID", CREDENTIALS.device_id);
    command
}

/// What a kill has left of `session.json`: nothing, or a whole record, whose token is told if it has one.
fn left_behind(state: &Path) -> Left {
    let Ok(bytes) = fs::read(state.join("session.json")) else { return Left::Nothing };
    let record: Value = serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: half a file"));
    match record["session"]["token"].as_str() {
        Some(token) => Left::Session(token.to_owned()),
        None => Left::Attempt,
    }
}

/// What is in `session.json`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    /// There is none.
    Nothing,
    /// That a login was about to be made.
    Attempt,
    /// This token.
    Session(String),
}

/// Starts the next proxy, which must come into service, leave no half-written file and set nothing aside. Says what
/// that cost: logins.
fn recovers(state: &Path, broker: &Broker) -> usize {
    let before = broker.logins();
    let next = Proxy::start_ready(command(state, broker));
    // What is stored may have died meanwhile, which a first request may be the one to learn.
    until("service", || (next.get("/v1/account/list").status == 200).then_some(()));
    // One is written beside the other for a moment, whenever there is news.
    until("nothing but the session, its lock and the audit log", || {
        (names(state) == ["audit", "lock", "session.json"]).then_some(())
    });
    next.process.kill();
    broker.logins() - before
}

/// The files in a state directory.
fn names(state: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(state).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// Waits until the proxy uses a token newer than `generation`, or has ended. Says whether it has the token.
fn outlives(proxy: &mut Proxy, generation: u64) -> bool {
    until("a newer token or the end", || {
        let status = http::try_get(proxy.admin, "/status").ok().map(|answer| answer.json());
        if status.is_some_and(|status| status["session"]["generation"].as_u64() > Some(generation)) {
            return Some(true);
        }
        (!proxy.process.is_running()).then_some(false)
    })
}

/// A moment within the first 30 ms, and most of all within the first few: the answer is stored in those.
fn moment(random: &mut fastrand::Rng) -> Duration {
    LONGEST.mul_f64(random.f64().powi(2))
}

const LONGEST: Duration = Duration::from_millis(30);

/// Kills of one kind. Where they fall is chosen by a seed, and by how busy the machine is.
const KILLS: usize = 64;

const SEED: u64 = 0x0005_e551_0000_0009;
