//! The life of a token, from the grant to the last renewal. Knows no vendor.
//!
//! One task, the [`Renewer`], owns the session: it alone holds the [`TokenSource`] that can log in, the
//! [`Vault`] that outlives the process, and the [`Publisher`]. Everybody else has a [`Reader`]: one lock-free
//! load of what is published now. No request ever carries a renewal, so none can drop one half-way.
//!
//! One turn of the renewer:
//!
//! 1. **Decide** ([`policy`], pure) from the clock, the token's times, the last failure and the [`ledger`] of
//!    what was tried: renew, verify, acquire, or nothing.
//! 2. **Sleep** until then, until a caller reports a 401 for the generation in use, or until the order to stop.
//! 3. **Enter** the attempt in the ledger and store that, so that even a process killed in it finds it counted.
//! 4. **Attempt** it, under a bound on its whole length.
//! 5. **Publish** what was granted, or keep what works; settle the ledger; store both.
//!
//! Acquiring is the dangerous call: it opens a session, may throw another program out of its seat, and a few
//! failures lock the user out. So it comes last, only without a usable token, and only inside budgets that
//! survive restarts. A 401 never leads to it by itself: it leads to one early renewal, and only when upstream
//! refuses that is the session lost.
//!
//! | state | token usable | leaves when |
//! |---|---|---|
//! | starting | no | the first token is published |
//! | live | yes | a due renewal fails → overdue; a verification is refused → kicked |
//! | overdue | **yes** | success → live; expiry → lapsed |
//! | lapsed | no | success → live; a budget or a hold stands in the way → held |
//! | held | no | its instant comes: acquire |
//! | rejected | no | the credentials change |
//! | kicked | no | the policy or an operator says so: acquire |
//! | paused | no | its instant comes, or an operator says so |
//!
//! Invariants: at most one attempt is under way; the generation only grows; nothing is published that has
//! expired; a good token is given up only for a better one, at its expiry, or when upstream refuses to renew it.

pub mod console;
pub mod courier;
pub mod fingerprint;
pub mod ledger;
pub mod machine;
pub mod metrics;
pub mod policy;
pub mod reason;
pub mod renewal;
pub mod signs;
pub mod source;
pub mod state;
pub mod store;
pub mod token;
pub mod vault;

pub use console::{Console, Declined, Order, Orders, console};
pub use metrics::SessionMetrics;
pub use policy::{OnKick, RenewalPolicy};
pub use renewal::{Change, Parts, Renewer};
pub use signs::Sign;
pub use source::{Means, TokenSource, Vitality};
pub use state::{State, Status};
pub use store::{Current, Publisher, Reader, channel};
pub use token::{Generation, Session, User};
pub use vault::{Store, StoreKey, Vault, VaultError};
