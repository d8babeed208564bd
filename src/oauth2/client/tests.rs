//! Real sockets, and a server that answers with the bytes it is told to.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::{
    auth::courier::Timeouts,
    oauth2::{AnyApi, ClientAuth, TokenUrl},
};

/// An authorization server with one answer, and what it was asked.
struct Server {
    origin: Origin,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    /// Answers each request with the next of `replies`, byte for byte, and then ends the connection.
    async fn new<const N: usize>(replies: [String; N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.unwrap();
                answer(stream, reply, &sender).await.unwrap();
            }
        });
        Self { origin, requests }
    }

    /// The requests so far.
    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn answer(
    mut stream: TcpStream,
    reply: String,
    requests: &mpsc::UnboundedSender<String>,
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
    // The test may have seen enough.
    let _ = requests.send(String::from_utf8(request).unwrap());
    // And the client too: an answer that is too long is not read to its end.
    let _ = stream.write_all(reply.as_bytes()).await;
    Ok(())
}

/// An answer with a body.
fn json(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ndate: Fri, 20 Nov 2026 15:00:00 GMT\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn granted(body: &str) -> String {
    json("200 OK", body)
}

/// An API that can renew, and says where it is in the answer.
#[derive(Debug)]
struct Renewing(Origin);

impl ResourceServer for Renewing {
    fn origin(&self) -> &Origin {
        &self.0
    }

    async fn renew(&self, _: &Bearer, _: &Origin) -> Option<Result<Grant, SourceError>> {
        Some(Err(SourceError::Malformed { what: "renewed by the API" }))
    }

    fn origin_in(&self, body: &[u8]) -> Option<Origin> {
        body.windows(4).any(|window| window == b"here").then(|| self.0.clone())
    }

    fn objection_in(&self, body: &[u8], _: &[&str]) -> Option<SourceError> {
        body.windows(7).any(|window| window == b"penalty").then_some(SourceError::Captcha)
    }
}

fn client<R: ResourceServer>(server: &Server, client_auth: ClientAuth, resource: R) -> RefreshClient<R> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let registration = Registration {
        token_url: TokenUrl::at(&server.origin, "/v1/token?k=v"),
        client_id: "id".to_owned(),
        client_secret: "canary-secret".into(),
        client_auth,
        parameters: "scope=full".parse().unwrap(),
    };
    let timeouts = Timeouts { connect: Duration::from_secs(5), total: Duration::from_secs(10) };
    let clock = Clock::simulated("2026-11-20T15:00:30Z".parse().unwrap());
    RefreshClient::new(
        Courier::new(tls, timeouts).unwrap(),
        registration,
        "canary-seed".into(),
        resource,
        clock,
    )
}

fn plain(server: &Server) -> RefreshClient<AnyApi> {
    client(server, ClientAuth::Basic, AnyApi { origin: api() })
}

fn api() -> Origin {
    "https://api.example".parse().unwrap()
}

fn bearer() -> Bearer {
    Bearer::new(&"access".into()).unwrap()
}

#[tokio::test]
async fn a_refresh_is_one_post_of_a_form() {
    let mut server = Server::new([granted(r#"{"access_token":"a"}"#)]).await;
    let grant = plain(&server).acquire(&Means::default()).await.unwrap();
    assert!(grant.opened && grant.refresh.is_none() && grant.expires_at.is_none() && grant.origin.is_none());
    let [request] = server.asked().try_into().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<&str> = head.lines().collect();
    lines.sort_unstable();
    let host = format!("host: {}", server.origin.authority());
    let agent = concat!("user-agent: tradovate-proxy/", env!("CARGO_PKG_VERSION"));
    let expected = [
        "POST /v1/token?k=v HTTP/1.1",
        "accept: application/json",
        // id:canary-secret
        "authorization: Basic aWQ6Y2FuYXJ5LXNlY3JldA==",
        "content-length: 61",
        "content-type: application/x-www-form-urlencoded",
        &host,
        agent,
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, "grant_type=refresh_token&refresh_token=canary-seed&scope=full");
}

#[tokio::test]
async fn in_the_body_the_secret_is_in_no_header() {
    let mut server = Server::new([granted(r#"{"access_token":"a"}"#)]).await;
    let mut client = client(&server, ClientAuth::Body, AnyApi { origin: api() });
    client.acquire(&Means::default()).await.unwrap();
    let [request] = server.asked().try_into().unwrap();
    assert!(!request.contains("authorization:"), "{request}");
    assert!(request.ends_with("&client_id=id&client_secret=canary-secret&scope=full"), "{request}");
}

#[tokio::test]
async fn the_newest_refresh_token_is_used_and_its_successor_told() {
    let body = r#"{"access_token":"a","refresh_token":"third"}"#;
    let same = r#"{"access_token":"a","refresh_token":"second"}"#;
    let mut server = Server::new([granted(body), granted(same)]).await;
    let mut client = plain(&server);
    let means = Means { refresh: Some("second".into()), ..Means::default() };
    let grant = client.acquire(&means).await.unwrap();
    assert_eq!(grant.refresh.unwrap().expose_secret(), "third");
    let grant = client.renew(&means, &bearer(), &api()).await.unwrap();
    assert!(grant.refresh.is_none() && !grant.opened, "what was used is no successor of itself");
    for request in server.asked() {
        assert!(request.contains("refresh_token=second&"), "{request}");
    }
}

#[tokio::test]
async fn a_life_becomes_an_instant_of_the_servers_clock() {
    let body = r#"{"access_token":"a","expires_in":"7200"}"#;
    let dateless = granted(body).replace("date: ", "x-date: ");
    // Of a date from another age too: it is the length that counts, and whoever uses it compares with the same date.
    let absurd = granted(body).replace("Fri, 20 Nov 2026", "Sat, 20 Nov 1999");
    let server = Server::new([granted(body), dateless, absurd]).await;
    let mut client = plain(&server);
    let mut told = async || {
        let grant = client.acquire(&Means::default()).await.unwrap();
        (grant.expires_at.unwrap().to_string(), grant.server_date.is_some())
    };
    assert_eq!(told().await, ("2026-11-20T17:00:00Z".to_owned(), true));
    // The test's clock stands at 30 s past, and runs.
    let (expires_at, dated) = told().await;
    assert!(expires_at.starts_with("2026-11-20T17:00:3") && !dated, "{expires_at}");
    assert_eq!(told().await, ("1999-11-20T17:00:00Z".to_owned(), true));
}

#[tokio::test]
async fn a_refused_refresh_token_is_no_word_against_the_token_in_use() {
    let no = || json("400 Bad Request", r#"{"error":"invalid_grant","error_description":"canary-seed"}"#);
    let server = Server::new([no(), no()]).await;
    let mut client = plain(&server);
    let error = client.acquire(&Means::default()).await.unwrap_err();
    assert!(matches!(error, SourceError::Refused { status: 400, .. }), "{error:?}");
    assert!(!format!("{error} {error:?} {client:?}").contains("canary"));
    let error = client.renew(&Means::default(), &bearer(), &api()).await.unwrap_err();
    assert!(matches!(error, SourceError::UnexpectedStatus { status: 400 }), "{error:?}");
}

#[tokio::test]
async fn a_refused_client_waits_for_other_credentials() {
    let no = json("401 Unauthorized", r#"{"error":"invalid_client"}"#);
    let server = Server::new([no]).await;
    let error = plain(&server).acquire(&Means::default()).await.unwrap_err();
    assert_eq!(error.label(), "credentials_refused");
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart_and_asked_for_once() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(70 * 1024));
    for (reply, label) in [
        (String::new(), "broken"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access".to_owned(), "broken"),
        ("not http".to_owned(), "broken"),
        (endless, "malformed"),
        (granted("<html>"), "malformed"),
        (json("503 Service Unavailable", "{}"), "unexpected_status"),
        // Not followed: the secret would go along.
        (
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: /t\r\ncontent-length: 0\r\n\r\n".to_owned(),
            "unexpected_status",
        ),
        (json("429 Too Many Requests", ""), "rate_limited"),
    ] {
        let mut server = Server::new([reply.clone(), granted(r#"{"access_token":"a"}"#)]).await;
        let error = plain(&server).acquire(&Means::default()).await.unwrap_err();
        assert_eq!(error.label(), label, "{reply:.60}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn an_api_that_renews_by_itself_spares_the_refresh_token_for_half_of_its_life() {
    let body = r#"{"access_token":"a","refresh_token":"r","refresh_token_expires_in":93600,"x":"here"}"#;
    let mut server = Server::new([granted(body), granted(body), String::new()]).await;
    let mut client = client(&server, ClientAuth::Body, Renewing(api()));
    let clock = client.clock.clone();
    // After a restart nobody knows how old it is, so it is used.
    let grant = client.renew(&Means::default(), &bearer(), &api()).await.unwrap();
    assert_eq!(grant.origin, Some(api()));
    let by_api = |error: &SourceError| matches!(error, SourceError::Malformed { what: "renewed by the API" });
    clock.advance(Duration::from_secs(46_000)).unwrap();
    assert!(by_api(&client.renew(&Means::default(), &bearer(), &api()).await.unwrap_err()));
    clock.advance(Duration::from_secs(1_000)).unwrap();
    client.renew(&Means::default(), &bearer(), &api()).await.unwrap();
    clock.advance(Duration::from_secs(47_000)).unwrap();
    let lost = client.renew(&Means::default(), &bearer(), &api()).await.unwrap_err();
    assert_eq!(lost.label(), "broken");
    assert_eq!(server.asked().len(), 3);
    // Where that failed, the next try takes the other way.
    assert!(by_api(&client.renew(&Means::default(), &bearer(), &api()).await.unwrap_err()));
}

#[tokio::test]
async fn what_the_api_objects_to_is_no_grant() {
    let server = Server::new([granted(r#"{"access_token":"a","penalty":1}"#)]).await;
    let mut client = client(&server, ClientAuth::Body, Renewing(api()));
    assert_eq!(client.acquire(&Means::default()).await.unwrap_err().label(), "captcha");
}

#[tokio::test]
async fn the_server_is_well_unless_it_errs() {
    for (status, well) in [("200 OK", true), ("404 Not Found", true), ("502 Bad Gateway", false)] {
        let mut server = Server::new([json(status, "")]).await;
        assert_eq!(plain(&server).is_well().await, well, "{status}");
        let [request] = server.asked().try_into().unwrap();
        assert!(request.starts_with("GET / HTTP/1.1\r\n") && !request.contains("authorization"), "{request}");
    }
    let nowhere =
        Server { origin: "http://127.0.0.1:9".parse().unwrap(), requests: mpsc::unbounded_channel().1 };
    assert!(!plain(&nowhere).is_well().await);
    assert_eq!(plain(&nowhere).examine(&bearer(), &api()).await, Vitality::Unclear);
    assert_eq!(plain(&nowhere).moved(&api(), "https://api.example/x"), None);
}

#[tokio::test]
async fn the_seat_names_client_server_and_api_and_the_fingerprint_all_that_is_secret() {
    let server = Server::new([]).await;
    let seat = plain(&server).seat();
    assert_eq!(seat, format!("client id of {}/v1/token at https://api.example", server.origin));
    let edits: [fn(&mut RefreshClient<AnyApi>); 3] = [
        |client| client.registration.client_id.push('x'),
        |client| client.registration.client_secret = "other".into(),
        |client| client.seed = "other".into(),
    ];
    let key = FingerprintKey::random();
    for edit in edits {
        let mut changed = plain(&server);
        edit(&mut changed);
        assert_ne!(changed.fingerprint(&key), plain(&server).fingerprint(&key));
    }
    assert!(!format!("{:?}", plain(&server)).contains("canary"));
}
