//! What operators, scrapers and probes see, from the first moment to the last.

use std::time::Duration;

use tradovate_proxy::{
    auth::State,
    sandbox::{Action, CREDENTIALS, Fault},
};

use crate::support::{
    RawUpstream, Setup,
    client::{TOKEN, write},
    stage::{ORDER, Stage},
    upstream::{raw, raw_with},
};

/// The names and labels that dashboards rely on.
const CONTRACT: &[(&str, &[&str])] = &[
    ("tradovate_proxy_requests_total", &["caller", "effect", "operation", "outcome", "status"]),
    ("tradovate_proxy_request_duration_seconds_bucket", &["effect", "le"]),
    ("tradovate_proxy_request_duration_seconds_sum", &["effect"]),
    ("tradovate_proxy_request_duration_seconds_count", &["effect"]),
    ("tradovate_proxy_upstream_duration_seconds_bucket", &["effect", "le"]),
    ("tradovate_proxy_upstream_duration_seconds_sum", &["effect"]),
    ("tradovate_proxy_upstream_duration_seconds_count", &["effect"]),
    ("tradovate_proxy_added_latency_seconds_bucket", &["le"]),
    ("tradovate_proxy_added_latency_seconds_sum", &[]),
    ("tradovate_proxy_added_latency_seconds_count", &[]),
    ("tradovate_proxy_requests_in_flight", &[]),
    ("tradovate_proxy_buffered_bytes", &[]),
    ("tradovate_proxy_downstream_connections", &[]),
    ("tradovate_proxy_panics_total", &[]),
    ("tradovate_proxy_strangers_total", &["listener", "reason"]),
    ("tradovate_proxy_session_state", &["state"]),
    ("tradovate_proxy_token_expiry_timestamp_seconds", &[]),
    ("tradovate_proxy_token_generation", &[]),
    ("tradovate_proxy_session_attempts_total", &["call", "result"]),
    ("tradovate_proxy_upstream_connections", &["state"]),
    ("tradovate_proxy_build_info", &["version"]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_open_fds", &[]),
    ("process_start_time_seconds", &[]),
];

#[tokio::test]
async fn every_metric_of_the_contract_is_there() {
    let stage = Stage::new().await;
    assert_eq!(stage.ask("GET /v1/account/list", "").await.status(), 200);
    stage.proxy.counts(&[("operation", "account-list")], 1.0).await;
    let metrics = stage.proxy.metrics().await;
    for (name, labels) in CONTRACT {
        assert_eq!(metrics.labels(name).as_deref(), Some(*labels), "{name} in {:?}", metrics.names());
    }
    let labels =
        [("operation", "account-list"), ("effect", "read"), ("status", "200"), ("outcome", "answered")];
    assert_eq!(metrics.only("tradovate_proxy_requests_total", &labels), Some(1.0));
    for name in ["request_duration_seconds", "upstream_duration_seconds"] {
        let count = metrics.only(&format!("tradovate_proxy_{name}_count"), &[("effect", "read")]);
        assert_eq!(count, Some(1.0), "{name}");
    }
    assert_eq!(metrics.only("tradovate_proxy_added_latency_seconds_count", &[]), Some(1.0));
    let expiry = metrics.only("tradovate_proxy_token_expiry_timestamp_seconds", &[]).unwrap();
    let stated = stage.proxy.session.last().unwrap().expires_at.as_second();
    assert_eq!(expiry.floor().to_string(), stated.to_string());
}

#[tokio::test]
async fn no_path_makes_a_series_of_its_own() {
    let stage = Stage::new().await;
    let scraped = async |times: u32, total: f64| {
        for n in 0..times {
            let random = format!("{total}-{n}");
            for (line, status) in [
                (format!("GET /v1/{random}/list"), 404),
                (format!("POST /v1/account/{random}?x={random}"), 404),
                (format!("GET /{random}"), 404),
                (format!("GET /v1/auth/{random}"), 403),
                (format!("GET /v1/{random}/../x"), 400),
                (format!("{} /v1/account/list", "X".repeat(usize::try_from(n).unwrap() + 1)), 405),
            ] {
                assert_eq!(stage.ask(&line, "").await.status(), status, "{line}");
            }
        }
        stage.proxy.counts(&[], total).await;
        stage.proxy.metrics().await
    };
    let before = scraped(1, 6.0).await;
    let after = scraped(10, 66.0).await;
    assert_eq!(before.len(), after.len());
    let other = [("operation", "other"), ("effect", "order"), ("status", "404"), ("outcome", "answered")];
    assert_eq!(after.only("tradovate_proxy_requests_total", &other), Some(22.0));
}

#[tokio::test]
async fn what_is_under_way_is_counted_while_it_is() {
    let (mut upstream, proxy) = raw().await;
    let connections = |state| [("state", state)];
    let mut client = proxy.client().await;
    client.send(write("POST /v1/order/placeorder", ORDER)).await;
    let request = upstream.request().await;
    let metrics = proxy.metrics().await;
    assert_eq!(metrics.only("tradovate_proxy_requests_in_flight", &[]), Some(1.0));
    let active = metrics.only("tradovate_proxy_upstream_connections", &connections("active"));
    assert_eq!(active, Some(1.0));
    request.ok("{}").await;
    client.answer().await;
    proxy.shows("tradovate_proxy_requests_in_flight", &[], 0.0).await;
    proxy.shows("tradovate_proxy_upstream_connections", &connections("idle"), 1.0).await;
    proxy.shows("tradovate_proxy_upstream_connections", &connections("active"), 0.0).await;
}

#[tokio::test]
async fn whatever_is_refused_is_counted_by_what_it_was() {
    let (_upstream, proxy) = raw_with(|setup| setup.with("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "1")).await;
    let mut client = proxy.client().await;
    assert_eq!(client.ask("GET /metrics", "").await.status(), 404);
    proxy.counts(&[("operation", "other"), ("status", "404"), ("outcome", "refused")], 1.0).await;
    assert_eq!(proxy.client().await.answer().await.status(), 503);
    proxy.counts(&[("operation", "other"), ("status", "503"), ("outcome", "overloaded")], 1.0).await;
}

#[tokio::test]
async fn probes_and_status_follow_the_session_through_its_life() {
    let upstream = RawUpstream::start().await;
    upstream.answers_session_calls(false);
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = setup.with("TRADOVATE_PROXY_TIMEOUT_TOKEN", "50ms").start().await;
    let look = async || {
        assert_eq!(proxy.admin("/livez").await.status(), 200, "whatever the session does");
        let ready = proxy.admin("/readyz").await;
        let status = proxy.admin("/status").await.json();
        assert_eq!(status["ready"], ready.status() == 200);
        let state = status["session"]["state"].as_str().unwrap().to_owned();
        let metrics = proxy.metrics().await;
        for known in State::ALL.map(State::name) {
            let shown = metrics.only("tradovate_proxy_session_state", &[("state", known)]);
            assert_eq!(shown, Some(f64::from(u8::from(known == state))), "{known} while {state}");
        }
        (ready, status, state)
    };
    proxy.reaches(State::Starting).await;
    let (ready, status, state) = look().await;
    assert_eq!((ready.status(), state.as_str()), (503, "starting"));
    assert!(ready.text().starts_with("not ready: starting"), "{}", ready.text());
    assert_eq!(status["origin"], format!("http://{}", upstream.address));
    assert_eq!(status["session"]["generation"], serde_json::Value::Null);

    upstream.answers_session_calls(true);
    proxy.reaches(State::Live).await;
    let (ready, status, state) = look().await;
    assert_eq!((ready.status(), ready.text(), state.as_str()), (200, "ready\n", "live"));
    let session = &status["session"];
    assert_eq!((&session["generation"], &session["last_attempt"]["result"]), (&1.into(), &"ok".into()));
    assert!(session["seconds_left"].as_i64().is_some_and(|left| (4790..=4800).contains(&left)), "{session}");
    assert_eq!((&session["next"]["call"], &status["environment"]), (&"renew".into(), &"demo".into()));

    upstream.answers_session_calls(false);
    upstream.clock.advance(Duration::from_secs(81 * 60)).unwrap();
    proxy.reaches(State::Lapsed).await;
    let (ready, status, state) = look().await;
    assert_eq!((ready.status(), state.as_str()), (503, "lapsed"));
    assert!(ready.header("retry-after").is_some());
    assert!(status["session"]["seconds_left"].as_i64().is_some_and(|left| left < 0), "{status}");
    assert_eq!(proxy.admin("/elsewhere").await.status(), 404);
}

#[tokio::test]
async fn no_admin_answer_holds_a_secret() {
    let stage = Stage::new().await;
    stage.ask("GET /v1/account/list", "").await;
    stage.control().inject(Fault::next("renewaccesstoken", Action::GarbageJson));
    stage.clock.advance(Duration::from_secs(66 * 60)).unwrap();
    stage.proxy.reaches(State::Overdue).await;
    for path in ["/metrics", "/status", "/readyz", "/livez", "/"] {
        let answer = stage.proxy.admin(path).await;
        for secret in [TOKEN, CREDENTIALS.password, CREDENTIALS.sec] {
            assert!(!answer.text().contains(secret), "{path}");
        }
    }
}
