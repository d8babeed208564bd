//! `POST /guards/kill` and `/guards/release`: the kill switch, from the request to the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    admin::{
        Inner,
        admission::Ends,
        errand::BadTerms,
        orders,
        problem::{Problem, Refusal, Usage},
        routes,
        rows::{Row, printable},
    },
    callers::Caller,
    guard::{Cancels, Cause, Guards, KillReport, Killed, NotReleased, Swept, Uncancelled},
};

/// Which way the switch is to be turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Kill,
    Release,
}

/// How the switch stands after an order, and what became of working orders if they were to be cancelled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SwitchReport {
    kill: KillReport,
    swept: Option<Swept>,
}

impl Turn {
    /// What `path` stands for.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/guards/kill" => Some(Self::Kill),
            "/guards/release" => Some(Self::Release),
            _ => None,
        }
    }

    /// What it does, in logs.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Kill => "switch everything off",
            Self::Release => "take the kill switch back",
        }
    }

    /// How it is given, for whoever gave it otherwise.
    fn usage(self) -> Usage {
        let give = match self {
            Self::Kill => "run `tradovate-proxy kill`",
            Self::Release => "run `tradovate-proxy release`",
        };
        Usage {
            give,
            look: "/status shows how the kill switch stands without turning it",
            terms: self.terms(),
        }
    }

    fn terms(self) -> &'static str {
        match self {
            Self::Kill => {
                "at most one term, as a query or as a JSON body: cancel=working (cancels all working orders, protective \
                 stops among them)"
            }
            Self::Release => "this order takes no terms: send no query and no body",
        }
    }

    /// Whether its words want working orders cancelled.
    fn cancels(self, query: Option<&str>, body: &[u8]) -> Result<Cancels, BadTerms> {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let mut terms = query
            .map(
                |(name, value)| {
                    if name == "cancel" { Ok(value.into_owned()) } else { Err(BadTerms::Unknown) }
                },
            )
            .collect::<Result<Vec<_>, _>>()?;
        if !body.is_empty() {
            let body: Terms = serde_json::from_slice(body).map_err(|_| BadTerms::Body)?;
            terms.extend(body.cancel);
        }
        match (self, &*terms) {
            (_, []) => Ok(Cancels::AsSet),
            (Self::Kill, [word]) if word == "working" => Ok(Cancels::Working),
            (Self::Kill | Self::Release, [_]) => Err(BadTerms::Unknown),
            (_, _) => Err(BadTerms::Several),
        }
    }
}

/// All terms that a body may have. A derived reader refuses others, and the same one twice.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Terms {
    cancel: Option<String>,
}

/// The answer to an order of `caller`'s to turn the switch: how it then stands, or why it was not turned.
pub(super) async fn answer(
    admin: &Inner,
    ends: &Ends,
    caller: &Caller,
    turn: Turn,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let cancels = match orders::received(ends, caller, request).await {
        Ok((query, body)) => turn.cancels(query.as_deref(), &body).map_err(Refusal::from),
        Err(refusal) => Err(refusal),
    };
    let cancels = match cancels {
        Ok(cancels) => cancels,
        Err(refusal) => return refuse(turn, &refusal),
    };
    let guards = Arc::clone(&admin.guards);
    tracing::warn!(%caller, peer = %ends.peer, "an operator orders to {}", turn.what());
    // A task of its own, since whoever asked may go before it is done.
    let turned = tokio::spawn(async move {
        match turn {
            Turn::Kill => kill(&guards, cancels).await,
            Turn::Release => guards.release().await.map(|()| None).map_err(|error| unreleased(&error)),
        }
    });
    match turned.await {
        Ok(Ok(swept)) => routes::json(&SwitchReport { kill: admin.guards.kill_report(), swept }),
        Ok(Err(problem)) => problem.response(),
        Err(_) => ended().response(),
    }
}

async fn kill(guards: &Guards, cancels: Cancels) -> Result<Option<Swept>, Problem> {
    let Killed { unkept, swept } = guards.kill(Cause::Operator, cancels).await;
    match unkept {
        None => Ok(swept),
        // Not 200: that is the word that it outlives the process. What became of working orders is told all the same, as
        // a `SwitchReport` has it.
        Some(trouble) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "kill-not-kept",
            format!("the kill switch is on, but would be off after a restart: {trouble}"),
            "keep the proxy running, mend the state directory, and kill again; or stop the proxy: then nothing passes"
                .to_owned(),
        )
        .with("kill", json!(guards.kill_report()))
        .with("swept", json!(swept))),
    }
}

fn unreleased(error: &NotReleased) -> Problem {
    let (status, code, help) = match error {
        NotReleased::File(cause) => (StatusCode::CONFLICT, "kill-file", cause.help()),
        NotReleased::Sweeping => (
            StatusCode::CONFLICT,
            "still-cancelling",
            "wait for the answer to the kill, some three minutes at the most for each, and release again",
        ),
        NotReleased::Again => (
            StatusCode::CONFLICT,
            "killed-again",
            "find out who switched it on again, and why; then release again",
        ),
        NotReleased::Marker(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "marker-not-removed",
            "see to it that the proxy may write to its state directory, and release again",
        ),
    };
    Problem::new(status, code, error.to_string(), help.to_owned())
}

fn ended() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "failed",
        "the order was begun, and did not come to its end".to_owned(),
        "/status says how the kill switch stands; the log has the cause".to_owned(),
    )
}

fn refuse(turn: Turn, refusal: &Refusal) -> Response<Full<Bytes>> {
    orders::note(refusal, &turn.what());
    // Only the session declines, so no instant has to be shown.
    refusal.problem(turn.usage(), jiff::Timestamp::UNIX_EPOCH, |at| at).response()
}

impl SwitchReport {
    /// In words. What could forge a line of a terminal is taken out.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = vec![("kill switch", self.kill.line())];
        if let Some(swept) = &self.swept {
            rows.push(("cancelled", listed(&swept.cancelled)));
            rows.push(("refused", with_reasons(&swept.refused)));
            rows.push(("unknown", listed(&swept.unknown)));
            rows.push(("not sent", with_reasons(&swept.not_sent)));
            let left = swept.still_working.as_deref().map_or_else(|| "not known".to_owned(), listed);
            rows.push(("still working", left));
            rows.extend(swept.trouble.clone().map(|trouble| ("trouble", trouble)));
        } else if self.kill.engaged {
            rows.push(("working orders", "not cancelled: `kill --cancel-working` cancels them".to_owned()));
        }
        printable(rows)
    }

    /// Whether everything was done that was asked for.
    pub fn is_complete(&self) -> bool {
        self.swept.as_ref().is_none_or(Swept::is_complete)
    }
}

fn listed(orders: &[i64]) -> String {
    words(orders.iter().map(ToString::to_string))
}

/// Orders that share a reason, before it.
fn with_reasons(uncancelled: &[Uncancelled]) -> String {
    let alike = uncancelled.chunk_by(|one, next| one.why == next.why);
    words(alike.map(|alike| {
        let orders: Vec<_> = alike.iter().map(|one| one.order).collect();
        format!("{} ({})", listed(&orders), alike[0].why)
    }))
}

fn words(words: impl Iterator<Item = String>) -> String {
    let words: Vec<_> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_order_are_taken_strictly() {
        use BadTerms as Bad;
        let (kill, release) = (Turn::Kill, Turn::Release);
        for (turn, query, body, expected) in [
            (kill, "", "", Ok(Cancels::AsSet)),
            (kill, "", "{}", Ok(Cancels::AsSet)),
            (kill, "cancel=working", "", Ok(Cancels::Working)),
            (kill, "", r#"{"cancel":"working"}"#, Ok(Cancels::Working)),
            (release, "", "", Ok(Cancels::AsSet)),
            (kill, "cancel=all", "", Err(Bad::Unknown)),
            (kill, "cancel", "", Err(Bad::Unknown)),
            (kill, "Cancel=working", "", Err(Bad::Unknown)),
            (kill, "cancel=working&cancel=working", "", Err(Bad::Several)),
            (kill, "cancel=working", r#"{"cancel":"working"}"#, Err(Bad::Several)),
            (kill, "", r#"{"cancel":true}"#, Err(Bad::Body)),
            (kill, "", r#"{"cancle":"working"}"#, Err(Bad::Body)),
            (kill, "", "[]x", Err(Bad::Body)),
            (release, "cancel=working", "", Err(Bad::Unknown)),
        ] {
            let query = (!query.is_empty()).then_some(query);
            assert_eq!(turn.cancels(query, body.as_bytes()), expected, "{turn:?} {query:?} {body:?}");
        }
    }
}
