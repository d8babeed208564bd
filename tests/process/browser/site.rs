//! The attacker's web server, which is also the one that checks nothing.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::json;

use super::chromium::{self, Browser};
use crate::support::patience::PATIENCE;

/// Serves the page at `/attack`, records what comes below `/open/`, and passes the rest on. Its threads end with the
/// process.
#[derive(Debug)]
pub(super) struct Site {
    address: SocketAddr,
    desk: Arc<Desk>,
    browsers: Mutex<Vec<Browser>>,
}

#[derive(Debug, Default)]
struct Desk {
    page: Mutex<String>,
    /// The names of the attempts that came to the server without checks.
    recorded: Mutex<BTreeSet<String>>,
    /// Where the page could read an answer of a server that guards itself.
    read: Mutex<Vec<String>>,
    /// Where requests are passed on to, the proxy and the admin listener.
    behind: Mutex<Option<(SocketAddr, SocketAddr)>>,
}

impl Site {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, desk) = (listener.local_addr().unwrap(), Arc::<Desk>::default());
        let serving = Arc::clone(&desk);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let desk = Arc::clone(&serving);
                // A browser that breaks off is no failure.
                thread::spawn(move || stream.and_then(|stream| desk.serve(stream)));
            }
        });
        Self { address, desk, browsers: Mutex::default() }
    }

    /// Shows the page under `origin`, to attack the two listeners by their right names.
    pub(super) fn attack(&self, origin: &str, proxy: SocketAddr, admin: SocketAddr) {
        let own = format!("http://127.0.0.1:{}", self.address.port());
        self.show(origin, &format!("http://{proxy}"), &format!("http://{admin}"), &own);
    }

    /// Shows the page under `origin`, where both listeners are now.
    pub(super) fn attack_rebound(&self, origin: &str, proxy: SocketAddr, admin: SocketAddr) {
        *self.desk.behind.lock().unwrap() = Some((proxy, admin));
        self.show(origin, "", "", "");
    }

    /// The attempts that came to the server without checks.
    pub(super) fn recorded(&self) -> BTreeSet<String> {
        self.desk.recorded.lock().unwrap().clone()
    }

    /// Where the page could read an answer.
    pub(super) fn read_from(&self) -> Vec<String> {
        self.desk.read.lock().unwrap().clone()
    }

    fn show(&self, origin: &str, proxy: &str, admin: &str, open: &str) {
        let origin = format!("{origin}:{}", self.address.port());
        // No origin of its own: that of the page.
        let at = |given: &str| if given.is_empty() { origin.clone() } else { given.to_owned() };
        let targets = json!([
            { "origin": at(proxy), "change": "/v1/order/placeorder", "read": "/v1/account/list", "guarded": true },
            { "origin": at(admin), "change": "/session/pause", "read": "/status", "guarded": true },
            { "origin": at(open), "change": "/open/change", "read": "/open/read", "guarded": false },
        ]);
        *self.desk.page.lock().unwrap() = include_str!("page.html").replace("TARGETS", &targets.to_string());
        self.browsers.lock().unwrap().push(chromium::open(&format!("{origin}/attack")));
    }
}

impl Desk {
    /// One request, and no other on its connection.
    fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let length = field(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let path = target.split('?').next().unwrap_or_default();
        let behind = *self.behind.lock().unwrap();
        match (path, behind) {
            ("/attack", _) => answer(&mut stream, &head, "text/html", &self.page.lock().unwrap()),
            ("/read", _) => {
                self.read.lock().unwrap().push(target);
                answer(&mut stream, &head, "text/plain", "")
            }
            (path, _) if path.starts_with("/open/") => {
                // What a preflight asks for is granted, and only what follows it is recorded.
                if !head.starts_with("OPTIONS ") {
                    let name = target.split("try=").nth(1).unwrap_or_default();
                    let name = name.split('&').next().unwrap_or_default().to_owned();
                    self.recorded.lock().unwrap().insert(name);
                }
                answer(&mut stream, &head, "text/plain", "")
            }
            (path, Some((_, admin))) if path == "/status" || path.starts_with("/session/") => {
                pass_on(stream, admin, &head, &body)
            }
            (path, Some((proxy, _))) if path.starts_with("/v1/") => pass_on(stream, proxy, &head, &body),
            _ => answer(&mut stream, &head, "text/plain", ""),
        }
    }
}

/// With every grant that the page could ask for, to whoever asks.
fn answer(stream: &mut TcpStream, head: &str, kind: &str, body: &str) -> io::Result<()> {
    let (origin, length) = (field(head, "origin").unwrap_or("*"), body.len());
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n\
         Access-Control-Allow-Methods: POST, PUT\r\n\
         Access-Control-Allow-Headers: content-type, x-custom, x-proxy-key\r\n\
         Access-Control-Allow-Private-Network: true\r\n\r\n{body}"
    )
}

/// The value of a field in a head.
fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The request as it came, and then whatever comes back.
fn pass_on(mut stream: TcpStream, to: SocketAddr, head: &str, body: &[u8]) -> io::Result<()> {
    let mut there = TcpStream::connect(to)?;
    there.write_all(head.as_bytes())?;
    there.write_all(body)?;
    // Nothing more will be sent, so that the answer is the last on its connection.
    there.shutdown(Shutdown::Write)?;
    io::copy(&mut there, &mut stream).map(drop)
}
