//! What is known of Tradovate, and nothing else is: the only folder that names the vendor's paths, hosts and
//! JSON.
//!
//! Tradovate differs from an ordinary bearer API in five ways, and each shapes a file here:
//!
//! - **HTTP 200 is not success.** A wrong password, a penalty and a refused renewal all arrive as 200. `wire`
//!   decodes an answer straight into a grant or the cause of its absence; no half-checked struct leaves it.
//! - **Logging in is the dangerous call.** Each login opens a session, the third closes the user's oldest, and
//!   a few failures lock the user out. [`session`] makes the call when asked, follows no redirect and repeats
//!   nothing; whether it may be asked is decided in [`crate::auth::machine`].
//! - **Hosts move.** Answers carry `apiHosts`; [`hosts`] says which of those names may receive a token.
//! - **The method says nothing about the effect.** Ten `POST`s only read, and a `GET` may trade. [`endpoints`]
//!   is the table that says what a path does, and what is not in it counts as an order.
//! - **The credentials are seven fields**, two of them secret: [`credentials`]. But whoever has a token can extend it
//!   without any of them: [`handed`].
//!
//! Invariant: no secret leaves this folder except inside a [`secrecy::SecretString`], a
//! [`Bearer`](crate::bearer::Bearer), or the body of the login itself.

pub mod credentials;
pub mod endpoints;
pub mod environment;
pub mod handed;
pub mod hosts;
pub mod penalty;
pub mod session;
pub(crate) mod wire;

pub use credentials::Credentials;
pub use endpoints::{Effect, Endpoint, Endpoints};
pub use environment::Environment;
pub use handed::HandedToken;
#[cfg(any(test, fuzzing))]
pub(crate) use hosts::{ApiHosts, Steering};
pub use hosts::{Hosts, TrustedSuffixes};
pub use penalty::Penalty;
pub use session::{Api, SessionClient};
