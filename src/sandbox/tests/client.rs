//! A client that sends exactly what it is told to, and reads what comes until the connection ends.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::sandbox::{CREDENTIALS, Options, Rules, Sandbox};

/// What came back, in one piece.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(super) async fn sandbox() -> Sandbox {
    sandbox_with(Rules::default()).await
}

pub(super) async fn sandbox_with(rules: Rules) -> Sandbox {
    Sandbox::start(Options { rules, ..Options::default() }).await.unwrap()
}

/// Sends a request with a bearer, and a JSON body unless it is empty.
pub(super) async fn call(sandbox: &Sandbox, request: &str, token: &str, body: &str) -> Answer {
    let text = format!(
        "{request} HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(sandbox.http_addr(), &text).await
}

/// Sends bytes and reads the answer that ends the connection.
pub(super) async fn send(address: SocketAddr, text: &str) -> Answer {
    let received = exchange(TcpStream::connect(address).await.unwrap(), text).await;
    Answer::of(&received.unwrap())
}

/// Sends bytes and reads whatever comes until the end, or until the connection breaks.
pub(super) async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    text: &str,
) -> Result<String, (String, std::io::Error)> {
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    let outcome = stream.read_to_end(&mut received).await;
    let received = String::from_utf8_lossy(&received).into_owned();
    outcome.map(|_| received.clone()).map_err(|error| (received, error))
}

/// The body of a right login.
pub(super) fn login_body() -> Value {
    json!({
        "name": CREDENTIALS.name,
        "password": CREDENTIALS.password,
        "appId": CREDENTIALS.app_id,
        "appVersion": CREDENTIALS.app_version,
        "deviceId": CREDENTIALS.device_id,
        "cid": CREDENTIALS.cid,
        "sec": CREDENTIALS.sec,
    })
}

/// Sends a login.
pub(super) async fn login(sandbox: &Sandbox, body: &Value) -> Answer {
    let body = body.to_string();
    let text = format!(
        "POST /v1/auth/accessTokenRequest HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    send(sandbox.http_addr(), &text).await
}

/// Logs in, and returns the token.
pub(super) async fn token(sandbox: &Sandbox) -> String {
    access_token(&login(sandbox, &login_body()).await)
}

/// The token of an answer.
pub(super) fn access_token(answer: &Answer) -> String {
    answer.json()["accessToken"].as_str().unwrap_or_else(|| panic!("no token in {answer:?}")).to_owned()
}
