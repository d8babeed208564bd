//! `kill` and `release`: the kill switch of a running proxy.

use std::time::Duration;

use crate::{
    admin::SwitchReport,
    cli::{Exit, print, question::Question, session::table},
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
    let (address, answer) = match question.ask(flags, environment) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    match serde_json::from_str::<SwitchReport>(&answer.body) {
        Ok(report) if answer.status == 200 => {
            print(&table(&report.rows()));
            if report.is_complete() { Exit::Success } else { Exit::Failure }
        }
        _ => {
            question.complain(&address, &format_args!("{}: {}", answer.status, answer.line()));
            Exit::Failure
        }
    }
}

/// Longer than all working orders may take to be cancelled.
const PATIENCE: Duration = Duration::from_secs(150);
