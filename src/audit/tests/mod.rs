//! The log on a real disk; time passes only where a test lets it.

mod chain;
mod content;
mod trouble;

use std::{fs, path::Path};

use prometheus::Registry;
use serde_json::Value;
use tempfile::TempDir;

use super::{
    verify::{Verdict, verify},
    *,
};
use crate::tradovate::{Endpoint, Endpoints};

/// A log in a directory of its own.
struct Stage {
    directory: TempDir,
    options: Options,
    endpoints: Endpoints,
}

impl Stage {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::in_directory(directory.path().to_owned());
        Self { directory, options, endpoints: Endpoints::new() }
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut stage = Self::new();
        change(&mut stage.options);
        stage
    }

    fn open(&self) -> AuditLog {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        AuditLog::open(self.options.clone(), "demo", Clock::system(), metrics).unwrap()
    }

    fn endpoint(&self, path: &str) -> &Endpoint {
        self.endpoints.find(path)
    }

    /// The entry for an order with this body.
    fn entry(&self, log: &AuditLog, body: &str) -> Entry {
        self.entry_to(log, "/order/placeorder", body)
    }

    fn entry_to(&self, log: &AuditLog, path: &str, body: &str) -> Entry {
        let target = format!("/v1{path}");
        let endpoint = self.endpoint(path);
        let asked =
            Asked { endpoint, caller: "local", method: "POST", target: &target, body: body.as_bytes() };
        log.entry(asked).unwrap()
    }

    /// One order, begun and answered.
    async fn order(&self, log: &AuditLog, body: &str, answer: &str) {
        let mut entry = self.entry(log, body);
        entry.begin().await.unwrap();
        entry.is_answered(false);
        entry.saw(answer.as_bytes());
        entry.end(&answered());
    }

    /// A log with some orders in it, ended in order, in several files if these are short.
    async fn filled(&self, orders: usize) {
        let log = self.open();
        for order in 0..orders {
            self.order(&log, &format!(r#"{{"symbol":"ESZ6","orderQty":{order}}}"#), r#"{"orderId":7}"#).await;
        }
        close(log).await;
    }

    fn verify(&self) -> Verdict {
        verify(self.directory.path(), self.options.key.as_ref()).unwrap()
    }

    /// Verifies, and fails unless nothing is found.
    fn is_intact(&self) -> Verdict {
        let verdict = self.verify();
        assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
        verdict
    }

    fn lines(&self) -> Vec<Value> {
        lines(self.directory.path())
    }

    /// Those of a kind.
    fn kind(&self, kind: &str) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["kind"] == kind).collect()
    }
}

fn answered() -> End {
    End {
        outcome: Outcome::Answered,
        how: "answered",
        status: Some(http::StatusCode::OK),
        took: Duration::from_millis(3),
    }
}

fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let numbers = directory::numbers(directory).unwrap();
    numbers.into_iter().map(|number| directory::path(directory, number)).collect()
}

fn lines(directory: &Path) -> Vec<Value> {
    let text = files(directory).into_iter().map(|file| fs::read_to_string(file).unwrap()).collect::<String>();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Ends a log, and waits until its directory is free for the next one.
async fn close(log: AuditLog) {
    log.finish().await;
    let Some(desk) = log.desk else { return };
    let standing = Arc::downgrade(&desk.standing);
    drop(desk);
    // The thread lets go of it, and of the lock, when it ends.
    while standing.strong_count() > 0 {
        thread::yield_now();
    }
}
