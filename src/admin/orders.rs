//! `POST /session/…`: an operator's order, from the request to the answer.

use std::{fmt::Display, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};

use crate::{
    admin::{
        Inner,
        admission::{Ends, may_give_orders},
        errand::Errand,
        problem::{Problem, Refusal},
        routes, times,
    },
    auth::{Console, Declined, Order},
    callers::Caller,
};

/// The answer to `errand`, asked for by `caller`: the session as it then stands, or why the order was not carried
/// out.
pub(super) async fn answer(
    admin: &Inner,
    ends: &Ends,
    caller: &Caller,
    errand: Errand,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let order = match understood(admin, ends, caller, errand, request).await {
        Ok(order) => order,
        Err(refusal) => return refuse(admin, errand, &refusal).response(),
    };
    // A task of its own, since whoever asked may go before it is done, and its outcome is to be logged all the same.
    let given = tokio::spawn(give(admin.console.clone(), caller.clone(), errand, order)).await;
    match given.unwrap_or(Err(Declined::Stopping)) {
        Ok(()) => routes::session(admin),
        Err(declined) => refuse(admin, errand, &declined.into()).response(),
    }
}

async fn understood(
    admin: &Inner,
    ends: &Ends,
    caller: &Caller,
    errand: Errand,
    request: Request<Incoming>,
) -> Result<Order, Refusal> {
    let (query, body) = received(ends, caller, request).await?;
    let state = admin.reader.status().state;
    Ok(errand.order(query.as_deref(), &body, &admin.facts.clock, state)?)
}

/// The words of an order, if `caller` may give one: its query and its body.
pub(super) async fn received(
    ends: &Ends,
    caller: &Caller,
    request: Request<Incoming>,
) -> Result<(Option<String>, Bytes), Refusal> {
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    if !may_give_orders(caller, ends) {
        return Err(Refusal::Remote);
    }
    let has_body = !request.body().is_end_stream();
    if has_body && !is_json(request.headers()) {
        return Err(Refusal::ContentType);
    }
    let (head, body) = request.into_parts();
    Ok((head.uri.query().map(str::to_owned), read(body).await?))
}

/// A page may send other types across origins without asking first (Fetch §2.2.2), and so without a trace where
/// a browser is old.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return false };
    let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_BYTES).collect()).await;
    match body.map_err(|_| Refusal::BodyIncomplete)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Err(_) => Err(Refusal::BodyIncomplete),
    }
}

async fn give(console: Console, caller: Caller, errand: Errand, order: Order) -> Result<(), Declined> {
    let given = console.give(order).await;
    let name = errand.name();
    match &given {
        Ok(()) => tracing::info!(%caller, ?order, "the operator's order to {name} was carried out"),
        Err(declined) => {
            tracing::info!(%caller, ?order, %declined, "the operator's order to {name} was not carried out");
        }
    }
    given
}

/// What is answered to an order that was not carried out; logged unless [`give`] has done so.
fn refuse(admin: &Inner, errand: Errand, refusal: &Refusal) -> Problem {
    let name = errand.name();
    note(refusal, &format_args!("{name} the session"));
    let clock = &admin.facts.clock;
    refusal.problem(errand.usage(), clock.now(), |at| times::shown(clock, at))
}

/// Logs that an order was not carried out, unless that has been done.
pub(super) fn note(refusal: &Refusal, to: &dyn Display) {
    match refusal {
        // Somebody tries what must not succeed.
        Refusal::Remote => tracing::warn!(%refusal, "an order to {to} was refused"),
        Refusal::Declined(_) => {}
        Refusal::Method
        | Refusal::ContentType
        | Refusal::BodyTooLarge
        | Refusal::BodyIncomplete
        | Refusal::Terms(_) => tracing::info!(%refusal, "an order to {to} was not understood"),
    }
}

/// Largest body, in bytes: the terms of an order are one line.
pub(super) const BODY_BYTES: usize = 4 * 1024;

const BODY_TIMEOUT: Duration = Duration::from_secs(10);
