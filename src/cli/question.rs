//! One question to the admin listener of a running proxy, in as little HTTP as that takes: in an image there is no
//! shell and no curl.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::{
    cli::{Exit, complain},
    config::{Desk, Environment, Flags},
    downstream::Address,
};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// JSON.
    pub(super) body: Option<String>,
    /// How long the answer may take.
    pub(super) patience: Duration,
    /// What it means that nobody was asked; empty for a mere look.
    pub(super) undone: &'static str,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Question {
    /// A look at `path`, for which two seconds must do.
    pub(super) fn get(path: &'static str) -> Self {
        Self { method: "GET", path, body: None, patience: PATIENCE, undone: "" }
    }

    /// Asks the proxy that these settings lead to, and gives the address along, for complaints. Has complained
    /// already where there is no answer.
    pub(super) fn ask(&self, flags: &Flags, environment: &Environment) -> Result<(Address, Answer), Exit> {
        let Desk { address, key, mistakes } = Desk::find(flags, environment).map_err(|errors| {
            complain(&errors);
            self.say_undone();
            Exit::Config
        })?;
        if mistakes > 0 {
            complain(&format_args!(
                "the configuration file has {mistakes} mistakes that do not matter here: `tradovate-proxy check` names them"
            ));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let answer = runtime
            .map_err(Unanswered::Unreached)
            .and_then(|runtime| runtime.block_on(self.put(&address, key.as_ref())));
        match answer {
            Ok(answer) => Ok((address, answer)),
            Err(unanswered) => {
                self.complain(&address, &unanswered);
                if matches!(unanswered, Unanswered::Unreached(_)) {
                    self.say_undone();
                } else if !self.undone.is_empty() {
                    complain(&"it may have been done, or may yet be: `tradovate-proxy status` tells");
                }
                Err(Exit::Failure)
            }
        }
    }

    /// Says what it means that nobody was asked.
    fn say_undone(&self) {
        if !self.undone.is_empty() {
            complain(&self.undone);
        }
    }

    /// Says what was asked of whom, and what is wrong with the answer.
    pub(super) fn complain(&self, address: &Address, what: &dyn fmt::Display) {
        match address {
            Address::Tcp(address) => complain(&format_args!("http://{address}{}: {what}", self.path)),
            Address::Unix(_) => complain(&format_args!("{} at {address}: {what}", self.path)),
        }
    }

    async fn put(&self, address: &Address, key: Option<&SecretString>) -> Result<Answer, Unanswered> {
        let reached = self.reach(address, key);
        let answer = tokio::time::timeout(self.patience, async {
            tokio::pin!(reached);
            if let Ok(answer) = tokio::time::timeout(AWHILE, &mut reached).await {
                return answer;
            }
            let most = self.patience.as_secs();
            complain(&format_args!(
                "no answer yet; it may take up to {most} s (`tradovate-proxy status` shows how things stand)"
            ));
            reached.await
        });
        let answer = answer.await.map_err(|_| Unanswered::Slow(self.patience))??;
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(body)) = head.parse(&answer) else {
            return Err(Unanswered::NotHttp);
        };
        let status = head.code.ok_or(Unanswered::NotHttp)?;
        Ok(Answer { status, body: String::from_utf8_lossy(&answer[body..]).into_owned() })
    }

    async fn reach(&self, address: &Address, key: Option<&SecretString>) -> Result<Vec<u8>, Unanswered> {
        let answer = match address {
            Address::Tcp(address) => {
                let address = reachable(*address);
                let stream = TcpStream::connect(address).await.map_err(Unanswered::Unreached)?;
                self.exchange(stream, &address, key).await
            }
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(Unanswered::Unreached)?;
                self.exchange(stream, &"localhost", key).await
            }
        };
        answer.map_err(Unanswered::NoAnswer)
    }

    async fn exchange(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        host: &(impl fmt::Display + Sync),
        key: Option<&SecretString>,
    ) -> io::Result<Vec<u8>> {
        // HTTP/1.0, so that the answer ends with the connection and is not chunked (RFC 9112 §6.3).
        let mut line = format!("{} {} HTTP/1.0\r\nHost: {host}\r\n", self.method, self.path);
        if let Some(key) = key {
            // Without control characters: no setting has any.
            line = line + "X-Proxy-Key: " + key.expose_secret() + "\r\n";
        }
        let rest = self.body.as_ref().map_or_else(
            || "\r\n".to_owned(),
            |body| format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
        );
        let request = line + &rest;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer).await?;
        Ok(answer)
    }
}

impl Answer {
    /// Its first line, or what a problem (RFC 9457) says with the help on a line of its own; fit to be printed.
    pub(super) fn line(&self) -> String {
        let printable = |text: &str| text.replace(char::is_control, " ");
        match serde_json::from_str::<Problem>(&self.body) {
            Ok(Problem { detail, help }) => [detail, help].map(|text| printable(&text)).join("\n  "),
            Err(_) => printable(self.body.lines().next().unwrap_or_default()),
        }
    }
}

#[derive(Deserialize)]
struct Problem {
    detail: String,
    help: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("no proxy answers there: {0}")]
    Unreached(#[source] io::Error),
    #[error("no answer: {0}")]
    NoAnswer(#[source] io::Error),
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the answer is not HTTP")]
    NotHttp,
}

/// A listener on every address is asked on loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Shorter than the health timeout of any container engine, so that it is us who give the reason.
const PATIENCE: Duration = Duration::from_secs(2);

/// After which whoever waits is told for how long.
const AWHILE: Duration = Duration::from_secs(5);

/// An answer is a few kilobytes at most; whatever else listens there may send more.
const MOST_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// What is made of `answer`, and what was sent for it.
    async fn asked(question: Question, answer: &'static [u8]) -> (Result<Answer, Unanswered>, String) {
        showing(None, question, answer).await
    }

    async fn showing(
        key: Option<&SecretString>,
        question: Question,
        answer: &'static [u8],
    ) -> (Result<Answer, Unanswered>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            String::from_utf8(request[..read].to_vec()).unwrap().replace(&address.to_string(), "ADDRESS")
        });
        let question = Question { patience: Duration::from_secs(30), ..question };
        let verdict = question.put(&Address::Tcp(address), key).await;
        (verdict, server.await.unwrap())
    }

    #[tokio::test]
    async fn it_is_a_plain_request_and_the_answer_is_taken_as_it_comes() {
        let ok = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n";
        let (answer, sent) = asked(Question::get("/readyz"), ok).await;
        assert_eq!(sent, "GET /readyz HTTP/1.0\r\nHost: ADDRESS\r\n\r\n");
        assert_eq!(answer.unwrap(), Answer { status: 200, body: "ready\n".to_owned() });

        let key = SecretString::from("tpk_x");
        let (_, sent) = showing(Some(&key), Question::get("/status"), ok).await;
        assert_eq!(sent, "GET /status HTTP/1.0\r\nHost: ADDRESS\r\nX-Proxy-Key: tpk_x\r\n\r\n");

        let order = Question {
            method: "POST",
            path: "/session/pause",
            body: Some("{\"for\":\"30m\"}".to_owned()),
            patience: PATIENCE,
            undone: "nothing was paused",
        };
        let (answer, sent) = asked(order, b"HTTP/1.1 503 Service Unavailable\r\n\r\nno\x1b[2J\nmore").await;
        let expected = "POST /session/pause HTTP/1.0\r\nHost: ADDRESS\r\nContent-Type: application/json\r\n\
                        Content-Length: 13\r\n\r\n{\"for\":\"30m\"}";
        assert_eq!(sent, expected);
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.line().as_str()), (503, "no [2J"));
    }

    #[test]
    fn a_refusal_says_what_happened_and_what_to_do_and_forges_nothing() {
        let body = r#"{"status":409,"detail":"it is\u001b[2J paused","help":"resume it"}"#.to_owned();
        assert_eq!(Answer { status: 409, body }.line(), "it is [2J paused\n  resume it");
        let body = "not found\nmore".to_owned();
        assert_eq!(Answer { status: 404, body }.line(), "not found");
    }

    #[tokio::test]
    async fn what_is_no_answer_says_in_which_way() {
        for nonsense in [b"SSH-2.0-x\r\n".as_slice(), b"", b"HTTP/1.1 200"] {
            let (answer, _) = asked(Question::get("/readyz"), nonsense).await;
            assert!(matches!(answer, Err(Unanswered::NotHttp)));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // Accepted by the kernel, answered by nobody.
        let hasty = Question { patience: Duration::from_millis(20), ..Question::get("/readyz") };
        assert!(matches!(hasty.put(&Address::Tcp(address), None).await, Err(Unanswered::Slow(_))));
        drop(listener);
        let nobody = Question::get("/readyz").put(&Address::Tcp(address), None).await;
        assert!(matches!(nobody, Err(Unanswered::Unreached(_))));
    }

    #[test]
    fn a_listener_on_every_address_is_asked_on_loopback() {
        for (listens, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("10.0.0.1:1", "10.0.0.1:1")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }
}
