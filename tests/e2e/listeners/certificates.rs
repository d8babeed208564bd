//! Certificates of callers: who gets in, and who does not.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Client,
    authority::{Authority, Pair, Worth},
    client::write,
    door::{Door, Entrance, tls},
    stage::{Stage, Way},
};

const HANDSHAKES: &str = "tradovate_proxy_downstream_handshakes_total";

#[tokio::test]
async fn only_a_certificate_of_the_authority_gets_in() {
    let entrance = Entrance::by(Door::Mutual);
    let stage = Stage::with(Way::Plain, |setup| entrance.fit(setup)).await;
    let stranger = Authority::new().client("bot.example", Worth::Good);
    let own = |worth| entrance.authority.client("bot.example", worth);
    let refused = [
        ("none", None),
        ("of another authority", Some(stranger)),
        ("expired", Some(own(Worth::Expired))),
        ("of a server", Some(own(Worth::OtherUse))),
    ];
    for (at, (what, certificate)) in refused.iter().enumerate() {
        let error = turned_away(&stage, &entrance, certificate.as_ref()).await;
        // Told, and not just cut off.
        assert!(error.to_string().contains("received fatal alert"), "{what}: {error:?}");
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let count = (at + 1) as f64;
        stage.proxy.shows(HANDSHAKES, &[("result", "failed")], count).await;
    }
    assert!(stage.seen().is_empty(), "nothing of that went further");
    let answer = entrance.enter(&stage.proxy).await.ask("GET /v1/account/list", "").await;
    assert_eq!(answer.status(), 200);
    stage.proxy.shows(HANDSHAKES, &[("result", "done")], 1.0).await;
}

/// The error that a caller with this certificate gets in place of an answer. In TLS 1.3 it is not known before the
/// first read.
async fn turned_away(stage: &Stage, entrance: &Entrance, own: Option<&Pair>) -> io::Error {
    let attempt = async {
        let mut stream = tls(stage.proxy.address, entrance.authority.trusted_by(own)).await?;
        stream.write_all(write("POST /v1/order/placeorder", "{}").as_bytes()).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    attempt.await.unwrap_err()
}

#[tokio::test]
async fn operators_over_tls_show_a_certificate_and_may_then_give_orders() {
    let entrance = Entrance::by(Door::Mutual);
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("admin.sock");
    // The port is for operators of other machines; the tests look in by the socket.
    let listen = format!("127.0.0.1:0,unix:{}", socket.display());
    let (sandbox, clock) = crate::support::stage::broker().await;
    let setup = entrance
        .fit(crate::support::stage::setup(&sandbox, &clock, Way::Plain))
        .with("TRADOVATE_PROXY_ADMIN_LISTEN", &listen)
        .with("TRADOVATE_PROXY_ADMIN_TLS", "yes");
    let proxy = setup.live().await;
    let mut operator = Client::over(tls(proxy.admin, entrance.client_config()).await.unwrap());
    assert_eq!(operator.ask("GET /readyz", "").await.status(), 200);
    assert_eq!(operator.ask("POST /session/pause", "").await.status(), 200);
    let mut local = Client::over(tokio::net::UnixStream::connect(&socket).await.unwrap());
    assert_eq!(local.ask("GET /readyz", "").await.status(), 503);
    let mut plain = Client::connect(proxy.admin).await;
    assert_eq!(plain.ask("GET /readyz", "").await.status(), 400);
}
