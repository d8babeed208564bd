//! Requests and answers pass as they are.

use crate::support::stage::{Stage, Way};

#[tokio::test]
async fn it_answers() {
    for way in Way::ALL {
        let stage = Stage::by(way).await;
        let answer = stage.ask("GET /v1/account/list", "").await;
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
}
