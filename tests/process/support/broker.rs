//! The simulated API in the process of the test, so that what it does is an event at once: a kill can be aimed.

use std::fmt::Display;

use tokio::runtime::{Builder, Runtime};
use tradovate_proxy::sandbox::{Control, Options, Sandbox};

use crate::support::patience::PATIENCE;

/// A broker, and what it runs on.
#[derive(Debug)]
pub(crate) struct Broker {
    sandbox: Sandbox,
    runtime: Runtime,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(Options::default())).unwrap();
        Self { sandbox, runtime }
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.sandbox.http_addr())
    }

    pub(crate) fn control(&self) -> &Control {
        self.sandbox.control()
    }

    /// How many logins have been asked for, granted or not.
    pub(crate) fn logins(&self) -> usize {
        self.control().requests_to(LOGIN).len()
    }

    /// How many renewals have been asked for, granted or not.
    pub(crate) fn renewals(&self) -> usize {
        self.control().requests_to(RENEWAL).len()
    }

    /// Waits until `count` requests to `path` have been read, answered or not.
    pub(crate) fn has_read(&self, path: &str, count: usize) {
        self.waits(path, self.control().wait_for_requests(path, count));
    }

    /// Waits until the `nth` request to `path` is about to be answered.
    pub(crate) fn has_answered(&self, path: &str, nth: usize) {
        self.waits(path, async {
            let sequence = self.control().wait_for_requests(path, nth).await[nth - 1].sequence;
            self.control().seen(|record| record.sequence == sequence && record.status.is_some()).await
        });
    }

    fn waits<T>(&self, what: impl Display, event: impl Future<Output = T>) -> T {
        let waited = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, event).await });
        waited.unwrap_or_else(|_| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
    }
}

pub(crate) const LOGIN: &str = "auth/accesstokenrequest";
pub(crate) const RENEWAL: &str = "auth/renewaccesstoken";
