//! The parts of an app that are made of its seat and its configuration.

use std::sync::Arc;

use prometheus::Registry;
use tokio::sync::mpsc;

use crate::{
    app::{AppError, SANDBOX, Seat, Source},
    audit::{self, AuditLog},
    auth::{
        self, Change, Orders, Parts, Reader, RenewalPolicy, Renewer, SessionMetrics, Status, TokenSource as _,
    },
    config::Config,
    guard::{self, Guards, Sweeps},
    idempotency::{Journal, Register, Unwritable},
};

/// Where the keys of orders are written down: beside the session, since the directory is ours as long as that is.
fn journal(seat: &Seat) -> Journal {
    match seat.vault.directory() {
        Some(directory) => Journal::within(directory),
        // The simulation forgets its orders when it ends; so does the register of their keys.
        None if seat.environment == SANDBOX => Journal::Memory,
        None => Journal::Closed(Unwritable::Nowhere),
    }
}

/// What the keys of orders are asked of.
pub(super) fn register(seat: &Seat, config: &Config) -> Result<Register, AppError> {
    Register::start(journal(seat), config.idempotency, seat.clock.clone())
        .map_err(|source| AppError::Thread { does: "keeps idempotency keys", source })
}

/// What is written down of orders, if anything is.
pub(super) fn audit_log(seat: &Seat, registry: &Registry) -> Result<AuditLog, AppError> {
    let (metrics, clock) = (audit::Metrics::register(registry)?, seat.clock.clone());
    match seat.audit.clone() {
        Some(options) => Ok(AuditLog::open(options, seat.environment, clock, metrics)?),
        None => Ok(AuditLog::off(clock)),
    }
}

/// What the operator does not let pass, and the orders to cancel that come of it.
pub(super) fn guards(
    seat: &Seat,
    config: &Config,
    registry: &Registry,
) -> Result<(Arc<Guards>, Sweeps), AppError> {
    let (metrics, clock) = (guard::Metrics::register(registry)?, seat.clock.clone());
    Guards::start(seat.environment, config.guards.clone(), seat.marker.clone(), metrics, clock)
        .map_err(|source| AppError::Thread { does: "keeps the kill switch", source })
}

/// The one task that can log in, and a reader of what it publishes.
pub(super) fn session(
    seat: Seat,
    policy: RenewalPolicy,
    orders: Orders,
    changes: mpsc::Receiver<Change<Source>>,
    registry: &Registry,
) -> Result<(Renewer<Source>, Reader), AppError> {
    let (publisher, session) = auth::channel(seat.clock.clone(), Status::starting(seat.clock.now()));
    let record = seat.vault.load(&seat.source.seat())?;
    let metrics = SessionMetrics::register(registry)?;
    let parts = Parts {
        source: seat.source,
        publisher,
        policy,
        clock: seat.clock,
        vault: seat.vault,
        record,
        metrics,
        orders,
        changes,
        random: fastrand::Rng::new(),
    };
    Ok((Renewer::new(parts), session))
}
