//! The life of a token, from the grant to the last renewal. Knows no vendor.
//!
//! One task, the [`Renewer`], owns the session: it alone holds the [`TokenSource`] that can log in, the
//! [`Vault`] that outlives the process, and the [`Publisher`]. Everybody else has a [`Reader`]: one lock-free
//! load of what is published now. No request ever carries a renewal, so none can drop one half-way.
//!
//! One turn of the renewer:
//!
//! 1. **Decide.** The [`machine`], pure, is told what happened and says what is next: a call that the [`ledger`]
//!    allows, a question that costs nothing, or nothing.
//! 2. **Wait** until that is due, until an answer to a caller says something of the session ([`signs`]), until an
//!    operator ([`mod@console`]) or a changed configuration asks for something, or until the order to stop.
//! 3. **Enter** an attempt in the ledger and store that, so that even a process killed in it finds it counted.
//! 4. **Attempt** it, with one request, under a bound on its whole length.
//! 5. **Store** what was granted, then **publish** it; or keep what works.
//!
//! Acquiring is the dangerous call: it opens a session, may throw another program out of its seat, and a few
//! failures lock the user out. So it comes last, only without a usable token, and only inside budgets that
//! survive restarts. A 401 never leads to it by itself: it raises a [doubt](machine::doubt), which is followed from the
//! cheapest question to the dearest.
//!
//! | state | token usable | `/readyz` | leaves when | what the operator is told |
//! |---|---|---|---|---|
//! | starting | no | 503 | the first token is published | to wait, or what an attempt met |
//! | live | yes | 200 | a due renewal fails → overdue; the token is known dead → kicked | nothing |
//! | overdue | **yes** | 200 | success → live; expiry → lapsed | that renewing fails, and why |
//! | lapsed | no | 503 | success → live; a budget or a hold stands in the way → held | the same |
//! | held | no | 503 | its instant comes: acquire | what the broker wants, and until when |
//! | rejected | no | 503 | the credentials change, or an operator insists | to correct them |
//! | kicked | no | 503 | the policy or an operator says so: acquire | to end the other login, or to take the seat back |
//! | paused | no | 503 | its instant comes, or an operator says so | how to go on |
//!
//! `/livez` is 200 in all of them: restarting mends none.
//!
//! Invariants: at most one attempt is under way; the generation never falls; nothing is published that has expired; a
//! good token is given up only for a better one, at its expiry, or when it is known to be dead.

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
