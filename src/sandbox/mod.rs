//! A faithful, strict, in-memory simulation of the Tradovate REST API.
//!
//! It is what a newcomer's first minute runs against, the upstream of every end-to-end test, and a double for
//! the tests of any program that talks to Tradovate. It answers over plain HTTP/1.1 and, with a certificate of
//! its own making, over TLS with HTTP/1.1 and HTTP/2.
//!
//! *Faithful*: sessions and their eviction, tokens that expire by a clock that can be advanced, refusals that
//! arrive as 200, the three bodies of a 401, limits and penalties, and one account whose orders, fills,
//! positions and cash agree. *Strict*: what the real API would refuse, or might, is refused: a second
//! `Authorization`, a scheme that is not spelt `Bearer`, JSON that is not.
//!
//! The invariant: every request below `/v1` is in the journal, as it came and in the order in which it was read,
//! before anything is done about it; and no token or password is in the journal, in a log or in a `Debug`.
//!
//! # The user
//!
//! [`CREDENTIALS`] log in. For OAuth the client id is their `cid`, the secret their `sec`, and a first refresh
//! token comes from `POST /sandbox/refresh-tokens`.
//!
//! # The other API
//!
//! Below `/v1/oauth-app` stands another API, with an authorization server of its own, for clients of the refresh grant
//! that should not depend on Tradovate's habits: [EdgeTag]'s, as far as it is documented. `POST
//! /v1/oauth-app/client/token` takes a form from the client [`EDGETAG`], by Basic and in no other way, and hands out
//! tokens of two hours; `GET /v1/oauth-app/client`, which is made up, wants one.
//!
//! [EdgeTag]: https://docs.edgetag.io/api/getting-started/oauth-2.0/implementation
//!
//! # The control API
//!
//! Beside `/v1`, on the same listeners, without authentication, in JSON. [`Control`] is the same in process.
//!
//! | route | |
//! |---|---|
//! | `GET /sandbox` | these routes, as text |
//! | `GET /sandbox/clock` | `{"now": …}`: the broker's time |
//! | `POST /sandbox/clock/advance` | `{"seconds": 3600}`; answers the new time |
//! | `GET /sandbox/rules` | the [`Rules`] in force |
//! | `PATCH /sandbox/rules` | some of them, to be changed (`POST` does too); answers all |
//! | `GET /sandbox/faults` | the [`Fault`]s that wait |
//! | `POST /sandbox/faults` | one more, e.g. `{"path": "order/placeorder", "handled": true, "action": "reset"}` |
//! | `DELETE /sandbox/faults` | forgets them, and lets those requests go on that one delays |
//! | `GET /sandbox/requests` | the [`Record`] of every request seen; `?path=<end of path>&after=<sequence>` |
//! | `DELETE /sandbox/requests` | forgets them |
//! | `GET /sandbox/tally` | the [`Tally`] of all requests, forgotten ones too, by what their bearer was worth |
//! | `GET /sandbox/sessions` | every session ever opened |
//! | `POST /sandbox/sessions` | logs the user in elsewhere, which may close the oldest session |
//! | `POST /sandbox/sessions/evict` | closes `{"session": 1}`, or the oldest open one |
//! | `POST /sandbox/refresh-tokens` | a refresh token for `auth/oauthtoken` |
//! | `POST /sandbox/edgetag/refresh-tokens` | one for `oauth-app/client/token` |
//! | `GET /sandbox/market` | what each contract trades at |
//! | `POST /sandbox/market` | `{"symbol": "ESZ6", "price": 6740.0}`; fills what the price reaches |
//! | `GET /sandbox/bytes?n=1000` | so many bytes |
//! | `GET /sandbox/ca` | the certificate to trust for TLS, in PEM |
//! | `POST /sandbox/reset` | starts over; rules and clock stay |
//!
//! A move of the user to another host is the rule `{"home_host": "b.localhost"}`: logins and renewals name that host,
//! and what is sent to another one is answered 307. The sandbox answers by every name, so nothing but the name moves;
//! over TLS it must be below `api.localhost`.
//!
//! Any path below `/v1` answers with as many bytes as wanted through the fault
//! `{"path": "account/list", "action": {"huge": {"bytes": 1073741824}}}`, to a good bearer; none of them is ever
//! held in memory.

mod api;
mod book;
mod control;
mod options;
mod rules;
mod server;
mod sessions;
mod state;
#[cfg(test)]
mod tests;

pub use control::{
    Control,
    faults::{Action, Fault},
    journal::{Bearer, Body, KEPT, KEPT_BODY, Record},
    tally::Tally,
};
pub use options::{CREDENTIALS, Client, Credentials, EDGETAG, Options};
pub use rules::{
    AccountState, ApiHosts, EvictedAnswer, GrantFields, LockAnswer, OAuthBody, OAuthRefusal, OldToken,
    RenewalToken, Rules, Trading,
};
pub use server::{Face, Sandbox, StartError};
pub use sessions::{OpenedBy, Refusal, SessionView};
