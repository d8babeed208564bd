//! The upstream: one thread that costs little, so that what is measured is what stands before it.
//!
//! It answers only who shows the token, so a peer that forgets the header fails. It hands that token to whoever
//! logs in, which is how the proxy comes by it. Plain HTTP at one port, TLS 1.3 at another.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use memchr::memmem::{self, Finder};
use rustix::{
    buffer::spare_capacity,
    event::{PollFd, PollFlags, epoll, poll},
    io::Errno,
    time::{ClockId, clock_gettime},
};
use rustls::{ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

use crate::harness::asked::Asked;

/// Serves until its standard input ends, which is when whoever started it has gone. Prints its two ports first.
pub(crate) fn run(token: &str, certificate: &str, key: &str) -> anyhow::Result<()> {
    let answers = Answers::new(fs::read_to_string(token)?.trim());
    let tls = server_config(certificate, key)?;
    let plain = listener()?;
    let secure = listener()?;
    println!("{} {}", plain.local_addr()?.port(), secure.local_addr()?.port());
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    watch(&epoll, &plain, PLAIN)?;
    watch(&epoll, &secure, SECURE)?;
    watch(&epoll, io::stdin(), PARENT)?;
    let mut served = Served { epoll, connections: Vec::new(), free: Vec::new(), scratch: Scratch::default() };
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&served.epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => bail!(error),
        }
        for event in &events {
            match event.data.u64() {
                PLAIN => served.accept(&plain, None)?,
                SECURE => served.accept(&secure, Some(&tls))?,
                PARENT => return Ok(()),
                token => served.readable(usize::try_from(token - FIRST)?, &answers),
            }
        }
    }
}

fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn watch(epoll: &OwnedFd, source: impl AsFd, token: u64) -> io::Result<()> {
    Ok(epoll::add(epoll, source, epoll::EventData::new_u64(token), epoll::EventFlags::IN)?)
}

fn server_config(certificate: &str, key: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(certificate)?],
            PrivateKeyDer::from_pem_file(key)?,
        )?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

struct Served {
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    scratch: Scratch,
}

/// Buffers that all connections share, one after the other.
struct Scratch {
    received: Vec<u8>,
    answer: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { received: vec![0; 64 * 1024], answer: Vec::with_capacity(64 * 1024) }
    }
}

impl Served {
    fn accept(&mut self, listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) -> anyhow::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the upstream cannot accept"),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let tls = tls.map(|config| ServerConnection::new(Arc::clone(config))).transpose()?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            watch(&self.epoll, &stream, FIRST + u64::try_from(slot)?)?;
            let tls = tls.map(Box::new);
            self.connections[slot] = Some(Connection { stream, tls, inbox: Vec::new(), skip: 0 });
        }
    }

    fn readable(&mut self, slot: usize, answers: &Answers) {
        let Some(connection) = &mut self.connections[slot] else { return };
        // A peer that leaves, however it does, is no trouble of the upstream's: the generator would notice.
        if !connection.serve(answers, &mut self.scratch).unwrap_or(false) {
            self.connections[slot] = None;
            self.free.push(slot);
        }
    }
}

struct Connection {
    stream: TcpStream,
    tls: Option<Box<ServerConnection>>,
    inbox: Vec<u8>,
    /// Bytes of a request body that are still to come.
    skip: usize,
}

impl Connection {
    /// Answers whatever requests are complete; false once the peer has closed.
    fn serve(&mut self, answers: &Answers, scratch: &mut Scratch) -> anyhow::Result<bool> {
        let read = match self.stream.read(&mut scratch.received) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) => bail!(error),
        };
        let received = &scratch.received[..read];
        match &mut self.tls {
            None => self.inbox.extend_from_slice(received),
            Some(tls) => decrypt(tls, received, &mut self.inbox)?,
        }
        scratch.answer.clear();
        self.answer(answers, &mut scratch.answer)?;
        match &mut self.tls {
            None => write_all(&self.stream, &scratch.answer)?,
            Some(tls) => {
                tls.writer().write_all(&scratch.answer)?;
                while tls.wants_write() {
                    match tls.write_tls(&mut &self.stream) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            wait_for_room(&self.stream)?;
                        }
                        written => drop(written?),
                    }
                }
            }
        }
        Ok(true)
    }

    fn answer(&mut self, answers: &Answers, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut rest = &self.inbox[..];
        loop {
            let skipped = self.skip.min(rest.len());
            rest = &rest[skipped..];
            self.skip -= skipped;
            let Some(end) = memmem::find(rest, b"\r\n\r\n") else { break };
            let head = &rest[..end + 2];
            if head.starts_with(b"POST") {
                self.skip = content_length(head).context("a POST has no Content-Length")?;
            }
            answers.to(head, out);
            rest = &rest[end + 4..];
        }
        let taken = self.inbox.len() - rest.len();
        self.inbox.drain(..taken);
        Ok(())
    }
}

fn decrypt(tls: &mut ServerConnection, mut received: &[u8], inbox: &mut Vec<u8>) -> anyhow::Result<()> {
    while !received.is_empty() {
        tls.read_tls(&mut received)?;
        let waiting = tls.process_new_packets()?.plaintext_bytes_to_read();
        let start = inbox.len();
        inbox.resize(start + waiting, 0);
        tls.reader().read_exact(&mut inbox[start..])?;
    }
    Ok(())
}

fn write_all(mut stream: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait_for_room(stream)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Blocks everybody, which is right here: answers are short and peers take them, or they are measured as slow.
fn wait_for_room(stream: &TcpStream) -> io::Result<()> {
    poll(&mut [PollFd::new(stream, PollFlags::OUT)], None)?;
    Ok(())
}

fn content_length(head: &[u8]) -> Option<usize> {
    let value = field(head, b"content-length:")?;
    str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

/// The value of the first field of that name, which is in lower case and has its colon.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (named, value) = line.split_at_checked(name.len())?;
        named.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// All answers there are, rendered once.
struct Answers {
    token: Vec<u8>,
    proof: Finder<'static>,
    small: Rendered,
    large: Rendered,
    unauthorized: Rendered,
}

impl Answers {
    fn new(token: &str) -> Self {
        Self {
            token: token.into(),
            proof: Finder::new(&format!("uthorization: Bearer {token}\r\n")).into_owned(),
            small: Rendered::new("200 OK", &Asked::Small.body()),
            large: Rendered::new("200 OK", &Asked::Large.body()),
            unauthorized: Rendered::new("401 Unauthorized", b"Access is denied"),
        }
    }

    /// Appends the answer to the request with this head.
    fn to(&self, head: &[u8], out: &mut Vec<u8>) {
        let rendered = if head.starts_with(b"POST /v1/auth/accesstokenrequest ") {
            &self.grant()
        } else if self.proof.find(head).is_none() {
            &self.unauthorized
        } else if memmem::find(head, Asked::Large.path().as_bytes()).is_some() {
            &self.large
        } else {
            &self.small
        };
        let length = if head.starts_with(b"HEAD") { rendered.head } else { rendered.bytes.len() };
        out.extend_from_slice(&rendered.bytes[..length]);
    }

    /// A token that outlives any bench, so that no renewal falls into one.
    fn grant(&self) -> Rendered {
        let now = clock_gettime(ClockId::Realtime).tv_sec;
        let expires =
            jiff::Timestamp::from_second(now).unwrap_or_default() + jiff::SignedDuration::from_hours(10);
        let body = serde_json::json!({
            "accessToken": String::from_utf8_lossy(&self.token),
            "expirationTime": expires.to_string(),
            "userId": 15460,
            "name": "sidebyside",
            "userStatus": "Active",
            "hasLive": false,
        });
        Rendered::new("200 OK", body.to_string().as_bytes())
    }
}

/// A whole answer, and where its body begins.
struct Rendered {
    bytes: Vec<u8>,
    head: usize,
}

impl Rendered {
    fn new(status: &str, body: &[u8]) -> Self {
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nServer: upstream\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-Request-Id: 8f14e45fceea167a\r\nCache-Control: no-store\r\n\r\n",
            body.len()
        )
        .into_bytes();
        let head = bytes.len();
        bytes.extend_from_slice(body);
        Self { bytes, head }
    }
}

const PLAIN: u64 = 0;
const SECURE: u64 = 1;
const PARENT: u64 = 2;
/// From here on tokens are slots of connections.
const FIRST: u64 = 3;
