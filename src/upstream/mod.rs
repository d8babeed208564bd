//! The way to the upstream: connections that are kept, used for one exchange at a time, and never reused when
//! there is the least doubt about them.
//!
//! The proxy speaks HTTP/1.1 here itself, since only whoever writes the bytes knows whether any of them left:
//! [`Failure::sent`] is that knowledge, and what a caller is told about an order rests on it. Nothing in this
//! module retries. HTTP/2, where the origin offers it and a setting allows it, goes through hyper.
//!
//! One [`Upstream`] belongs to one worker thread, so its pool needs no lock. A connection is
//!
//! ```text
//! connect ─▶ Lease ─▶ send ─▶ answer() ─▶ next_data()* ─▶ finish ─▶ idle ─▶ Lease …
//!               └────────── dropped anywhere: closed ───────────┘    ▲
//! connect, before anybody asks for one ─────────────────────────────┘  (keeper)
//! ```

mod answer;
mod connect;
mod error;
mod gate;
mod http1;
mod http2;
mod keeper;
mod lease;
mod metered;
mod metrics;
mod pace;
mod pool;
#[cfg(any(test, fuzzing))]
mod scripted;
#[cfg(test)]
mod staged;
mod timeouts;
pub mod tls;

pub use answer::{Answer, Head, Length};
pub use connect::Connector;
pub use error::{Failure, Sent, UpstreamError};
pub use gate::LastWord;
pub use lease::{Lease, Prepared};
pub use metrics::Metrics;
pub use pool::{Choice, Upstream};
pub use timeouts::Timeouts;
