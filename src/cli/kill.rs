//! `kill` and `release`: the kill switch of a running proxy.

use std::time::Duration;

use crate::{
    admin::SwitchReport,
    cli::{Exit, question::Question, session::tell},
    config::{Environment, Flags},
};

/// Which way the switch is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// On.
    Kill {
        /// Whether all working orders are cancelled too.
        cancel_working: bool,
    },
    /// Off.
    Release,
}

/// Turns the switch of a running proxy, waits until that is done, and prints how it stands then. A success exactly when
/// everything was done: also every order cancelled, if that was asked for.
pub fn kill(turn: Turn, flags: &Flags, environment: &Environment) -> Exit {
    let (path, body) = match turn {
        Turn::Kill { cancel_working: true } => ("/guards/kill", Some(r#"{"cancel":"working"}"#.to_owned())),
        Turn::Kill { cancel_working: false } => ("/guards/kill", None),
        Turn::Release => ("/guards/release", None),
    };
    let undone = match turn {
        Turn::Kill { .. } => NOT_KILLED,
        Turn::Release => "nothing was released: where the kill switch is on, it stays on",
    };
    let question = Question { method: "POST", path, body, patience: PATIENCE, undone };
    tell(&question, flags, environment, SwitchReport::rows, SwitchReport::is_complete)
}

const NOT_KILLED: &str = "the kill switch was NOT switched on: a proxy that runs elsewhere still sends orders, and what works at Tradovate goes on working\n  \
    name its admin listener with --admin-listen; or send its process the signal USR1; or make the file that its guards.kill-file names; working orders are to be cancelled in Tradovate's own program";

/// Longer than all working orders may take to be cancelled.
const PATIENCE: Duration = Duration::from_secs(220);
