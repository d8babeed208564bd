//! The end of a part. That it ends the program, too, is tested with a whole process.

use std::{future, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

use super::*;
use crate::{
    cli::Exit,
    config::{Environment, Flags, Purpose},
    guard::Marker,
};

#[tokio::test]
async fn a_session_task_that_ends_is_an_error_and_not_a_silence() {
    let environment: Environment = [
        ("TRADOVATE_NAME", "somebody"),
        ("TRADOVATE_PASSWORD", "canary-password"),
        ("TRADOVATE_APP_ID", "app"),
        ("TRADOVATE_CID", "1"),
        ("TRADOVATE_SEC", "canary-sec"),
        ("TRADOVATE_DEVICE_ID", "00000000-0000-4000-8000-000000000001"),
        // Nobody listens there: the first attempt fails, and when to repeat it is worked out.
        ("TRADOVATE_PROXY_UPSTREAM_URL", "http://127.0.0.1:1"),
        ("TRADOVATE_PROXY_LISTEN", "127.0.0.1:0"),
        ("TRADOVATE_PROXY_ADMIN_LISTEN", "127.0.0.1:0"),
        ("TRADOVATE_PROXY_WORKERS", "1"),
    ]
    .into_iter()
    .collect();
    let config = Config::load(Purpose::Serve, &Flags::default(), &environment).unwrap();
    // At the end of time there is no later instant, and to ask for one is a panic: a defect that can be had at will.
    let clock = Clock::simulated(Timestamp::MAX);
    let source = Source::new(&config, &clock).unwrap();
    let (vault, marker) = (Vault::Memory, Marker::Nowhere);
    let seat = Seat { environment: "demo", source, vault, marker, clock, audit: None };
    let app = App::bind(&config, seat).await.unwrap();
    let ended = timeout(Duration::from_secs(20), app.run(future::pending())).await.expect("an end");
    let error = ended.unwrap_err();
    assert!(matches!(error, AppError::Ended { part: "session" }), "{error:?}");
    assert_eq!(error.exit(), Exit::Failure);
    assert!(error.to_string().contains("the session task ended by itself"), "{error}");
}
