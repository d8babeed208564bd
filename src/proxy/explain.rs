//! What would become of a request, and which rule decides: by the same functions as on the data path, and without
//! sending anything.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    callers::{self, Signs, Stranger},
    guard::{self, Finding, Rule, Rules, Situation, Verdict},
    http1::{BadRequest, RequestHead},
    proxy::{
        Api, Limits, Problem, ProxyError, keyed,
        route::{Answerer, Route},
    },
    tradovate::Endpoints,
};

/// What would become of a request.
#[derive(Clone, Debug, Serialize)]
pub struct Explained {
    /// The endpoint's name in metrics and logs; absent if the path was refused.
    pub operation: Option<&'static str>,
    /// What it does.
    pub effect: Option<&'static str>,
    /// Whether it takes risk away.
    pub relief: bool,
    /// Each rule that was asked, and what it found, up to the one that decides.
    pub rules: Vec<Found>,
    /// `forward`, `answered-here` or `refused`.
    pub verdict: &'static str,
    /// The rule that refuses.
    pub rule: Option<&'static str>,
    /// The status of the proxy's answer, where it would not come from Tradovate.
    pub status: Option<u16>,
    /// The `code` of a refusal.
    pub code: Option<&'static str>,
    /// Why it is refused.
    pub detail: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// What one rule found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Its name.
    pub rule: &'static str,
    /// `idle`, `passes`, `refuses`, or why that cannot be told.
    pub finds: &'static str,
}

/// A request that could not even be written down.
#[derive(Debug, thiserror::Error)]
#[error("this is no request in HTTP/1.1: {0}")]
pub struct Unexplained(BadRequest);

/// What a proxy judges by.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// What is in front of it.
    pub api: Api,
    /// Who may call it.
    pub callers: &'a callers::Rules,
    /// The addresses that it listens on: a connection may have come to any of them.
    pub addresses: &'a [IpAddr],
    /// What each path of Tradovate's does.
    pub endpoints: &'a Endpoints,
    /// Content types of request bodies accepted besides `application/json`.
    pub content_types: &'a [String],
    /// Bounds on what callers hold.
    pub limits: &'a Limits,
    /// The guards.
    pub rules: &'a Rules,
    /// What the guards do not say.
    pub situation: &'a Situation,
}

/// Explains the request with this head, which is whole, and this body, as a proxy on this ground would treat it.
///
/// # Errors
/// When the head is not one.
pub fn explain(ground: &Ground<'_>, head: &[u8], body: &[u8]) -> Result<Explained, Unexplained> {
    let Ground { api, callers, endpoints, content_types, limits, rules, situation, .. } = *ground;
    let mut read = RequestHead::default();
    read.read(head).map_err(Unexplained)?;
    let mut explained = Explained::nothing();
    if let Err(stranger) = screen(ground, &Signs::of(&read, head)) {
        explained.found("callers", "refuses");
        explained.refuse("callers", &ProxyError::from(stranger).problem());
        return Ok(explained);
    }
    // Whose key it would bring is not asked: keys have no business on a command line.
    let is_keyed = !callers.keys.is_empty();
    explained.found("callers", if is_keyed { "passes with a caller's key" } else { "passes" });
    let route = match Route::of(&read, head, api, endpoints, content_types) {
        Ok(route) => route,
        Err(refusal) => {
            explained.found("route", "refuses");
            explained.refuse("route", &ProxyError::from(refusal).problem());
            return Ok(explained);
        }
    };
    explained.found("route", "passes");
    explained.operation = Some(route.endpoint.operation);
    explained.effect = Some(route.endpoint.effect.name());
    explained.relief = route.endpoint.relief;
    if body.len() > limits.body_bytes {
        let too_large = ProxyError::BodyTooLarge { limit: limits.body_bytes };
        explained.refuse("limits", &too_large.problem());
        return Ok(explained);
    }
    match keyed::key(&read.fields(head), &route) {
        Ok(key) => explained.found("idempotency-key", if key.is_some() { "passes" } else { "idle" }),
        Err(bad) => {
            explained.found("idempotency-key", "refuses");
            explained.refuse("idempotency-key", &ProxyError::from(bad).problem());
            return Ok(explained);
        }
    }
    let is_local = matches!(route.by, Answerer::Proxy(_));
    let request = guard::Request {
        endpoint: route.endpoint,
        is_local,
        method: read.method(head),
        target: route.target,
        fields: read.fields(head),
        body,
    };
    let verdict = guard::examine(rules, situation, &request, |rule, finding| {
        let found = match finding {
            Finding::Idle => "idle",
            Finding::Passes => "passes",
            Finding::Refuses(_) => "refuses",
        };
        explained.found(rule.name(), found);
    });
    match verdict {
        Verdict::Refuse(refusal) => {
            let rule = refusal.rule().name();
            let was_ordered = refusal == guard::Refusal::Killed(guard::Cause::EarlierRun);
            explained.refuse(rule, &ProxyError::from(refusal).problem());
            if was_ordered {
                // What the disk says: the process that was given the order may be running.
                explained.detail = Some(ORDERED.to_owned());
            }
        }
        Verdict::Forward => {
            let is_counted = request.is_paced() && rules.orders_per_minute.is_some();
            let found = if is_counted { "counted by the running proxy" } else { "idle" };
            explained.found(Rule::OrdersPerMinute.name(), found);
            if is_local {
                (explained.verdict, explained.status) = ("answered-here", Some(200));
            }
        }
    }
    Ok(explained)
}

/// Whether it would be let in, whichever address its connection had come to.
fn screen(ground: &Ground<'_>, signs: &Signs<'_>) -> Result<(), Stranger> {
    let arrivals = ground.addresses.iter().copied().map(Some);
    let mut screened = ground.callers.screen(signs, || None);
    for arrived_at in arrivals {
        screened = screened.or_else(|_| ground.callers.screen(signs, || arrived_at));
    }
    screened
}

const ORDERED: &str = "the kill switch is on (by an order that the state directory keeps, and that was not taken \
                       back): nothing passes but reads, cancels and liquidations";

impl Explained {
    fn nothing() -> Self {
        Self {
            operation: None,
            effect: None,
            relief: false,
            rules: Vec::new(),
            verdict: "forward",
            rule: None,
            status: None,
            code: None,
            detail: None,
            help: None,
        }
    }

    fn found(&mut self, rule: &'static str, finds: &'static str) {
        self.rules.push(Found { rule, finds });
    }

    fn refuse(&mut self, rule: &'static str, problem: &Problem) {
        (self.verdict, self.rule) = ("refused", Some(rule));
        (self.status, self.code) = (Some(problem.status.as_u16()), Some(problem.code));
        (self.detail, self.help) = (Some(problem.detail.clone()), Some(problem.help.clone()));
    }

    /// Whether the proxy would refuse it.
    pub fn is_refused(&self) -> bool {
        self.rule.is_some()
    }
}
