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
    let question = Question { method: "POST", path, body, patience: PATIENCE };
    tell(&question, flags, environment, SwitchReport::rows, SwitchReport::is_complete)
}

/// Longer than all working orders may take to be cancelled.
const PATIENCE: Duration = Duration::from_secs(150);
