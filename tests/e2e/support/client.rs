//! The caller: sends exactly what it is told to, and believes nothing that the RFCs do not vouch for.

use std::{fmt::Debug, io, mem::MaybeUninit, net::SocketAddr, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

use super::{
    message::{self, Answer, Framing, Head, end_of_head},
    wait::within,
};

/// One connection to the proxy.
///
/// Every answer that passes through here is checked for two things besides its framing: that it holds no access
/// token, and that its fields are on the list of those that an answer may have.
#[derive(Debug)]
pub(crate) struct Client {
    stream: Box<dyn Wire>,
    inbox: Vec<u8>,
}

/// Whatever the bytes travel by.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Debug + Send + Unpin {
    /// What the kernel can be asked about.
    fn socket(&self) -> SockRef<'_>;
}

impl Wire for TcpStream {
    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

impl Wire for UnixStream {
    fn socket(&self) -> SockRef<'_> {
        self.into()
    }
}

impl Wire for TlsStream<TcpStream> {
    fn socket(&self) -> SockRef<'_> {
        self.get_ref().0.into()
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// FIN.
    Closed,
    /// RST.
    Reset,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    /// One that is connected already.
    pub(crate) fn over(stream: impl Wire + 'static) -> Self {
        Self { stream: Box::new(stream), inbox: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends what the proxy may have stopped reading.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let send = async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        };
        within("the proxy to take bytes", send).await
    }

    /// Says that nothing more will be sent (RFC 9112 §9.6), and goes on listening.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Leaves with RST, as the kernel does for a program that dies with bytes unread.
    pub(crate) fn reset(self) {
        self.stream.socket().set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Sends a request and reads its answer; `request` is all of it but `Host`, body and length.
    pub(crate) async fn ask(&mut self, request: &str, body: &str) -> Answer {
        self.send(write(request, body)).await;
        self.answer_to(request).await
    }

    /// Reads the answer to a request that is not a HEAD.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    /// Reads the answer to a request, whose first line decides whether a body follows.
    pub(crate) async fn answer_to(&mut self, request: &str) -> Answer {
        self.try_answer_to(request)
            .await
            .unwrap_or_else(|end| panic!("half an answer to {request:?}: {end:?}"))
    }

    /// Reads an answer that may break off.
    pub(crate) async fn try_answer_to(&mut self, request: &str) -> Result<Answer, End> {
        let line = request.lines().next().unwrap_or_default();
        within(&format!("the answer to {line:?}"), self.read_answer(request.starts_with("HEAD "))).await
    }

    /// Reads an answer if the kernel has any of one by now.
    pub(crate) async fn answer_at_hand(&mut self) -> Option<Answer> {
        let peeked = self.stream.socket().peek(&mut [MaybeUninit::uninit()]);
        if self.inbox.is_empty() && !matches!(peeked, Ok(1..)) {
            return None;
        }
        self.try_answer_to("GET").await.ok()
    }

    /// Reads the next head alone: an interim answer, or one whose body is to be read bit by bit.
    pub(crate) async fn head(&mut self) -> Head {
        within("a head", self.read_head()).await.unwrap_or_else(|end| panic!("no head: {end:?}"))
    }

    /// Reads exactly so many bytes of what follows.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let fill = async {
            while self.inbox.len() < count {
                self.fill().await.unwrap_or_else(|end| panic!("the connection ended: {end:?}"));
            }
        };
        within("bytes", fill).await;
        self.inbox.drain(..count).collect()
    }

    /// Reads and forgets so many bytes of what follows.
    pub(crate) async fn skip(&mut self, count: u64) {
        let skip = async {
            let mut left = count;
            loop {
                let taken = left.min(self.inbox.len() as u64);
                left -= taken;
                self.inbox.drain(..usize::try_from(taken).unwrap());
                if left == 0 {
                    return;
                }
                self.inbox.reserve(256 * 1024);
                self.fill().await.unwrap_or_else(|end| panic!("{end:?} with {left} bytes to come"));
            }
        };
        within("bytes", skip).await;
    }

    /// Waits for the connection to end, with nothing before that.
    pub(crate) async fn end(&mut self) -> End {
        let end = within("the connection to end", self.fill()).await.err();
        assert!(self.inbox.is_empty(), "unexpected: {:?}", String::from_utf8_lossy(&self.inbox));
        end.unwrap()
    }

    /// Waits for the connection to end, whatever comes before that.
    pub(crate) async fn breaks_off(&mut self) -> End {
        let end = async {
            loop {
                if let Err(end) = self.fill().await {
                    return end;
                }
            }
        };
        within("the connection to break off", end).await
    }

    async fn read_answer(&mut self, to_head: bool) -> Result<Answer, End> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.read_head().await?;
            if (100..200).contains(&message::status(&head)) {
                interim.push(head);
            } else {
                break head;
            }
        };
        let (body, trailers) = match head.framing() {
            _ if to_head || matches!(message::status(&head), 204 | 304) => (Vec::new(), Vec::new()),
            Framing::Length(length) => {
                while self.inbox.len() < length {
                    self.fill().await?;
                }
                (self.inbox.drain(..length).collect(), Vec::new())
            }
            Framing::Chunked => self.read_chunks().await?,
            // RFC 9112 §6.3: until the connection closes; a reset is no end.
            Framing::None => loop {
                match self.fill().await {
                    Ok(()) => {}
                    Err(End::Closed) => break (std::mem::take(&mut self.inbox), Vec::new()),
                    Err(End::Reset) => return Err(End::Reset),
                }
            },
        };
        assert!(!String::from_utf8_lossy(&body).contains(TOKEN), "a token behind {head:?}");
        Ok(Answer { interim, head, body, trailers })
    }

    async fn read_head(&mut self) -> Result<Head, End> {
        let length = loop {
            match end_of_head(&self.inbox) {
                Some(length) => break length,
                None => self.fill().await?,
            }
        };
        let head = Head::read(&self.inbox.drain(..length).collect::<Vec<u8>>());
        for (name, value) in &head.fields {
            assert!(may_stand(name), "{name} has no place in an answer: {head:?}");
            assert!(!value.contains(TOKEN), "a token in {head:?}");
        }
        Ok(head)
    }

    /// Reads a chunked body and its trailers (RFC 9112 §7.1).
    async fn read_chunks(&mut self) -> Result<(Vec<u8>, Vec<(String, String)>), End> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line().await?;
            let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
            if size == 0 {
                break;
            }
            while self.inbox.len() < size + 2 {
                self.fill().await?;
            }
            body.extend(self.inbox.drain(..size));
            let end: Vec<u8> = self.inbox.drain(..2).collect();
            assert_eq!(end, b"\r\n", "a chunk longer than its size");
        }
        let mut trailers = Vec::new();
        loop {
            match self.read_line().await? {
                line if line.is_empty() => return Ok((body, trailers)),
                line => trailers.push(message::field(&line)),
            }
        }
    }

    async fn read_line(&mut self) -> Result<String, End> {
        loop {
            if let Some(at) = self.inbox.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.inbox.drain(..at + 2).collect();
                return Ok(String::from_utf8(line[..at].to_vec()).expect("a line in ASCII"));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), End> {
        match self.stream.read_buf(&mut self.inbox).await {
            Ok(0) => Err(End::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(End::Reset),
            Err(error) => panic!("the connection broke in an unexpected way: {error}"),
        }
    }
}

/// A request in bytes: `head` without `Host`, `body` with its length if there is one.
pub(crate) fn write(head: &str, body: &str) -> String {
    let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
    let fields = if fields.is_empty() { String::new() } else { format!("{}\r\n", fields.trim_end()) };
    let framing = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len())
    };
    let version = if line.contains(" HTTP/") { "" } else { " HTTP/1.1" };
    format!("{line}{version}\r\nHost: 127.0.0.1\r\n{fields}{framing}\r\n{body}")
}

/// The fields that an answer may have; those of a test begin with `X-Test-`.
fn may_stand(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("x-test-") || FIELDS.contains(&name.as_str())
}

/// All but the last group are upstream's or both's; the last is the proxy's own.
const FIELDS: &[&str] = &[
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "location",
    "retry-after",
    "server",
    "transfer-encoding",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "allow",
    "content-security-policy",
    "x-proxy-budget-remaining",
    "idempotency-replayed",
    "x-proxy-outcome",
    "x-proxy-penalty",
    "x-proxy-environment",
    "x-proxy-idempotency",
    "x-proxy-request-id",
];

/// What every access token of the simulated broker, and of the raw one, begins with.
pub(crate) const TOKEN: &str = "SIM-access-";
