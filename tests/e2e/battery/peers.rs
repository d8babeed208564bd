//! How other parsers read what the proxy forwards: nginx and `HAProxy` stand behind it, and behind them a recorder. One
//! request of a caller's has to be one request there, with the same target and the same body.

use std::{net::SocketAddr, path::Path, process::Stdio};

use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use super::{Packets, send};
use crate::support::{RawUpstream, Setup, within};

#[tokio::test]
async fn nginx_reads_what_is_forwarded_as_the_proxy_did() {
    let configuration = |listen: SocketAddr, upstream: SocketAddr, directory: &Path| {
        let directory = directory.display();
        format!(
            "daemon off; master_process off; pid {directory}/pid; error_log stderr;\n\
             events {{}}\n\
             http {{ access_log off; client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;\n\
               fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;\n\
               server {{ listen {listen}; location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1; }} }} }}\n"
        )
    };
    if !reads_the_same("nginx", &["-c"], configuration).await {
        eprintln!("skipped: there is no nginx");
    }
}

#[tokio::test]
async fn haproxy_reads_what_is_forwarded_as_the_proxy_did() {
    let configuration = |listen: SocketAddr, upstream: SocketAddr, _: &Path| {
        format!(
            "defaults\n mode http\n timeout connect 20s\n timeout client 20s\n timeout server 20s\n\
             frontend f\n bind {listen}\n default_backend b\nbackend b\n server s {upstream}\n"
        )
    };
    if !reads_the_same("haproxy", &["-db", "-f"], configuration).await {
        eprintln!("skipped: there is no HAProxy");
    }
}

/// What has more than one form on its way in, and what looks like more than one request.
const SENT: &[(&str, &str, &str)] = &[
    ("GET /v1/a", "", ""),
    ("GET /v1/a?x=%2f..;y=http://evil/", "", ""),
    ("GET /v1/a", "Content-Length: 0\r\n", ""),
    ("GET /v1/a", "Content_Length: 50\r\nTransfer_Encoding: chunked\r\nTransfer-Encoding.: chunked\r\n", ""),
    ("GET /v1/a", "Connection: Content-Length, Host, Authorization\r\n", ""),
    ("GET /v1/a", "Connection: upgrade\r\nUpgrade: h2c\r\n", ""),
    ("GET /v1/a", "Expect: 100-continue\r\n", ""),
    ("POST /v1/a", "", ""),
    ("POST /v1/a", "Content-Length: 2\r\n", "{}"),
    ("POST /v1/a", "Content-Length: 0002\r\n", "{}"),
    ("POST /v1/a", "Content-Length: 46\r\n", "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("DELETE /v1/a", "Content-Length: 2\r\n", "{}"),
    ("GET /v1/a", "Content-Length: 46\r\n", "GET /v1/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    ("POST /v1/a", "Transfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"),
    ("POST /v1/a", "Transfer-Encoding: chunked\r\n", "5;x=\"y\"\r\n0\r\n\r\n\r\n0\r\n\r\n"),
    ("POST /v1/a", "Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 9\r\nAuthorization: x\r\n\r\n"),
    ("PUT /v1/a", "Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n"),
];

/// Sends all of it; `false` if there is no such program.
async fn reads_the_same(
    program: &str,
    arguments: &[&str],
    configuration: impl FnOnce(SocketAddr, SocketAddr, &Path) -> String,
) -> bool {
    let mut recorder = RawUpstream::start().await;
    let directory = tempfile::tempdir().unwrap();
    // Neither program can be asked which port it got, so one that was free a moment ago has to do.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let file = directory.path().join("configuration");
    std::fs::write(&file, configuration(address, recorder.address, directory.path())).unwrap();
    let started =
        Command::new(program).args(arguments).arg(&file).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let Ok(mut peer) = started else {
        return false;
    };
    within("the peer to listen", listens(address, &mut peer)).await;

    let proxy = Setup::before(&format!("http://{address}"), &recorder.clock).live().await;
    let mut client = proxy.client().await;
    for (line, fields, body) in SENT {
        let context = format!("{program}: {line} {fields:?} {body:?}");
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let bytes = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{kind}{fields}\r\n{body}");
        send(&mut client, bytes.as_bytes(), Packets::One).await;
        let request = recorder.request().await;
        assert_eq!(request.head.start, format!("{line} HTTP/1.1"), "{context}");
        assert_eq!(request.all("authorization"), [super::OURS], "{context}");
        let expected = match *body {
            chunked if fields.contains("Transfer-Encoding: ") => data(chunked),
            plain => plain,
        };
        assert_eq!(str::from_utf8(&request.body).unwrap(), expected, "{context}");
        request.ok("").await;
        assert_eq!(client.answer().await.status(), 200, "{context}");
        // Had the peer seen another request, it would have come before this one.
        super::goes_on(&mut client, &mut recorder, &context).await;
    }
    true
}

/// What the chunked bodies of [`SENT`] hold: one chunk of five bytes, one of two, or none.
fn data(chunked: &str) -> &str {
    match chunked.as_bytes()[0] {
        b'5' => "0\r\n\r\n",
        b'2' => "{}",
        _ => "",
    }
}

async fn listens(address: SocketAddr, peer: &mut Child) {
    while TcpStream::connect(address).await.is_err() {
        assert!(peer.try_wait().unwrap().is_none(), "the peer has ended");
        tokio::task::yield_now().await;
    }
}
