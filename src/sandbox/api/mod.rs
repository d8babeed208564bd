//! The simulated API: from a request that has been read to the answer.
//!
//! The order in which things are checked is part of the simulation: two `Authorization` fields are malformed
//! whatever they hold; a bearer is judged before the path is looked at, so that an unknown path without a
//! bearer is a 401; the hourly cap counts only requests with a good bearer; which host is the right one depends on
//! whose bearer it is; and a missing permission shows only to those who have one.

pub(crate) mod call;
mod cash;
pub(crate) mod edgetag;
mod entities;
mod grants;
mod kinds;
mod login;
mod oauth;
mod orders;
pub(crate) mod reply;
mod sync;

use http::{StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;

use crate::sandbox::{
    api::{call::Call, reply::Reply},
    rules::{EvictedAnswer, Rules},
    sessions::{Refusal, Verdict},
    state::State,
};

/// Answers a request.
pub(crate) fn answer(state: &mut State, call: &Call<'_>, now: Timestamp) -> Reply {
    let verdict = judge(state, call, now);
    let outcome = route(state, call, verdict, now);
    // Either way it is the answer: the error side only ends the handling early.
    outcome.unwrap_or_else(|reply| reply)
}

/// What the bearer of a request is worth.
pub(crate) fn judge(state: &State, call: &Call<'_>, now: Timestamp) -> Verdict {
    state.sessions.judge(call.headers.get_all(AUTHORIZATION).iter(), now)
}

/// Whether a path, in lower case, is one that needs no bearer of Tradovate's.
pub(crate) fn is_open(path: &str) -> bool {
    matches!(path, "auth/accesstokenrequest" | "auth/oauthtoken") || path.starts_with(edgetag::PREFIX)
}

fn route(state: &mut State, call: &Call<'_>, verdict: Verdict, now: Timestamp) -> Result<Reply, Reply> {
    if verdict == Verdict::Refused(Refusal::Repeated, None) {
        return Err(Reply::empty(StatusCode::BAD_REQUEST));
    }
    match call.path {
        "auth/accesstokenrequest" => return login::acquire(state, call, now),
        "auth/oauthtoken" => return oauth::token(state, call, now),
        path if path.starts_with(edgetag::PREFIX) => return Ok(edgetag::answer(state, call, now)),
        _ => {}
    }
    let session = match verdict {
        Verdict::Accepted { session, .. } => session,
        Verdict::Refused(refusal, _) => return Err(refused(refusal, &state.rules)),
    };
    if !state.sessions.limits.admit_request(now, &state.rules) {
        // Tradovate: empty, with `Content-Length: 0` and no `Retry-After`.
        return Err(Reply::empty(StatusCode::TOO_MANY_REQUESTS));
    }
    if let Some(home) = state.rules.home_host.as_deref().filter(|_| is_astray(call, &state.rules)) {
        return Err(Reply::moved(call.sent_to.at(home)));
    }
    if lacks_permission(call.path, &state.rules) {
        return Err(if orders::is_order(call.path) {
            orders::access_denied()
        } else {
            Reply::empty(StatusCode::UNAUTHORIZED)
        });
    }
    match call.path {
        "auth/renewaccesstoken" => Ok(login::renew(state, call, session, now)),
        "auth/me" => Ok(login::me()),
        "user/syncrequest" => sync::request(state, call),
        path if orders::is_order(path) => orders::answer(state, call, now),
        path if cash::is_cash(path) => cash::answer(state, call, now),
        _ => entities::answer(state, call),
    }
}

/// Whether a request with a good bearer was sent to another host than the user's. Tradovate: it is answered 307; logging
/// in and renewing go on working at the bootstrap hosts.
pub(crate) fn is_astray(call: &Call<'_>, rules: &Rules) -> bool {
    let is_home = |home: &str| call.sent_to.host().eq_ignore_ascii_case(home);
    call.path != "auth/renewaccesstoken" && rules.home_host.as_deref().is_some_and(|home| !is_home(home))
}

fn refused(refusal: Refusal, rules: &Rules) -> Reply {
    let denied = Reply::text(StatusCode::UNAUTHORIZED, "Access is denied");
    match refusal {
        Refusal::Repeated => Reply::empty(StatusCode::BAD_REQUEST),
        Refusal::Missing | Refusal::NotABearer | Refusal::Unknown | Refusal::Superseded => denied,
        Refusal::Expired => Reply::text(StatusCode::UNAUTHORIZED, "Expired Access Token"),
        // Tradovate: 408, 429 or 5xx officially, 401 as clients report.
        Refusal::Closed => match rules.evicted_answer {
            EvictedAnswer::Unauthorized => denied,
            EvictedAnswer::RequestTimeout => Reply::empty(StatusCode::REQUEST_TIMEOUT),
            EvictedAnswer::TooManyRequests => Reply::empty(StatusCode::TOO_MANY_REQUESTS),
            EvictedAnswer::InternalServerError => Reply::text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Internal Server Error, error id: 00000000-0000-4000-8000-00000000dead",
            ),
        },
    }
}

fn lacks_permission(path: &str, rules: &Rules) -> bool {
    let denied = rules.without_permission.iter().map(|denied| denied.to_ascii_lowercase());
    denied
        .into_iter()
        .any(|denied| if denied.ends_with('/') { path.starts_with(&denied) } else { path.ends_with(&denied) })
}
