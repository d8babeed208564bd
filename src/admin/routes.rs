//! From a request to its answer. Only an order is waited for.

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    admin::{
        Inner,
        admission::{Ends, admit},
        advice::advice,
        errand::Errand,
        exposition, forget,
        kill::{self, Turn},
        orders, page,
        problem::Problem,
        status::{AuditReport, Report, SessionReport},
    },
    auth::Status,
    callers::Stranger,
};

/// The answer to `request`. What `HEAD` must not have, hyper leaves out.
pub(super) async fn respond(admin: &Inner, ends: &Ends, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let order = Order::at(request.uri().path());
    let mut response = match (admit(admin, ends, &request), order) {
        (Ok(caller), Some(Order::Session(errand))) => {
            orders::answer(admin, ends, &caller, errand, request).await
        }
        (Ok(caller), Some(Order::Switch(turn))) => kill::answer(admin, ends, &caller, turn, request).await,
        (Ok(caller), Some(Order::Forget)) => forget::answer(admin, ends, &caller, request).await,
        (Ok(_), None) => look(admin, &request),
        (Err(Stranger::NoKey | Stranger::WrongKey), _) if is_probe(&request) => probe(admin, &request),
        (Err(stranger), order) => turn_away(stranger, order),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Session(Errand),
    Switch(Turn),
    Forget,
}

impl Order {
    /// The order that `path` stands for, whatever the method.
    fn at(path: &str) -> Option<Self> {
        let other = || (path == forget::PATH).then_some(Self::Forget);
        Errand::at(path).map(Self::Session).or_else(|| Turn::at(path).map(Self::Switch)).or_else(other)
    }
}

/// In logs.
impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(errand) => write!(f, "{} the session", errand.name()),
            Self::Switch(turn) => f.write_str(turn.what()),
            Self::Forget => f.write_str(forget::WHAT),
        }
    }
}

/// What a kubelet asks, which has no key to show.
fn is_probe<B>(request: &Request<B>) -> bool {
    matches!(request.uri().path(), "/livez" | "/readyz")
}

/// The answer to a probe without a key: the status, and nothing of the session.
fn probe<B>(admin: &Inner, request: &Request<B>) -> Response<Full<Bytes>> {
    let answer = look(admin, request);
    let word = if answer.status().is_success() { "yes\n" } else { "no; with a key the answer says why\n" };
    answer.map(|_| Full::from(word))
}

/// Tells somebody who may not call, and who had this `order` to give.
fn turn_away(stranger: Stranger, order: Option<Order>) -> Response<Full<Bytes>> {
    if let Some(order) = order {
        // Somebody tries what must not succeed.
        tracing::warn!(%stranger, "an order to {order} was refused");
    } else {
        tracing::debug!(%stranger, "turned away");
    }
    Problem::of_stranger(stranger).response()
}

fn look<B>(admin: &Inner, request: &Request<B>) -> Response<Full<Bytes>> {
    let route = match request.uri().path() {
        "/" => person,
        "/livez" => live,
        "/readyz" => ready,
        "/status" => status,
        "/metrics" => metrics,
        _ => {
            return text(
                StatusCode::NOT_FOUND,
                "not found; there are /, /livez, /readyz, /status and /metrics, and for POST /session/renew, \
                 /session/acquire, /session/pause, /session/resume, /guards/kill, /guards/release and \
                 /idempotency/forget?key=…\n",
            );
        }
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return route(admin);
    }
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

fn live(_: &Inner) -> Response<Full<Bytes>> {
    text(StatusCode::OK, "alive\n")
}

fn ready(admin: &Inner) -> Response<Full<Bytes>> {
    if admin.is_draining() {
        return text(
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: draining: the process was told to stop, and finishes what is in flight\n",
        );
    }
    let status = admin.reader.status();
    if admin.is_ready() {
        return text(StatusCode::OK, still_ready(admin, &status));
    }
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, not_ready(&status));
    let wait = retry_after(&status, admin.facts.clock.now());
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait));
    response
}

fn status(admin: &Inner) -> Response<Full<Bytes>> {
    json(&Report::of(admin))
}

/// The part of `/status` that an order changes.
pub(super) fn session(admin: &Inner) -> Response<Full<Bytes>> {
    json(&SessionReport::of(admin))
}

fn person(admin: &Inner) -> Response<Full<Bytes>> {
    let page = page::html(&Report::of(admin));
    let mut response = with_type(StatusCode::OK, "text/html; charset=utf-8", page);
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
    response
}

fn metrics(admin: &Inner) -> Response<Full<Bytes>> {
    match exposition::text(&admin.registry) {
        Ok(metrics) => with_type(StatusCode::OK, exposition::CONTENT_TYPE, metrics),
        Err(error) => failed(&error),
    }
}

/// One line too: it serves, and what it might not survive is no reason to take it out of service.
fn still_ready(admin: &Inner, status: &Status) -> String {
    let audit = admin.facts.audit.report().and_then(|report| AuditReport::of(report).alarm());
    let store = status.store_trouble.as_ref();
    let store = store.map(|trouble| format!("the session would not survive a restart: {trouble}"));
    let troubles: Vec<String> = audit.into_iter().chain(store).collect();
    if troubles.is_empty() {
        return "ready\n".to_owned();
    }
    format!("ready, but {}\n", troubles.join("; and ").replace(char::is_control, " "))
}

/// One line: the health check and container engines show no more.
fn not_ready(status: &Status) -> String {
    let mut line = format!("not ready: {}", status.state.name());
    for part in status.reason.iter().chain([&advice(status)]) {
        line.push_str(": ");
        line.push_str(&part.replace(char::is_control, " "));
    }
    line + "\n"
}

/// Whole seconds until the next attempt, or a moment where none is planned.
fn retry_after(status: &Status, now: Timestamp) -> u64 {
    let until = status.next.map(|(_, at)| at.duration_since(now).as_secs());
    until.map_or(UNPLANNED, |seconds| u64::try_from(seconds).unwrap_or(0).saturating_add(1))
}

pub(super) fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(value) {
        Ok(json) => with_type(StatusCode::OK, "application/json", json + "\n"),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> Response<Full<Bytes>> {
    tracing::error!(%error, "an admin route failed");
    text(StatusCode::INTERNAL_SERVER_ERROR, "failed; the log says why\n")
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", body)
}

fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Seconds to wait for a session that somebody has to mend first.
const UNPLANNED: u64 = 30;
