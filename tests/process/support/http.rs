//! HTTP/1.1 over a socket, one step at a time, so that a test can stop in the middle of an answer.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::Value;

use crate::support::patience::PATIENCE;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and header fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

pub(crate) fn get(address: SocketAddr, target: &str) -> Answer {
    try_get(address, target).unwrap()
}

/// For servers that may not be there (any more), or break off.
pub(crate) fn try_get(address: SocketAddr, target: &str) -> io::Result<Answer> {
    call(address, "GET", target, "Connection: close\r\n", "")
}

pub(crate) fn post(address: SocketAddr, target: &str, json: &str) -> Answer {
    try_post(address, target, json).unwrap()
}

pub(crate) fn try_post(address: SocketAddr, target: &str, json: &str) -> io::Result<Answer> {
    call(address, "POST", target, "Connection: close\r\nContent-Type: application/json\r\n", json)
}

/// One request on a connection of its own, with `fields` as they stand.
pub(crate) fn call(
    address: SocketAddr,
    method: &str,
    target: &str,
    fields: &str,
    body: &str,
) -> io::Result<Answer> {
    let mut connection = Connection::open(address)?;
    connection.send(method, target, fields, body)?;
    connection.answer()
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, method: &str, target: &str, fields: &str, body: &str) -> io::Result<()> {
        let host = self.0.get_ref().peer_addr()?;
        let length = body.len();
        let length = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
        self.write(&format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}{length}\r\n{body}"))
    }

    /// Bytes as they stand.
    pub(crate) fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Reads an answer to its end.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let head = self.head()?;
        let body = self.body(&head)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Answer { status: status.ok_or_else(|| garbled(&head))?, head, body })
    }

    /// Reads the head of an answer, and no further.
    pub(crate) fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    /// Reads the body that belongs to `head`.
    pub(crate) fn body(&mut self, head: &str) -> io::Result<Vec<u8>> {
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(':'));
            fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        let mut body = Vec::new();
        if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            while self.chunk(&mut body)? {}
        } else if let Some(length) = field("content-length") {
            body.resize(length.parse().map_err(|_| garbled(length))?, 0);
            self.0.read_exact(&mut body)?;
        } else {
            self.0.read_to_end(&mut body)?;
        }
        Ok(body)
    }

    /// Whether the peer has closed the connection, and in order. Waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let size = usize::from_str_radix(line.trim(), 16).map_err(|_| garbled(&line))?;
        let start = body.len();
        body.resize(start + size, 0);
        self.0.read_exact(&mut body[start..])?;
        line.clear();
        self.0.read_line(&mut line)?;
        Ok(size > 0)
    }
}

fn garbled(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
