//! `/status`: what is known of the session, for people and their scripts. The field names are a contract.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    admin::{Inner, advice::advice, times},
    audit,
    auth::{OnKick, State},
    budget, guard,
};

/// One look at everything. Borrows nothing secret: of the session only its instants, its generation and its
/// origin are copied. All instants are those of the wall clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each answers a question of its own, under its name")]
pub struct Report {
    pub(super) version: String,
    pub(super) uptime_seconds: u64,
    pub(super) environment: String,
    pub(super) origin: String,
    /// With commas between, where there are several.
    pub(super) listen: String,
    /// Whether callers speak TLS there, Unix sockets aside.
    #[serde(default)]
    pub(super) tls: bool,
    pub(super) admin_listen: String,
    #[serde(default)]
    pub(super) admin_tls: bool,
    /// What keeps others out of each: `loopback`, `keys`, `certificates`, or nothing (`unsafe-open`).
    pub(super) access: AccessReport,
    pub(super) ready: bool,
    /// Whether the process was told to stop.
    pub(super) draining: bool,
    pub(super) session: SessionReport,
    pub(super) budget: budget::Report,
    pub(super) guards: guard::Report,
    pub(super) clock_skew_seconds: Option<i64>,
    pub(super) store_trouble: Option<String>,
    /// How orders are written down; absent where they are not.
    pub(super) audit: Option<AuditReport>,
}

/// What keeps others out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AccessReport {
    pub(super) proxy: String,
    pub(super) admin: String,
}

/// How the session stands, at one instant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionReport {
    /// Now.
    pub(super) as_of: Timestamp,
    pub(super) state: String,
    pub(super) since: Timestamp,
    pub(super) reason: Option<String>,
    pub(super) advice: String,
    /// When a pause ends by itself; absent where there is no pause, or no end to it.
    pub(super) paused_until: Option<Timestamp>,
    pub(super) generation: Option<u64>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    /// Negative once expired.
    pub(super) seconds_left: Option<i64>,
    pub(super) next: Option<Planned>,
    pub(super) last_attempt: Option<Attempt>,
    pub(super) last_success: Option<Success>,
    /// What happens when another login takes the session's place.
    pub(super) on_kick: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Planned {
    pub(super) call: String,
    pub(super) at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) call: String,
    pub(super) at: Timestamp,
    pub(super) result: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Success {
    pub(super) at: Timestamp,
    pub(super) generation: u64,
}

/// How the audit log stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AuditReport {
    /// The file that is written to, in `audit.dir`.
    pub(super) file: String,
    /// The number and the digest of its newest line.
    pub(super) seq: u64,
    pub(super) head: String,
    pub(super) trouble: Option<String>,
    pub(super) trouble_since: Option<Timestamp>,
    /// What becomes of orders while there is trouble.
    pub(super) on_failure: String,
}

impl AuditReport {
    pub(super) fn of(report: audit::Report) -> Self {
        let audit::Report { file, seq, head, trouble, since, refuses } = report;
        let on_failure = if refuses { "refuse" } else { "go-on" }.to_owned();
        Self { file, seq, head, trouble, trouble_since: since, on_failure }
    }

    /// What a person has to know at once, if anything.
    pub(super) fn alarm(&self) -> Option<String> {
        let orders = if self.on_failure == "refuse" {
            "orders are refused (cancels and liquidations pass)"
        } else {
            "orders are sent without a record"
        };
        self.trouble
            .as_ref()
            .map(|trouble| format!("{orders}, since the audit log cannot be written: {trouble}"))
    }
}

impl Report {
    pub(super) fn of(admin: &Inner) -> Self {
        let facts = &admin.facts;
        let status = admin.reader.status();
        let origin = admin.reader.last().map(|session| session.origin.to_string());
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: admin.started.elapsed().as_secs(),
            environment: facts.environment.to_owned(),
            origin: origin.unwrap_or_else(|| facts.origin.to_string()),
            listen: facts.listen.to_string(),
            tls: facts.tls,
            admin_listen: facts.admin_listen.to_string(),
            admin_tls: facts.admin_tls,
            access: AccessReport {
                proxy: facts.callers.protection(facts.reach).name().to_owned(),
                admin: facts.operators.protection(facts.admin_reach).name().to_owned(),
            },
            ready: admin.is_ready(),
            draining: admin.is_draining(),
            session: SessionReport::of(admin),
            budget: admin.budget.report(),
            guards: admin.guards.report(),
            clock_skew_seconds: status.clock_skew_seconds,
            store_trouble: status.store_trouble,
            audit: facts.audit.report().map(AuditReport::of),
        }
    }

    /// Whether requests are served: what `/readyz` says.
    pub fn is_ready(&self) -> bool {
        self.ready
    }
}

impl SessionReport {
    pub(super) fn of(admin: &Inner) -> Self {
        let clock = &admin.facts.clock;
        let shown = |at| times::shown(clock, at);
        let now = clock.now();
        let status = admin.reader.status();
        let session = admin.reader.last();
        let session = session.as_deref();
        let next = status.next.map(|(call, at)| Planned { call: call.name().to_owned(), at: shown(at) });
        Self {
            as_of: shown(now),
            state: status.state.name().to_owned(),
            since: shown(status.since),
            advice: advice(&status),
            reason: status.reason,
            // The next thing that a paused session does by itself is to go on.
            paused_until: next.as_ref().filter(|_| status.state == State::Paused).map(|next| next.at),
            generation: session.map(|session| session.generation.0),
            issued_at: session.map(|session| shown(session.issued_at)),
            expires_at: session.map(|session| shown(session.expires_at)),
            seconds_left: session.map(|session| session.expires_at.duration_since(now).as_secs()),
            next,
            last_attempt: status.last.map(|last| Attempt {
                call: last.call.name().to_owned(),
                at: shown(last.at),
                result: last.result.to_owned(),
            }),
            last_success: status
                .last_success
                .map(|(at, generation)| Success { at: shown(at), generation: generation.0 }),
            on_kick: name(status.on_kick).to_owned(),
        }
    }
}

/// The name that the policy has in the settings.
fn name(on_kick: OnKick) -> &'static str {
    match on_kick {
        OnKick::Reclaim => "reclaim",
        OnKick::Yield { .. } => "yield",
        OnKick::Manual => "manual",
    }
}
