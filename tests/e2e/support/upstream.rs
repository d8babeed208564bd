//! A broker without manners: the test answers each request itself, byte by byte, and sees what was sent.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tradovate_proxy::clock::Clock;

use super::{
    client::{End, TOKEN},
    message::{Framing, Head, end_of_head},
    proxy::{Proxy, Setup},
    wait::within,
};

/// A raw upstream, and a proxy in front of it with a live session.
pub(crate) async fn raw() -> (RawUpstream, Proxy) {
    raw_with(|setup| setup).await
}

/// The same, with settings of its own.
pub(crate) async fn raw_with(settings: impl FnOnce(Setup) -> Setup) -> (RawUpstream, Proxy) {
    let upstream = RawUpstream::start().await;
    let setup = Setup::before(&format!("http://{}", upstream.address), &upstream.clock);
    let proxy = settings(setup).live().await;
    (upstream, proxy)
}

/// Listens until it is dropped. It answers session calls by itself, and that a token lives (`user/list`); every other
/// request goes to the test.
#[derive(Debug)]
pub(crate) struct RawUpstream {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Clock,
    requests: mpsc::UnboundedReceiver<Request>,
    logins: watch::Sender<bool>,
    home: Arc<Mutex<Option<String>>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request, whole, and the connection it came on, which is the test's to do with as it likes.
#[derive(Debug)]
pub(crate) struct Request {
    /// Every byte of it.
    pub(crate) raw: Vec<u8>,
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// The connection's number, from 1 in the order of accepting. Each session call has one of its own.
    pub(crate) connection: usize,
    stream: TcpStream,
    inbox: Vec<u8>,
    desk: Desk,
}

/// What the connections share.
#[derive(Clone, Debug)]
struct Desk {
    requests: mpsc::UnboundedSender<Request>,
    clock: Clock,
    logins: watch::Receiver<bool>,
    grants: Arc<AtomicUsize>,
    home: Arc<Mutex<Option<String>>>,
}

impl RawUpstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let clock = Clock::simulated_from_now();
        let (sender, requests) = mpsc::unbounded_channel();
        let (logins, allowed) = watch::channel(true);
        let home = Arc::default();
        let desk = Desk {
            requests: sender,
            clock: clock.clone(),
            logins: allowed,
            grants: Arc::default(),
            home: Arc::clone(&home),
        };
        let accepting = tokio::spawn(async move {
            let mut connection = 0;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connection += 1;
                stream.set_nodelay(true).unwrap();
                tokio::spawn(attend(stream, Vec::new(), connection, desk.clone()));
            }
        });
        Self { address, clock, requests, logins, home, accepting }
    }

    /// Lets session calls wait for their answers, or be answered.
    pub(crate) fn answers_session_calls(&self, allowed: bool) {
        self.logins.send_replace(allowed);
    }

    /// Names this host in the grants to come.
    pub(crate) fn moves_to(&self, host: &str) {
        *self.home.lock().unwrap() = Some(host.to_owned());
    }

    /// Waits for the next request that is not a session call.
    pub(crate) async fn request(&mut self) -> Request {
        within("a request at upstream", self.requests.recv()).await.expect("an upstream that runs")
    }

    /// Asserts that no request is waiting. Only meaningful once whatever could have sent one has ended.
    pub(crate) fn is_untouched(&mut self) {
        if let Ok(request) = self.requests.try_recv() {
            panic!("upstream was sent {:?}", request.head);
        }
    }
}

impl Drop for RawUpstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Request {
    /// The values of a field, in order.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        self.head.all(name).collect()
    }

    /// Writes some of an answer.
    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        within("the proxy to take an answer", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Writes what the proxy may have stopped reading.
    pub(crate) async fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("the proxy to take an answer, or leave", self.stream.write_all(bytes.as_ref())).await
    }

    /// The same, in one packet or byte by byte.
    pub(crate) async fn offer(&mut self, bytes: &[u8], byte_by_byte: bool) {
        let size = if byte_by_byte { 1 } else { bytes.len().max(1) };
        for packet in bytes.chunks(size) {
            if self.try_write(packet).await.is_err() {
                return;
            }
        }
    }

    /// Writes the rest of an answer, and waits for the next request on the same connection.
    pub(crate) async fn answer(mut self, bytes: impl AsRef<[u8]>) {
        self.write(bytes).await;
        tokio::spawn(attend(self.stream, self.inbox, self.connection, self.desk));
    }

    /// Answers 200 with a body.
    pub(crate) async fn ok(self, body: &str) {
        self.answer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
    }

    /// Ends the connection with FIN.
    pub(crate) async fn close(mut self) {
        // The peer may be gone already, which is as good.
        let _ = self.stream.shutdown().await;
    }

    /// Ends the connection without an answer.
    pub(crate) async fn end(self, how: End) {
        match how {
            End::Closed => self.close().await,
            End::Reset => self.reset(),
        }
    }

    /// Ends the connection with RST.
    fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Writes for as long as the proxy holds the connection.
    pub(crate) async fn floods_until_left(mut self) {
        let flood = async { while self.stream.write_all(&[b'.'; BLOCK]).await.is_ok() {} };
        within("the proxy to end the connection", flood).await;
    }

    /// Writes as much as the way to the caller holds at this moment; returns how many bytes that was.
    pub(crate) fn fill(&self) -> usize {
        let mut written = 0;
        while let Ok(more) = self.stream.try_write(&[b'.'; BLOCK]) {
            written += more;
        }
        written
    }

    /// Waits until the proxy ends the connection, discarding what comes before that.
    pub(crate) async fn left(mut self) {
        let left = async {
            let mut bytes = [0; 4096];
            while self.stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        };
        within("the proxy to end the connection", left).await;
    }
}

const BLOCK: usize = 16 * 1024;

/// Reads requests until one is for the test, or the proxy leaves.
async fn attend(mut stream: TcpStream, mut inbox: Vec<u8>, connection: usize, desk: Desk) {
    loop {
        let Some((raw, head, body)) = read(&mut stream, &mut inbox).await else { return };
        let target = head.start.split(' ').nth(1).unwrap_or_default().to_ascii_lowercase();
        if target.ends_with("/auth/accesstokenrequest")
            || target.ends_with("/auth/renewaccesstoken")
            || target == "/oauth/token"
        {
            // The sender is gone with the test.
            let _ = desk.logins.clone().wait_for(|&allowed| allowed).await;
            let grant = desk.grant();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{grant}", grant.len());
            // The proxy may have left; its own tests see to that.
            let _ = stream.write_all(answer.as_bytes()).await;
            continue;
        }
        // The proxy's own question whether the token is honoured; no test asks it.
        if target == "/v1/user/list" {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await;
            continue;
        }
        let requests = desk.requests.clone();
        // Without a test to take it there is nothing to do.
        let _ = requests.send(Request { raw, head, body, connection, stream, inbox, desk });
        return;
    }
}

/// One request, or nothing when the connection ends between two. RFC 9112 §6.3: sized or empty, since the proxy
/// reads bodies whole.
async fn read(stream: &mut TcpStream, inbox: &mut Vec<u8>) -> Option<(Vec<u8>, Head, Vec<u8>)> {
    let head_length = loop {
        if let Some(length) = end_of_head(inbox) {
            break length;
        }
        if !matches!(stream.read_buf(inbox).await, Ok(1..)) {
            return None;
        }
    };
    let head = Head::read(&inbox[..head_length]);
    let length = match head.framing() {
        Framing::None => 0,
        Framing::Length(length) => length,
        Framing::Chunked => panic!("the proxy sends bodies with their length: {head:?}"),
    };
    while inbox.len() < head_length + length {
        if !matches!(stream.read_buf(inbox).await, Ok(1..)) {
            return None;
        }
    }
    let raw: Vec<u8> = inbox.drain(..head_length + length).collect();
    let body = raw[head_length..].to_vec();
    Some((raw, head, body))
}

impl Desk {
    fn grant(&self) -> String {
        let number = self.grants.fetch_add(1, Ordering::Relaxed) + 1;
        let expiry = self.clock.now() + Duration::from_secs(80 * 60);
        let mut grant = json!({
            "accessToken": format!("{TOKEN}raw-{number}"), "expirationTime": expiry.to_string(), "userId": 1,
            // As an authorization server has it.
            "access_token": format!("{TOKEN}raw-{number}"), "token_type": "bearer", "expires_in": 80 * 60,
        });
        if let Some(home) = &*self.home.lock().unwrap() {
            grant["apiHosts"] = json!({ "demo": home });
        }
        grant.to_string()
    }
}
