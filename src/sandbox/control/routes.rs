//! The control API over HTTP. Its routes are listed in [`crate::sandbox`].

use std::time::Duration;

use http::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::sandbox::{
    api::call,
    book::library::Contract,
    control::{Control, faults::Fault},
};

/// What is told to a caller of the control API.
pub(crate) enum Told {
    /// JSON.
    Json(StatusCode, Value),
    /// Plain text.
    Text(String),
    /// So many bytes of filling.
    Filling(u64),
}

/// Answers a request to `path`, which is what follows `/sandbox`.
pub(crate) fn answer(
    control: &Control,
    ca_pem: &str,
    (method, path, query): (&Method, &str, &str),
    body: &[u8],
) -> Told {
    let told = match (method.as_str(), path.trim_matches('/')) {
        ("GET", "") => Ok(Told::Text(ROUTES.to_owned())),
        ("GET", "ca") => Ok(Told::Text(ca_pem.to_owned())),
        ("GET", "clock") => Ok(ok(json!({"now": control.now()}))),
        ("POST", "clock/advance") => parsed(body).and_then(|advance| advanced(control, &advance)),
        ("GET", "rules") => Ok(ok(control.rules())),
        ("POST" | "PATCH", "rules") => parsed(body).and_then(|patch| patched(control, patch)),
        ("GET", "faults") => Ok(ok(control.faults())),
        ("POST", "faults") => parsed(body).and_then(|fault| injected(control, fault)),
        ("DELETE", "faults") => {
            control.clear_faults();
            Ok(done())
        }
        ("GET", "requests") => Ok(requests(control, query)),
        ("DELETE", "requests") => {
            control.forget_requests();
            Ok(done())
        }
        ("GET", "tally") => Ok(ok(control.tally())),
        ("GET", "sessions") => Ok(ok(control.sessions())),
        ("POST", "sessions") => {
            // The token stays unknown: whoever opened the session elsewhere has it.
            let _ = control.log_in_elsewhere();
            Ok(ok(control.sessions()))
        }
        ("POST", "sessions/evict") => {
            parsed_or_default(body).map(|Evict { session }| ok(json!({"evicted": control.evict(session)})))
        }
        ("POST", "refresh-tokens") => Ok(minted(&control.mint_refresh_token())),
        ("POST", "edgetag/refresh-tokens") => Ok(minted(&control.mint_edgetag_refresh_token())),
        ("GET", "market") => Ok(ok(market(control))),
        ("POST", "market") => parsed(body).and_then(|price| moved(control, &price)),
        ("POST", "reset") => {
            control.reset();
            Ok(done())
        }
        ("GET" | "HEAD", "bytes") => filling(query),
        _ => Err(trouble(StatusCode::NOT_FOUND, "no such route: GET /sandbox lists them")),
    };
    told.unwrap_or_else(|refusal| refusal)
}

fn advanced(control: &Control, advance: &Advance) -> Result<Told, Told> {
    let by = Duration::try_from_secs_f64(advance.seconds).map_err(|error| malformed(&error))?;
    let now = control.advance(by);
    let now = now.ok_or_else(|| {
        trouble(StatusCode::CONFLICT, "this clock is the machine's own, or the step is longer than ten years")
    })?;
    Ok(ok(json!({"now": now})))
}

fn patched(control: &Control, patch: Map<String, Value>) -> Result<Told, Told> {
    control.patch_rules(patch).map(ok).map_err(|error| malformed(&error))
}

fn injected(control: &Control, fault: Fault) -> Result<Told, Told> {
    if let Some(problem) = fault.problem() {
        return Err(trouble(StatusCode::BAD_REQUEST, &problem));
    }
    control.inject(fault);
    Ok(ok(control.faults()))
}

fn requests(control: &Control, query: &str) -> Told {
    let query = call::pairs(query);
    let parameter =
        |name: &str| query.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str());
    let after: u64 = parameter("after").and_then(|after| after.parse().ok()).unwrap_or(0);
    let mut records = control.requests_to(parameter("path").unwrap_or_default());
    records.retain(|record| record.sequence > after);
    ok(records)
}

fn market(control: &Control) -> Map<String, Value> {
    let state = control.shared.lock();
    let price = |contract: &Contract| (contract.symbol.to_owned(), json!(state.book.price(contract)));
    Contract::ALL.iter().map(price).collect()
}

fn moved(control: &Control, price: &Price) -> Result<Told, Told> {
    if control.set_price(&price.symbol, price.price) {
        Ok(ok(market(control)))
    } else {
        Err(trouble(StatusCode::NOT_FOUND, &format!("no contract {:?}", price.symbol)))
    }
}

/// The one answer that tells a secret: the caller asks for one to log in to the sandbox with.
fn minted(refresh: &SecretString) -> Told {
    ok(json!({"refresh_token": refresh.expose_secret()}))
}

fn filling(query: &str) -> Result<Told, Told> {
    let count = call::pairs(query).into_iter().find(|(name, _)| name == "n");
    let count = count.and_then(|(_, count)| count.parse().ok());
    count.map(Told::Filling).ok_or_else(|| trouble(StatusCode::BAD_REQUEST, "n is the number of bytes"))
}

fn ok(body: impl serde::Serialize) -> Told {
    Told::Json(StatusCode::OK, serde_json::to_value(body).unwrap_or_default())
}

fn done() -> Told {
    ok(json!({"ok": true}))
}

fn trouble(status: StatusCode, text: &str) -> Told {
    Told::Json(status, json!({"error": text}))
}

fn malformed(error: &dyn std::error::Error) -> Told {
    trouble(StatusCode::BAD_REQUEST, &error.to_string())
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Told> {
    serde_json::from_slice(body).map_err(|error| malformed(&error))
}

fn parsed_or_default<T: DeserializeOwned + Default>(body: &[u8]) -> Result<T, Told> {
    if body.is_empty() { Ok(T::default()) } else { parsed(body) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Evict {
    #[serde(default)]
    session: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Price {
    symbol: String,
    price: f64,
}

const ROUTES: &str = "\
GET    /sandbox/clock            the broker's time
POST   /sandbox/clock/advance    {\"seconds\": 3600}
GET    /sandbox/rules            the rules in force
PATCH  /sandbox/rules            some of them, to be changed (POST does too)
GET    /sandbox/faults           the faults that wait
POST   /sandbox/faults           {\"path\": \"order/placeorder\", \"action\": \"reset\"}
DELETE /sandbox/faults           forgets them, and ends their delays
GET    /sandbox/requests         every request seen; ?path=<end of path>&after=<sequence>
DELETE /sandbox/requests
GET    /sandbox/tally            how many requests, by what their bearer was worth
GET    /sandbox/sessions         every session opened
POST   /sandbox/sessions         log the user in elsewhere
POST   /sandbox/sessions/evict   {\"session\": 1}, or nothing for the oldest
POST   /sandbox/refresh-tokens   a refresh token for auth/oauthtoken
POST   /sandbox/edgetag/refresh-tokens   one for oauth-app/client/token
GET    /sandbox/market           what each contract trades at
POST   /sandbox/market           {\"symbol\": \"ESZ6\", \"price\": 6740.0}
GET    /sandbox/bytes?n=1000     so many bytes
GET    /sandbox/ca               the certificate to trust for TLS
POST   /sandbox/reset            start over
";
