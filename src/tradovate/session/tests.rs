//! Real sockets, and a server that answers with the bytes it is told to.

use std::{io, sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::{
    auth::{courier::Timeouts, source::Step},
    tradovate::{Environment, TrustedSuffixes},
};

/// What the server does with one connection.
enum Reply {
    /// This status line and body.
    Json(&'static str, &'static str),
    /// These bytes, then the end.
    Raw(&'static str),
    /// A body without end.
    Endless,
    /// The connection is cut after the request.
    Cut,
    /// Nothing, ever.
    Silence,
}

struct Server {
    origin: Origin,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    /// One connection per reply; further ones are accepted, recorded, and cut.
    async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let reply = replies.next().unwrap_or(Reply::Cut);
                tokio::spawn(serve(stream, reply, sender.clone()));
            }
        });
        Self { origin, requests }
    }

    async fn request(&mut self) -> String {
        self.requests.recv().await.unwrap()
    }

    /// Every request so far.
    fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: Reply,
    requests: mpsc::UnboundedSender<String>,
) -> io::Result<()> {
    let mut request = Vec::new();
    let complete = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        (body.len() >= length.map_or(0, |length| length.parse().unwrap())).then_some(())
    };
    while complete(&request).is_none() {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let _ = requests.send(String::from_utf8(request).unwrap());
    match reply {
        Reply::Json(status, body) => {
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
            let date = "date: Fri, 20 Nov 2026 15:00:00 GMT\r\nconnection: close\r\n\r\n";
            stream.write_all((head + date + body).as_bytes()).await
        }
        Reply::Raw(bytes) => stream.write_all(bytes.as_bytes()).await,
        Reply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        Reply::Cut => Ok(()),
        Reply::Silence => std::future::pending().await,
    }
}

fn client(hosts: Hosts, timeouts: Timeouts) -> SessionClient {
    let credentials = Credentials {
        name: "sim_trader".into(),
        password: "canary-password".into(),
        app_id: "sim-app".into(),
        app_version: "1.0".into(),
        device_id: "device".into(),
        cid: 1,
        sec: "canary-sec".into(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    SessionClient::new(credentials, Api::new(Courier::new(tls, timeouts).unwrap(), hosts))
}

fn at(server: &Server) -> SessionClient {
    client(Hosts::Fixed(server.origin.clone()), Timeouts::default())
}

/// An origin where nobody listens.
async fn nowhere() -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap()).parse().unwrap()
}

fn bearer() -> Bearer {
    Bearer::new(&"SIM-access-0001".into()).unwrap()
}

const GRANT: &str = r#"{"accessToken":"SIM-access-0002","expirationTime":"2026-11-20T16:20:00.000Z",
    "userId":15460,"name":"sim_trader","apiHosts":{"demo":"demo-eval-7.tradovateapi.com"}}"#;

#[tokio::test]
async fn a_login_is_one_post_of_json_without_authorization() {
    let mut server = Server::new([Reply::Json("200 OK", GRANT)]).await;
    let grant = at(&server).acquire(&Means::default()).await.unwrap();
    assert_eq!(grant.token.expose_secret(), "SIM-access-0002");
    assert!(grant.expires_at.is_some() && grant.server_date.is_some());
    assert_eq!(grant.origin, None, "an origin set by the operator stays");
    let request = server.request().await;
    assert!(request.starts_with("POST /v1/auth/accesstokenrequest HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
    assert!(request.contains(r#""cid":1,"#), "{request}");
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn a_renewal_is_one_get_with_the_bearer() {
    let mut server = Server::new([Reply::Json("200 OK", GRANT)]).await;
    at(&server).renew(&Means::default(), &bearer(), &server.origin).await.unwrap();
    let request = server.request().await;
    assert!(request.starts_with("GET /v1/auth/renewaccesstoken HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer SIM-access-0001\r\n"), "{request}");
    assert!(!request.contains("canary"), "no credential in a renewal: {request}");
}

#[tokio::test]
async fn a_penalty_is_answered_with_its_ticket_once() {
    let penalty = || Reply::Json("200 OK", r#"{"p-ticket":"SIM-ticket-0002","p-time":0}"#);
    let mut server = Server::new([penalty(), Reply::Json("200 OK", GRANT)]).await;
    at(&server).acquire(&Means::default()).await.unwrap();
    assert!(!server.request().await.contains("p-ticket"));
    assert!(server.request().await.contains(r#""p-ticket":"SIM-ticket-0002""#));

    let mut server = Server::new([penalty(), penalty()]).await;
    let error = at(&server).acquire(&Means::default()).await.unwrap_err();
    assert_eq!(error.label(), "penalty");
    assert_eq!(server.rest().len(), 2);
}

#[tokio::test]
async fn a_captcha_and_a_long_penalty_are_left_to_others() {
    for (body, label) in [
        (r#"{"p-ticket":"t","p-time":0,"p-captcha":true}"#, "captcha"),
        (r#"{"p-ticket":"t","p-time":600}"#, "penalty"),
    ] {
        let mut server = Server::new([Reply::Json("200 OK", body)]).await;
        assert_eq!(at(&server).acquire(&Means::default()).await.unwrap_err().label(), label);
        assert_eq!(server.rest().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_password() {
    let other = Server::new([Reply::Json("200 OK", GRANT)]).await;
    let location = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {}/v1\r\n\r\n", other.origin);
    let mut server = Server::new([Reply::Raw(location.leak())]).await;
    let error = at(&server).acquire(&Means::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::UnexpectedStatus { status: 307 }), "{error:?}");
    assert_eq!(server.rest().len(), 1);
}

#[tokio::test]
async fn a_login_whose_answer_is_lost_is_not_sent_again() {
    for reply in [
        Reply::Cut,
        Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access"),
        Reply::Raw("not http"),
    ] {
        let mut server = Server::new([reply]).await;
        let error = at(&server).acquire(&Means::default()).await.unwrap_err();
        assert_eq!(error.label(), "broken", "{error:?}");
        assert_eq!(server.rest().len(), 1);
    }
}

#[tokio::test]
async fn a_silent_broker_is_given_up_on_and_the_fate_is_unknown() {
    let mut server = Server::new([Reply::Silence]).await;
    let timeouts = Timeouts { connect: Duration::from_millis(50), total: Duration::from_millis(100) };
    let mut client = client(Hosts::Fixed(server.origin.clone()), timeouts);
    assert_eq!(client.acquire(&Means::default()).await.unwrap_err().label(), "timed_out");
    assert_eq!(server.rest().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let server = Server::new([Reply::Endless]).await;
    let error = at(&server).acquire(&Means::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::Malformed { what: "it is longer than 64 KiB" }), "{error:?}");
}

#[tokio::test]
async fn what_was_never_sent_is_told_apart_by_step() {
    let mut refused = client(Hosts::Fixed(nowhere().await), Timeouts::default());
    let error = refused.acquire(&Means::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { step: Step::Connect, .. }), "{error:?}");

    // A server that speaks no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    let mut plain = client(Hosts::Fixed(origin), Timeouts::default());
    let error = plain.acquire(&Means::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { step: Step::Tls, .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {plain:?}").contains("canary"));
}

#[tokio::test]
async fn a_renewal_falls_back_once_to_the_bootstrap_origin() {
    let mut server = Server::new([Reply::Json("200 OK", GRANT)]).await;
    at(&server).renew(&Means::default(), &bearer(), &nowhere().await).await.unwrap();
    assert_eq!(server.rest().len(), 1);

    // But not when the session is dead: that host has answered.
    let moved = Server::new([Reply::Json("401 Unauthorized", "Access is denied")]).await;
    let error = at(&server).renew(&Means::default(), &bearer(), &moved.origin).await.unwrap_err();
    assert_eq!(error.label(), "refused");
    assert!(server.rest().is_empty());
}

#[tokio::test]
async fn the_seat_tells_users_and_origins_apart_and_no_secret() {
    let hosts = |environment| Hosts::Dynamic { environment, trusted: TrustedSuffixes::default() };
    let seat = |environment| client(hosts(environment), Timeouts::default()).seat();
    assert_eq!(seat(Environment::Demo), "sim_trader at https://demo.tradovateapi.com");
    assert_ne!(seat(Environment::Demo), seat(Environment::Live));
}
