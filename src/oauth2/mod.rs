//! The refresh grant of OAuth 2.0 (RFC 6749 §6): a refresh token for an access token, again and again.
//!
//! Knows no vendor. A [`RefreshClient`] asks the *authorization server* for tokens. What the standard leaves to the
//! API that the tokens open, the *resource server*, it asks a [`ResourceServer`]: [`AnyApi`] for one of which nothing
//! more is known, and whoever knows more about one can say so.
//!
//! Three things make it less simple than it looks:
//!
//! - **Refresh tokens rotate** (RFC 6749 §6, RFC 9700 §4.14.2): an answer may carry the one to use next, and the one
//!   just used is dead. It goes out in the grant, is stored before anything uses it, and comes back in the
//!   [`Means`](crate::auth::Means) of the next call. Nothing here keeps one.
//! - **A refusal is not the end.** Tradovate: `invalid_token` was answered to a refresh token that worked the next
//!   day. So a refused token is tried again, inside the budgets; only a refused *client* waits for other credentials.
//!   And a refused refresh token says nothing against the access token in use, which serves on to its expiry.
//! - **Answers differ** from what the standard says: errors with status 200, lives in text or not told at all.
//!   `answer` takes what can be understood, and nothing else.
//!
//! Invariant: client secret and tokens are in the request and in the grant, and nowhere else: no log, no `Debug`, no
//! error, not even where the server repeats them.

mod answer;
mod client;
mod registration;
mod resource;
mod token_url;

#[cfg(any(test, fuzzing))]
pub(crate) use answer::decode;
pub use client::RefreshClient;
pub use registration::{ClientAuth, InvalidParameters, Parameters, Registration};
pub use resource::{AnyApi, ResourceServer};
pub use token_url::{TokenUrl, TokenUrlError};
