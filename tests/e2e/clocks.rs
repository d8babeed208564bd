//! Wall clocks that are set: nothing that the session does may depend on what the machine shows.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::support::{
    Answer,
    stage::{ORDER, Stage},
};

const READ: &str = "GET /v1/account/list";

fn instant(value: &serde_json::Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// An answer's `Date` (RFC 9110 §6.6.1).
fn date(answer: &Answer) -> Timestamp {
    let date = answer.header("date").unwrap();
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).unwrap()
}

#[tokio::test]
async fn a_wall_clock_that_is_set_neither_ends_a_session_nor_opens_one() {
    // A time zone mistaken, there and back; an hour of daylight saving; a leap second.
    let steps = [26 * 3600, -52 * 3600, 26 * 3600, 3600, -3600, 1, -1];
    let stage = Stage::new().await;
    for step in steps {
        let expiry = stage.proxy.session.last().unwrap().expires_at;
        stage.clock.set_wall(SignedDuration::from_secs(step)).unwrap();
        assert_eq!(stage.ask(READ, "").await.status(), 200, "{step}");
        // Nor does it move what was planned: so far less than an hour has passed, and nothing is due.
        stage.clock.advance(Duration::from_secs(450)).unwrap();
        assert_eq!(stage.ask("POST /v1/order/placeorder", ORDER).await.status(), 200, "{step}");
        assert_eq!(stage.proxy.session.last().unwrap().expires_at, expiry, "{step}");
    }
    let control = stage.control();
    assert_eq!(control.requests_to("auth/accesstokenrequest").len(), 1);
    assert_eq!(control.requests_to("auth/renewaccesstoken").len(), 0);
    assert!(stage.seen().iter().all(|record| record.bearer.is_some_and(|bearer| bearer.refused.is_none())));

    stage.clock.advance(Duration::from_secs(15 * 60)).unwrap();
    stage.proxy.reaches_generation(2).await;
    assert_eq!(control.requests_to("auth/accesstokenrequest").len(), 1, "renewed when due, and not replaced");
}

#[tokio::test]
async fn whoever_reads_an_instant_is_told_what_the_wall_clock_will_show() {
    let stage = Stage::new().await;
    let step = SignedDuration::from_hours(-26);
    stage.clock.set_wall(step).unwrap();
    let session = stage.proxy.session.last().unwrap();
    let near = |told: Timestamp, at: Timestamp| {
        let off = told.duration_since(at + step);
        assert!(off.abs() <= SignedDuration::from_secs(2), "{told} is {off} off");
    };

    let status = stage.proxy.admin("/status").await.json();
    near(instant(&status["session"]["expires_at"]), session.expires_at);
    near(instant(&status["session"]["issued_at"]), session.issued_at);
    near(instant(&status["session"]["since"]), session.issued_at);
    near(instant(&status["session"]["last_success"]["at"]), session.issued_at);
    near(instant(&status["session"]["last_attempt"]["at"]), session.issued_at);
    assert!(status["session"]["seconds_left"].as_i64().is_some_and(|left| (4700..=4800).contains(&left)));
    let planned = instant(&status["session"]["next"]["at"]).duration_since(stage.clock.wall());
    assert!(planned < SignedDuration::from_mins(65), "{planned}");

    let login = stage.ask("POST /v1/auth/accesstokenrequest", "{}").await;
    near(date(&login), stage.clock.now());
    near(instant(&login.json()["expirationTime"]), session.expires_at);
    let refused = stage.ask("GET /elsewhere", "").await;
    near(date(&refused), stage.clock.now());
    assert_eq!(refused.status(), 404);
}
