//! `/status`: what is known of the session, for people and their scripts. The field names are a contract.

use jiff::Timestamp;
use serde::Serialize;

use crate::admin::Inner;

/// One look at everything. Borrows nothing secret: of the session only its instants, its generation and its
/// origin are copied. Instants are told as the wall clock shows them, since that is what their reader looks at.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    uptime_seconds: u64,
    environment: &'static str,
    origin: String,
    listen: String,
    admin_listen: String,
    ready: bool,
    session: Session,
    clock_skew_seconds: Option<i64>,
    store_trouble: Option<String>,
}

#[derive(Debug, Serialize)]
struct Session {
    state: &'static str,
    since: Timestamp,
    reason: Option<String>,
    advice: Option<String>,
    generation: Option<u64>,
    issued_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// Negative once expired.
    seconds_left: Option<i64>,
    next: Option<Planned>,
    last_attempt: Option<Attempt>,
    last_success: Option<Success>,
}

#[derive(Debug, Serialize)]
struct Planned {
    call: &'static str,
    at: Timestamp,
}

#[derive(Debug, Serialize)]
struct Attempt {
    call: &'static str,
    at: Timestamp,
    result: &'static str,
}

#[derive(Debug, Serialize)]
struct Success {
    at: Timestamp,
    generation: u64,
}

impl Report {
    pub(super) fn of(admin: &Inner) -> Self {
        let facts = &admin.facts;
        let status = admin.reader.status();
        let session = admin.reader.last();
        let session = session.as_deref();
        let shown = |at| facts.clock.shown(at);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: admin.started.elapsed().as_secs(),
            environment: facts.environment,
            origin: session.map_or(&facts.origin, |session| &session.origin).to_string(),
            listen: facts.listen.to_string(),
            admin_listen: facts.admin_listen.to_string(),
            ready: admin.reader.current().is_some(),
            session: Session {
                state: status.state.name(),
                since: shown(status.since),
                reason: status.reason,
                advice: status.advice,
                generation: session.map(|session| session.generation.0),
                issued_at: session.map(|session| shown(session.issued_at)),
                expires_at: session.map(|session| shown(session.expires_at)),
                seconds_left: session
                    .map(|session| session.expires_at.duration_since(facts.clock.now()).as_secs()),
                next: status.next.map(|(call, at)| Planned { call: call.name(), at: shown(at) }),
                last_attempt: status.last.map(|last| Attempt {
                    call: last.call.name(),
                    at: shown(last.at),
                    result: last.result,
                }),
                last_success: status
                    .last_success
                    .map(|(at, generation)| Success { at: shown(at), generation: generation.0 }),
            },
            clock_skew_seconds: status.clock_skew_seconds,
            store_trouble: status.store_trouble,
        }
    }
}
