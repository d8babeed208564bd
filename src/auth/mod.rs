//! The life of a token, from the grant to the last renewal. Knows no vendor.
pub mod fingerprint;
pub mod ledger;
pub mod metrics;
pub mod policy;
pub mod reason;
pub mod renewal;
pub mod source;
pub mod state;
pub mod store;
pub mod token;
pub mod vault;

pub use metrics::SessionMetrics;
pub use policy::RenewalPolicy;
pub use renewal::Renewer;
pub use source::TokenSource;
pub use state::{State, Status};
pub use store::{Current, Publisher, Reader, channel};
pub use token::{Generation, Session, User};
pub use vault::Vault;
