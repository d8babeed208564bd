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
    tradovate::Environment,
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

/// One whose answers may lead to other names of this machine.
fn movable(server: &Server) -> SessionClient {
    let hosts = Hosts::new(Environment::Demo, Some(server.origin.clone()), &["localhost".to_owned()]);
    client(hosts, Timeouts::default())
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

/// Tradovate: how a request to the wrong host is answered.
const MOVED: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://demo-7.tradovateapi.com/v1\r\ncontent-length: 0\r\n\r\n";

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
async fn a_penalty_is_reported_with_its_ticket_which_the_next_call_sends_back() {
    let penalty = Reply::Json("200 OK", r#"{"p-ticket":"SIM-ticket-0002","p-time":600}"#);
    let mut server = Server::new([penalty, Reply::Json("200 OK", GRANT)]).await;
    let mut client = at(&server);
    let error = client.acquire(&Means::default()).await.unwrap_err();
    let SourceError::Penalty { wait, ticket } = error else { panic!("{error:?}") };
    assert_eq!(wait.as_secs(), 600);
    assert_eq!(server.rest().len(), 1, "nobody waits in here, and nothing is sent again");
    client.acquire(&Means { ticket: Some(ticket), ..Means::default() }).await.unwrap();
    assert!(server.request().await.contains(r#""p-ticket":"SIM-ticket-0002""#));
}

#[tokio::test]
async fn whatever_comes_of_a_call_it_is_one_request() {
    let replies: [fn() -> (Reply, &'static str); 9] = [
        || (Reply::Json("200 OK", r#"{"p-ticket":"t","p-time":0}"#), "penalty"),
        || (Reply::Json("200 OK", r#"{"p-ticket":"t","p-time":0,"p-captcha":true}"#), "captcha"),
        || (Reply::Json("429 Too Many Requests", ""), "rate_limited"),
        || (Reply::Json("408 Request Timeout", ""), "unexpected_status"),
        || (Reply::Json("503 Service Unavailable", "<html>"), "unexpected_status"),
        || (Reply::Json("200 OK", r#"{"errorText":"no"}"#), "refused"),
        || (Reply::Json("400 Bad Request", ""), "refused"),
        || (Reply::Raw(MOVED), "unexpected_status"),
        || (Reply::Cut, "broken"),
    ];
    for reply in replies {
        let (answer, label) = reply();
        let mut server = Server::new([answer]).await;
        let error = at(&server).renew(&Means::default(), &bearer(), &server.origin).await.unwrap_err();
        assert_eq!((error.label(), server.rest().len()), (label, 1));

        let mut server = Server::new([reply().0]).await;
        let error = at(&server).acquire(&Means::default()).await.unwrap_err();
        assert_eq!((error.label(), server.rest().len()), (label, 1));
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
async fn a_renewal_asks_where_it_is_told_to_and_nowhere_else() {
    let (mut bootstrap, mut resolved) =
        (Server::new([]).await, Server::new([Reply::Json("200 OK", GRANT)]).await);
    let mut client = at(&bootstrap);
    client.renew(&Means::default(), &bearer(), &resolved.origin).await.unwrap();
    let error = client.renew(&Means::default(), &bearer(), &nowhere().await).await.unwrap_err();
    assert_eq!(error.label(), "unreachable");
    assert_eq!((resolved.rest().len(), bootstrap.rest().len()), (1, 0));
}

#[tokio::test]
async fn a_name_of_this_machine_is_reached_without_dns() {
    let mut server = Server::new([Reply::Json("200 OK", GRANT)]).await;
    let named: Origin = format!("http://a.b.localhost:{}", server.origin.port()).parse().unwrap();
    at(&server).renew(&Means::default(), &bearer(), &named).await.unwrap();
    let request = server.request().await;
    assert!(request.contains(&format!("host: {}\r\n", named.authority())), "{request}");
}

#[tokio::test]
async fn a_grant_leads_to_the_host_it_names() {
    let answer =
        r#"{"accessToken":"SIM-access-0002","apiHosts":{"demo":"b.localhost","live":"c.localhost"}}"#;
    let server = Server::new([Reply::Json("200 OK", answer), Reply::Json("200 OK", GRANT)]).await;
    let mut client = movable(&server);
    let grant = client.acquire(&Means::default()).await.unwrap();
    let moved = format!("http://b.localhost:{}", server.origin.port());
    assert_eq!(grant.origin.unwrap().to_string(), moved);
    let grant = client.renew(&Means::default(), &bearer(), &server.origin).await.unwrap();
    assert_eq!(grant.origin, None, "Tradovate's own names lead out of what the operator set");
}

#[tokio::test]
async fn a_token_is_examined_with_one_request_that_changes_nothing() {
    for (reply, expected) in [
        (Reply::Json("200 OK", "[]"), Vitality::Alive),
        // Tradovate: a host of the wrong kind, whatever the token.
        (Reply::Json("404 Not Found", ""), Vitality::Unclear),
        (Reply::Json("403 Forbidden", ""), Vitality::Alive),
        (Reply::Json("401 Unauthorized", "Access is denied"), Vitality::Dead),
        (Reply::Json("401 Unauthorized", "Expired Access Token"), Vitality::Dead),
        // Tradovate: a missing permission looks like this.
        (Reply::Json("401 Unauthorized", ""), Vitality::Unclear),
        (Reply::Json("401 Unauthorized", " \r\n"), Vitality::Unclear),
        // Tradovate: a session that another login closed, and much else.
        (Reply::Json("408 Request Timeout", ""), Vitality::Unclear),
        (Reply::Json("429 Too Many Requests", ""), Vitality::Unclear),
        (Reply::Json("500 Internal Server Error", ""), Vitality::Unclear),
        (Reply::Raw(MOVED), Vitality::Unclear),
        (Reply::Raw("HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\nAcc"), Vitality::Unclear),
        (Reply::Cut, Vitality::Unclear),
    ] {
        let mut server = Server::new([reply]).await;
        assert_eq!(at(&server).examine(&bearer(), &server.origin).await, expected);
        let request = server.request().await;
        assert!(request.starts_with("GET /v1/user/list HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer SIM-access-0001\r\n"), "{request}");
        assert!(server.rest().is_empty());
    }
    let server = Server::new([]).await;
    assert_eq!(at(&server).examine(&bearer(), &nowhere().await).await, Vitality::Unclear);
}

#[tokio::test]
async fn upstream_is_well_when_it_answers_whatever_it_says() {
    for (reply, well) in [
        (Reply::Json("404 Not Found", ""), true),
        (Reply::Json("401 Unauthorized", "Access is denied"), true),
        (Reply::Raw(MOVED), true),
        (Reply::Json("503 Service Unavailable", ""), false),
        (Reply::Cut, false),
    ] {
        let mut server = Server::new([reply]).await;
        assert_eq!(at(&server).is_well().await, well);
        let request = server.request().await;
        assert!(request.starts_with("GET /v1/ HTTP/1.1\r\n"), "{request}");
        assert!(
            !request.contains("canary") && !request.to_lowercase().contains("authorization"),
            "{request}"
        );
        assert!(server.rest().is_empty());
    }
    assert!(!client(Hosts::Fixed(nowhere().await), Timeouts::default()).is_well().await);
}

#[tokio::test]
async fn a_redirect_moves_the_session_only_where_it_may_go() {
    let server = Server::new([]).await;
    let port = server.origin.port();
    let to =
        |location: &str| movable(&server).moved(&server.origin, location).map(|origin| origin.to_string());
    assert_eq!(to(&format!("http://b.localhost:{port}/v1/x")), Some(format!("http://b.localhost:{port}")));
    assert_eq!(to("/v1/x"), None);
    assert_eq!(to("https://demo.tradovateapi.com/v1/x"), None);
    let fixed = at(&server).moved(&server.origin, &format!("http://b.localhost:{port}/v1/x"));
    assert_eq!(fixed, None);
}

#[tokio::test]
async fn the_seat_tells_users_and_origins_apart_and_no_secret() {
    let hosts = |environment| Hosts::new(environment, None, &[]);
    let seat = |environment| client(hosts(environment), Timeouts::default()).seat();
    assert_eq!(seat(Environment::Demo), "sim_trader at https://demo.tradovateapi.com");
    assert_ne!(seat(Environment::Demo), seat(Environment::Live));
}
