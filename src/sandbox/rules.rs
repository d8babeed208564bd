//! What the simulated broker allows, and how it answers where the real one is known to vary.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Everything that a test may want to be different. The defaults are what is known of the real API.
///
/// In JSON the names are those of the fields, durations being whole seconds with `_seconds` at the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// How long a token lives. Tradovate: 80 minutes today, 90 on older pages.
    #[serde(rename = "token_life_seconds", with = "whole_seconds")]
    pub token_life: Duration,
    /// How long an OAuth refresh token lives. Tradovate: 26 hours, measured.
    #[serde(rename = "refresh_token_life_seconds", with = "whole_seconds")]
    pub refresh_token_life: Duration,
    /// Sessions of one user at once; one more closes the oldest.
    pub max_sessions: usize,
    /// How the token of a closed session is answered.
    pub evicted_answer: EvictedAnswer,
    /// Failed logins in an hour after which logging in is locked.
    pub login_failures: usize,
    /// How long the lock lasts.
    #[serde(rename = "lock_seconds", with = "whole_seconds")]
    pub lock: Duration,
    /// What a login gets while it is locked, right credentials or not.
    pub lock_answer: LockAnswer,
    /// Least time between a failed login and the next; zero turns it off. Tradovate: 15 s.
    #[serde(rename = "login_back_off_seconds", with = "whole_seconds")]
    pub login_back_off: Duration,
    /// Renewals in an hour, successes counted too; `null` for any number.
    pub renewals_per_hour: Option<usize>,
    /// Least time between two renewals; zero turns it off. Tradovate: 15 s.
    #[serde(rename = "renewal_back_off_seconds", with = "whole_seconds")]
    pub renewal_back_off: Duration,
    /// Whether a renewal hands out another token.
    pub renewal_token: RenewalToken,
    /// What becomes of the token that was renewed.
    pub old_token: OldToken,
    /// In which form `auth/oauthtoken` takes its fields.
    pub oauth_body: OAuthBody,
    /// The status of a refusal there. Tradovate: 200, measured; the standard has 400.
    pub oauth_refusal: OAuthRefusal,
    /// How long the other API's tokens live. EdgeTag: two hours.
    #[serde(rename = "edgetag_token_life_seconds", with = "whole_seconds")]
    pub edgetag_token_life: Duration,
    /// Whether the other API's refresh token is another after each use.
    pub edgetag_refresh_token: RenewalToken,
    /// Requests with a good bearer in an hour, above which 429; `null` for any number.
    pub requests_per_hour: Option<usize>,
    /// The `apiHosts` of logins and renewals.
    pub api_hosts: ApiHosts,
    /// The one host, a name without a port, that is right for the user, and that [`ApiHosts::Own`] names; `null` for
    /// any. A request to another is answered 307 (Tradovate: wrong host), but for those that log in or renew: these
    /// are answered at every host, as Tradovate's bootstrap hosts do for users of a dedicated one.
    pub home_host: Option<String>,
    /// How many of the optional fields a login answers.
    pub grant_fields: GrantFields,
    /// Ends of paths, such as `order/placeorder` or `position/`, that the API key has no permission for: an
    /// entity answers 401 without a body, an order 200 with `Access is denied`.
    pub without_permission: Vec<String>,
    /// Whether the market is open for orders.
    pub trading: Trading,
    /// Whether the one account is open.
    pub account: AccountState,
    /// The largest quantity of one order.
    pub max_order_qty: i32,
    /// How many ids `items` takes. Tradovate: above some 10, a 404 without a body.
    pub items_per_request: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            token_life: Duration::from_secs(80 * 60),
            refresh_token_life: Duration::from_secs(26 * 3600),
            max_sessions: 2,
            evicted_answer: EvictedAnswer::Unauthorized,
            login_failures: 5,
            lock: Duration::from_secs(3600),
            lock_answer: LockAnswer::Penalty,
            login_back_off: Duration::ZERO,
            renewals_per_hour: Some(15),
            renewal_back_off: Duration::ZERO,
            renewal_token: RenewalToken::New,
            old_token: OldToken::Lives,
            oauth_body: OAuthBody::Form,
            oauth_refusal: OAuthRefusal::Ok,
            edgetag_token_life: Duration::from_secs(2 * 3600),
            edgetag_refresh_token: RenewalToken::Same,
            requests_per_hour: Some(5_000),
            api_hosts: ApiHosts::Own,
            home_host: None,
            grant_fields: GrantFields::Full,
            without_permission: Vec::new(),
            trading: Trading::Open,
            account: AccountState::Open,
            max_order_qty: 1_000,
            items_per_request: 10,
        }
    }
}

impl Rules {
    /// These rules with the fields of `patch` replaced. An unknown field, or a value of the wrong type, is an
    /// error and changes nothing.
    pub fn patched(&self, patch: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut whole = serde_json::to_value(self)?;
        if let Value::Object(fields) = &mut whole {
            fields.extend(patch);
        }
        serde_json::from_value(whole)
    }
}

/// How the token of a closed session is answered. Tradovate: officially 408, 429 or 5xx; clients report 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u16")]
pub enum EvictedAnswer {
    /// 401 `Access is denied`.
    Unauthorized,
    /// 408, empty.
    RequestTimeout,
    /// 429, empty.
    TooManyRequests,
    /// 500 with an error id.
    InternalServerError,
}

impl From<EvictedAnswer> for u16 {
    fn from(answer: EvictedAnswer) -> Self {
        match answer {
            EvictedAnswer::Unauthorized => 401,
            EvictedAnswer::RequestTimeout => 408,
            EvictedAnswer::TooManyRequests => 429,
            EvictedAnswer::InternalServerError => 500,
        }
    }
}

impl TryFrom<u16> for EvictedAnswer {
    type Error = &'static str;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        match status {
            401 => Ok(Self::Unauthorized),
            408 => Ok(Self::RequestTimeout),
            429 => Ok(Self::TooManyRequests),
            500 => Ok(Self::InternalServerError),
            _ => Err("the token of a closed session is answered with 401, 408, 429 or 500"),
        }
    }
}

/// What a login gets while it is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockAnswer {
    /// 200 with a ticket and `p-captcha`.
    Penalty,
    /// 200 with the text of a wrong password, even when it is right.
    Password,
    /// 423, empty.
    Locked,
}

/// Whether a renewal hands out another token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RenewalToken {
    /// Another one.
    New,
    /// The same, with a later expiry.
    Same,
}

/// In which form `auth/oauthtoken` takes its fields. Tradovate: the official example sends a form; that JSON is taken
/// too is said by some, and denied by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OAuthBody {
    /// A form, and nothing else.
    Form,
    /// A form or JSON.
    Any,
}

/// The status of a refusal at `auth/oauthtoken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OAuthRefusal {
    /// 200.
    Ok,
    /// 400, and 401 to a client that is not known (RFC 6749 §5.2).
    Standard,
}

/// What becomes of a token once a renewal has handed out another. Tradovate: stated nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OldToken {
    /// It is good until its own expiry.
    Lives,
    /// It is refused from then on.
    Dies,
}

/// The `apiHosts` of logins and renewals.
///
/// The real ones only where that is asked for: a client that follows them leaves the sandbox, and would send its
/// next order to the real broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApiHosts {
    /// Every key leads back to the sandbox: to [`Rules::home_host`] if there is one, else to the address of its TLS
    /// listener if it has one, else of the plain one. An address comes with a port, which the real values never
    /// have; without it no client could follow it.
    Own,
    /// No such field.
    Absent,
    /// The public hosts of the real API.
    Public,
    /// The public hosts, with these in place of those of the same key.
    Override(BTreeMap<String, String>),
}

/// How many of the optional fields a login answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantFields {
    /// All that were ever documented or seen.
    Full,
    /// The least that a client must accept.
    Minimal,
}

/// Whether the market is open for orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trading {
    /// Orders are taken.
    Open,
    /// Orders are refused with `SessionClosed`.
    Closed,
}

/// Whether the account is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Orders are taken.
    Open,
    /// Orders are refused with `AccountClosed`.
    Closed,
}

mod whole_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
        duration.as_secs().serialize(out)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patch(value: &Value) -> Result<Rules, serde_json::Error> {
        Rules::default().patched(value.as_object().unwrap().clone())
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let rules = patch(&json!({
            "token_life_seconds": 60,
            "evicted_answer": 429,
            "renewals_per_hour": null,
            "api_hosts": {"override": {"demo": "demo-eval-7.tradovateapi.com"}},
        }))
        .unwrap();
        let expected = Rules {
            token_life: Duration::from_secs(60),
            evicted_answer: EvictedAnswer::TooManyRequests,
            renewals_per_hour: None,
            api_hosts: ApiHosts::Override(BTreeMap::from([(
                "demo".to_owned(),
                "demo-eval-7.tradovateapi.com".to_owned(),
            )])),
            ..Rules::default()
        };
        assert_eq!(rules, expected);
    }

    #[test]
    fn a_misspelt_field_or_an_impossible_value_is_refused() {
        for bad in [json!({"token_life": 60}), json!({"evicted_answer": 404}), json!({"old_token": "sleeps"})]
        {
            assert!(patch(&bad).is_err(), "{bad}");
        }
    }
}
