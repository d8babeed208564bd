//! Unix sockets.

use std::{fs, os::unix::fs::MetadataExt as _};

use tokio::net::UnixStream;

use crate::support::{
    Client,
    door::{Door, Entrance},
    stage::{Stage, Way},
};

#[tokio::test]
async fn a_port_and_a_socket_lead_to_the_same_proxy_and_the_file_goes_with_it() {
    let entrance = Entrance::by(Door::Unix);
    let stage = Stage::with(Way::Plain, |setup| entrance.fit(setup)).await;
    let file = fs::metadata(entrance.socket()).unwrap();
    assert_eq!(file.mode() & 0o7777, 0o600);
    for mut client in [stage.client().await, entrance.enter(&stage.proxy).await] {
        assert_eq!(client.ask("GET /v1/account/list", "").await.status(), 200);
    }
    let status = stage.proxy.admin("/status").await.json();
    let listen = format!("{},unix:{}", stage.proxy.address, entrance.socket().display());
    assert_eq!(status["listen"], listen);
    stage.proxy.stop().await;
    assert!(!entrance.socket().exists());
}

#[tokio::test]
async fn operators_come_by_a_socket_too() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    let listen = format!("127.0.0.1:0,unix:{}", socket.display());
    let _stage = Stage::with(Way::Plain, |setup| setup.with("TRADOVATE_PROXY_ADMIN_LISTEN", &listen)).await;
    let mut operator = Client::over(UnixStream::connect(&socket).await.unwrap());
    assert_eq!(operator.ask("GET /readyz", "").await.status(), 200);
    // An order: who comes by a socket is on this machine.
    assert_eq!(operator.ask("POST /session/pause", "").await.status(), 200);
    assert_eq!(operator.ask("GET /readyz", "").await.status(), 503);
}

#[tokio::test]
async fn a_connection_above_the_limit_is_told_so() {
    let entrance = Entrance::by(Door::Unix);
    let stage =
        Stage::with(Way::Plain, |setup| entrance.fit(setup).with("TRADOVATE_PROXY_LIMIT_CONNECTIONS", "1"))
            .await;
    let mut first = entrance.enter(&stage.proxy).await;
    assert_eq!(first.ask("GET /v1/account/list", "").await.status(), 200);
    let answer = entrance.enter(&stage.proxy).await.answer().await;
    assert_eq!((answer.status(), answer.problem().as_str()), (503, "too-many-connections"));
}
