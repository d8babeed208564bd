//! Why the program could not start, or could not go on.

use std::io;

use crate::{
    audit::AuditError, auth::vault::VaultError, cli::Exit, downstream::Address, origin::OriginError,
    server::ServeError,
};

/// What stopped the program. Each text says what to do, where there is something.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it means in its message")]
pub enum AppError {
    #[error("{address} cannot be listened on ({source}): choose another address for the {what} with {flag}")]
    Bind { what: &'static str, flag: &'static str, address: Address, source: io::Error },
    #[error("the operating system does not say where it listens: {0}")]
    Listener(#[source] io::Error),
    #[error("a root certificate cannot be used: {0}; see TRADOVATE_PROXY_UPSTREAM_CA")]
    Tls(#[source] rustls::Error),
    #[error("the HTTP client for the session cannot be built: {0}")]
    SessionClient(#[source] reqwest::Error),
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("the device id cannot be kept in {directory}: {source}; set TRADOVATE_DEVICE_ID instead")]
    Device { directory: String, source: io::Error },
    #[error("there are no credentials to log in with: see tradovate-proxy check")]
    NoCredentials,
    #[error("they belong to another user or place, and the session cannot change hands: restart the proxy")]
    OtherSeat,
    #[error("the simulated API has no usable address ({0}): give a loopback address with --api-listen")]
    SandboxOrigin(#[source] OriginError),
    #[error("the simulated API has no certificate: {0}")]
    SandboxCertificate(#[source] io::Error),
    #[error("a metric cannot be registered: {0}")]
    Metric(#[from] prometheus::Error),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("cannot start the thread that {does} ({source}): allow this process more threads or memory")]
    Thread { does: &'static str, source: io::Error },
    #[error("signals cannot be listened for: {0}")]
    Signals(#[source] io::Error),
    #[error(
        "the {part} task ended by itself, which only a defect can cause; the process stops rather than run without it"
    )]
    Ended { part: &'static str },
}

impl AppError {
    /// What the process exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Bind { .. } => Exit::Unavailable,
            Self::Tls(_)
            | Self::Vault(_)
            | Self::Audit(AuditError::InUse { .. })
            | Self::Device { .. }
            | Self::NoCredentials
            | Self::OtherSeat
            | Self::SandboxOrigin(_) => Exit::Config,
            Self::Listener(_)
            | Self::Signals(_)
            | Self::Thread { .. }
            | Self::Audit(AuditError::Thread(_)) => Exit::System,
            Self::SandboxCertificate(_)
            | Self::SessionClient(_)
            | Self::Metric(_)
            | Self::Serve(_)
            | Self::Ended { .. } => Exit::Failure,
        }
    }
}
