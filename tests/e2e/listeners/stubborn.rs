//! Peers that do not shake hands.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{
    client::{Client, End, write},
    door::{Door, Entrance},
    stage::{Stage, Way},
    within,
};

const HANDSHAKES: &str = "tradovate_proxy_downstream_handshakes_total";
/// What a `ClientHello` of 512 bytes begins with (RFC 8446 §5.1).
const BEGINNING: [u8; 5] = [22, 3, 1, 2, 0];

#[tokio::test]
async fn plain_http_is_told_to_speak_tls_and_nothing_of_it_is_read() {
    let entrance = Entrance::by(Door::Tls);
    let stage = Stage::with(Way::Plain, |setup| entrance.fit(setup)).await;
    let mut client = stage.client().await;
    client.send(write("GET /v1/account/list", "")).await;
    let answer = client.answer().await;
    assert_eq!((answer.status(), answer.outcome()), (400, Some("not-sent")));
    assert!(answer.text().contains("https://"), "{}", answer.text());
    assert_eq!(client.end().await, End::Closed);
    drop(client);
    stage.proxy.shows(HANDSHAKES, &[("result", "plain-http")], 1.0).await;
    assert!(stage.seen().is_empty());
}

#[tokio::test]
async fn stalled_handshakes_hold_up_nobody_and_end() {
    let entrance = Entrance::by(Door::Tls);
    let stage = Stage::with(Way::Plain, |setup| {
        entrance.fit(setup).with("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "2s")
    })
    .await;
    let mut stalled = Vec::new();
    for said in [&[] as &[u8], &BEGINNING].repeat(50) {
        let mut stream = TcpStream::connect(stage.proxy.address).await.unwrap();
        stream.write_all(said).await.unwrap();
        stalled.push(stream);
    }
    // On the one worker that all of them are on.
    let mut client = entrance.enter(&stage.proxy).await;
    for _ in 0..20 {
        assert_eq!(client.ask("GET /v1/account/list", "").await.status(), 200);
    }
    stage.proxy.shows(HANDSHAKES, &[("result", "slow")], 100.0).await;
    for mut stream in stalled {
        let end = within("a stalled handshake to end", stream.read(&mut [0])).await;
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    assert_eq!(client.ask("GET /v1/account/list", "").await.status(), 200);
}

#[tokio::test]
async fn a_drain_does_not_wait_for_a_handshake() {
    let entrance = Entrance::by(Door::Tls);
    let stage = Stage::with(Way::Plain, |setup| {
        entrance
            .fit(setup)
            .with("TRADOVATE_PROXY_TIMEOUT_REQUEST_HEAD", "1h")
            .with("TRADOVATE_PROXY_DRAIN_TIMEOUT", "1h")
    })
    .await;
    let mut silent = Client::connect(stage.proxy.address).await;
    silent.send(BEGINNING).await;
    // Behind it in the queue, so that the silent one has been accepted.
    assert_eq!(entrance.enter(&stage.proxy).await.ask("GET /v1/account/list", "").await.status(), 200);
    tokio::time::timeout(Duration::from_secs(20), stage.proxy.stop()).await.unwrap();
    silent.breaks_off().await;
}
