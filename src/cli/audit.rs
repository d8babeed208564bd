//! `audit verify` and `audit show`: the order audit log, checked and in words.

use std::path::PathBuf;

use crate::{
    audit::{
        Unfinished, show,
        verify::{self, Doubtful},
    },
    cli::{Exit, complain, print},
    config::{self, Environment, Flags},
};

/// What is asked of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuestion {
    pub(super) verb: AuditVerb,
    /// In place of the settings' directory.
    pub(super) directory: Option<PathBuf>,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuditVerb {
    Verify,
    Show,
}

/// Reads the log; the proxy may be running. A success exactly when it is whole, or was shown.
pub fn audit(question: &AuditQuestion, flags: &Flags, environment: &Environment) -> Exit {
    let (directory, key) = match config::audit_place(flags, environment) {
        Ok((place, key)) => (question.directory.clone().unwrap_or(place), key),
        Err(errors) => {
            complain(&errors);
            return Exit::Config;
        }
    };
    match question.verb {
        AuditVerb::Verify => match verify::verify(&directory, key.as_ref()) {
            Ok(verdict) => tell(&verdict),
            Err(error) => {
                complain(&error);
                Exit::Failure
            }
        },
        AuditVerb::Show => match show::show(&directory, |line| print(&format!("{line}\n"))) {
            Ok(()) => Exit::Success,
            Err(error) => {
                complain(&error);
                Exit::Failure
            }
        },
    }
}

fn tell(verdict: &verify::Verdict) -> Exit {
    let list = |what: &str, requests: &[Unfinished]| {
        for Unfinished { id, operation, begun } in requests {
            print(&show::printable(&format!("{what}: {operation} {id}, begun {begun}")));
            print("\n");
        }
    };
    for note in &verdict.notes {
        print(&format!("note: {}\n", show::printable(note)));
    }
    list("outcome unknown (the proxy ended first; look at order/list)", &verdict.unknown);
    for Doubtful { id, operation, how, ended } in &verdict.doubtful {
        let operation = operation.as_deref().unwrap_or("a request");
        print(&show::printable(&format!(
            "outcome unknown ({how}; look at order/list): {operation} {id}, ended {ended}"
        )));
        print("\n");
    }
    list("no end yet (under way, or the proxy was killed)", &verdict.open);
    for finding in &verdict.findings {
        complain(&show::printable(&finding.to_string()));
    }
    if verdict.findings.is_empty() {
        print(&format!("intact: {} lines in {} files\n", verdict.lines, verdict.files));
        return Exit::Success;
    }
    let count = verdict.findings.len();
    complain(&format_args!(
        "the audit log is not intact: {count} findings; keep a copy of it as it is, and compare it with order/list"
    ));
    Exit::Failure
}
