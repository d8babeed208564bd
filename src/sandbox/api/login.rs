//! `auth/accesstokenrequest`, `auth/renewaccesstoken`, `auth/me`.

use std::time::Duration;

use http::{StatusCode, header::AUTHORIZATION};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::{
    api::{call::Call, grants, reply::Reply},
    book::library::{USER_ID, USER_NAME},
    options::CREDENTIALS,
    rules::LockAnswer,
    sessions::{OpenedBy, later},
    state::State,
};

/// The body of a login. Tradovate: only name and password are required, the others decide the outcome.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Login {
    name: String,
    password: String,
    #[serde(default)]
    app_id: Option<String>,
    #[serde(default)]
    cid: Option<Value>,
    #[serde(default)]
    sec: Option<String>,
    #[serde(default, rename = "p-ticket")]
    ticket: Option<String>,
}

/// Opens a session.
pub(crate) fn acquire(state: &mut State, call: &Call<'_>, now: Timestamp) -> Result<Reply, Reply> {
    // Tradovate: a GET without a body is a 400.
    let login: Login = call.json()?;
    let State { sessions, rules, authority, .. } = state;
    if sessions.limits.is_locked(now) {
        match rules.lock_answer {
            LockAnswer::Penalty => {}
            LockAnswer::Password => return Ok(Reply::error_text(WRONG_PASSWORD)),
            LockAnswer::Locked => return Ok(Reply::empty(StatusCode::LOCKED)),
        }
    }
    let ticket = login.ticket.as_deref().map(|ticket| sessions.limits.redeem_ticket(ticket, now));
    match ticket {
        Some(true) => {}
        Some(false) => {
            let penalty = sessions.limits.penalty(later(now, TICKET_WAIT), now, true);
            return Ok(Reply::penalty(&penalty));
        }
        None => {
            if let Some(penalty) = sessions.limits.login_penalty(now, rules) {
                return Ok(Reply::penalty(&penalty));
            }
        }
    }
    if let Err(text) = login.check() {
        sessions.limits.note_login_failure(now, rules);
        return Ok(Reply::error_text(text));
    }
    let grant = sessions.open(OpenedBy::Login, now, rules);
    Ok(Reply::json(&grants::session_json(&grant, rules, authority)))
}

/// Extends the session that the bearer belongs to.
pub(crate) fn renew(state: &mut State, call: &Call<'_>, session: u64, now: Timestamp) -> Reply {
    let State { sessions, rules, authority, .. } = state;
    if let Err(penalty) = sessions.limits.admit_renewal(now, rules) {
        return Reply::penalty(&penalty);
    }
    let bearer = call.headers.get(AUTHORIZATION).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
    let grant = sessions.renew(session, token, now, rules);
    Reply::json(&grants::session_json(&grant, rules, authority))
}

/// Who the bearer belongs to.
pub(crate) fn me() -> Reply {
    Reply::json(&json!({
        "userId": USER_ID,
        "name": USER_NAME,
        "fullName": "Sim Trader",
        "email": "sim.trader@example.invalid",
        "emailVerified": true,
        "isTrial": false,
        "organizationName": "",
        "currentAccountPlan": "Free",
        "currentMDSubs": [],
        "currentBalance": 0.0,
        "activePlugins": ["apiAccess"],
    }))
}

impl Login {
    fn check(&self) -> Result<(), &'static str> {
        // Sent as a number by most, as a string by some; which of them is refused is disputed, so none is.
        let cid = self.cid.as_ref();
        let cid =
            cid.and_then(|cid| cid.as_i64().or_else(|| cid.as_str().and_then(|text| text.parse().ok())));
        let known = self.name == CREDENTIALS.name
            && self.password == CREDENTIALS.password
            // Tradovate: a wrong or missing key is told as a wrong password.
            && cid == Some(CREDENTIALS.cid)
            && self.sec.as_deref() == Some(CREDENTIALS.sec);
        if self.app_id.as_deref() != Some(CREDENTIALS.app_id) {
            Err("The app is not registered")
        } else if known {
            Ok(())
        } else {
            Err(WRONG_PASSWORD)
        }
    }
}

const WRONG_PASSWORD: &str =
    "Incorrect username or password. Please try again, noting that passwords are case-sensitive.";

/// What is told to a ticket that is unknown, used up, or sent back too early.
const TICKET_WAIT: Duration = Duration::from_secs(15);
