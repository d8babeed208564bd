//! What a login or renewal answers.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::sandbox::{
    book::{
        instant_text,
        library::{USER_ID, USER_NAME},
    },
    rules::{ApiHosts, GrantFields, Rules},
    sessions::Grant,
};

/// As `accesstokenrequest` and `renewaccesstoken` answer it.
pub(crate) fn session_json(grant: &Grant, rules: &Rules, authority: &str) -> Value {
    let mut body = json!({
        "accessToken": grant.access,
        "expirationTime": instant_text(grant.expires_at),
        "userStatus": "Active",
        "userId": USER_ID,
        "name": USER_NAME,
        "hasLive": true,
    });
    if let (GrantFields::Full, Value::Object(fields)) = (rules.grant_fields, &mut body) {
        fields.insert("mdAccessToken".to_owned(), Value::from(grant.md.as_str()));
        fields.insert("passwordExpirationTime".to_owned(), Value::from("2099-01-01T00:00:00.000Z"));
        for (name, value) in [
            ("outdatedTaC", false),
            ("hasFunded", true),
            ("hasMarketData", true),
            ("hasSimPlus", false),
            ("showKIDs", false),
            ("outdatedLiquidationPolicy", false),
        ] {
            fields.insert(name.to_owned(), Value::Bool(value));
        }
    }
    with_hosts(body, rules, authority)
}

/// As `oauthtoken` answers it. Tradovate: other names, and seconds in place of an instant.
pub(crate) fn oauth_json(
    grant: &Grant,
    refresh: &str,
    now: Timestamp,
    rules: &Rules,
    authority: &str,
) -> Value {
    let body = json!({
        "access_token": grant.access,
        "token_type": "Bearer",
        "expires_in": grant.expires_at.duration_since(now).as_secs(),
        "refresh_token": refresh,
        "refresh_token_expires_in": rules.refresh_token_life.as_secs(),
        "id_token": "SIM.id.token",
    });
    with_hosts(body, rules, authority)
}

fn with_hosts(mut body: Value, rules: &Rules, authority: &str) -> Value {
    let hosts = match &rules.api_hosts {
        ApiHosts::Absent => return body,
        ApiHosts::Own => {
            let own = rules.home_host.as_deref().unwrap_or(authority);
            public_hosts().into_iter().map(|(key, _)| (key, own.into())).collect()
        }
        ApiHosts::Public => public_hosts(),
        ApiHosts::Override(hosts) => {
            let mut all = public_hosts();
            all.extend(hosts.iter().map(|(key, host)| (key.clone(), Value::from(host.as_str()))));
            all
        }
    };
    if let Value::Object(fields) = &mut body {
        fields.insert("apiHosts".to_owned(), Value::Object(hosts));
    }
    body
}

fn public_hosts() -> Map<String, Value> {
    let hosts = [
        ("live", "live.tradovateapi.com"),
        ("demo", "demo.tradovateapi.com"),
        ("mdLive", "md.tradovateapi.com"),
        ("mdDemo", "md-demo.tradovateapi.com"),
        ("replay", "replay.tradovateapi.com"),
        ("reportingLive", "rpt-live.tradovateapi.com"),
        ("reportingDemo", "rpt-demo.tradovateapi.com"),
        ("riskMonitorLive", "risk-monitor-api-live.ninjatrader.com"),
        ("riskMonitorDemo", "risk-monitor-api-demo.ninjatrader.com"),
        ("userContext", "user-context-api.ninjatrader.com"),
    ];
    hosts.into_iter().map(|(key, host)| (key.to_owned(), Value::from(host))).collect()
}
