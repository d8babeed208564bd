//! `status` and `session …`: what an operator asks of a running proxy, in words instead of JSON.

use std::{fmt::Write as _, time::Duration};

use serde::de::DeserializeOwned;

use crate::{
    admin::{Report, Row, SessionReport},
    cli::{Exit, print, question::Question},
    config::{Environment, Flags},
};

/// Prints how a running proxy stands. A success exactly when it is ready.
pub fn status(flags: &Flags, environment: &Environment) -> Exit {
    tell(&Question::get("/status"), flags, environment, Report::rows, Report::is_ready)
}

/// An operator's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOrder {
    pub(super) path: &'static str,
    /// A name and a text that the admin listener understands.
    pub(super) term: Option<(&'static str, String)>,
}

/// Gives `order` to a running proxy, waits until it was carried out, and prints how the session stands then.
pub fn session(order: &SessionOrder, flags: &Flags, environment: &Environment) -> Exit {
    let body = order.term.as_ref().map(|(name, text)| serde_json::json!({ *name: text }).to_string());
    let question = Question { method: "POST", path: order.path, body, patience: PATIENCE, undone: UNDONE };
    tell(&question, flags, environment, SessionReport::rows, |_| true)
}

/// Asks, and prints the rows of the report that is answered. A success exactly when there is one, and it `is_well`.
pub(super) fn tell<R: DeserializeOwned>(
    question: &Question,
    flags: &Flags,
    environment: &Environment,
    rows: fn(&R) -> Vec<Row>,
    is_well: fn(&R) -> bool,
) -> Exit {
    let (address, answer) = match question.ask(flags, environment) {
        Ok(answered) => answered,
        Err(exit) => return exit,
    };
    // A problem may hold a report too.
    let report: Option<R> = serde_json::from_str(&answer.body).ok();
    if let Some(report) = &report {
        print(&table(&rows(report)));
    }
    if answer.status != 200 || report.is_none() {
        question.complain(&address, &format_args!("{}: {}", answer.status, answer.line()));
    }
    let is_done = answer.status == 200 && report.as_ref().is_some_and(is_well);
    if is_done { Exit::Success } else { Exit::Failure }
}

fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut out, (label, text)| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{label:width$}  {text}");
        out
    })
}

const UNDONE: &str = "nothing was done: is the proxy running, and is its admin listener where --admin-listen, or the configuration, says?";

/// Longer than one attempt of the proxy's, and than it keeps the connection.
const PATIENCE: Duration = Duration::from_secs(220);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_make_a_column() {
        let rows = [("next", "renew".to_owned()), ("what to do", "nothing".to_owned())];
        assert_eq!(table(&rows), "next        renew\nwhat to do  nothing\n");
    }
}
