//! Those who call: some as they should, some not.

use std::{
    io,
    net::SocketAddr,
    ops::AddAssign,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use crate::support::{
    http::{Answer, Connection},
    patience::linger,
};

/// One caller, and its number among all of them, ever.
pub(super) struct Caller {
    kind: Kind,
    name: String,
    address: SocketAddr,
    connection: Option<Connection>,
    tally: Tally,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Reads, on one connection for as long as it lasts.
    Reads,
    /// Places orders, each under a name of its own.
    Trades,
    /// Logs in by itself: answered by the proxy.
    LogsIn,
    /// Sends what is no request.
    Garbles,
    /// Sends bodies that need a share of what all bodies may take.
    Uploads,
    /// Leaves with half a request sent, or half an answer read.
    Leaves,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// With an answer of the broker's, or the proxy's in its place.
    pub(super) answered: u64,
    /// By the proxy, before anything was sent.
    pub(super) refused: u64,
    /// Half an answer, none, or one that says that upstream failed.
    pub(super) broken: u64,
    /// By their caller.
    pub(super) left: u64,
}

impl Caller {
    /// One of each kind, and of those that matter two.
    pub(super) fn all(round: u64, address: SocketAddr) -> Vec<Self> {
        let kinds = [
            Kind::Reads,
            Kind::Reads,
            Kind::Trades,
            Kind::Trades,
            Kind::LogsIn,
            Kind::Garbles,
            Kind::Uploads,
            Kind::Uploads,
            Kind::Leaves,
        ];
        let caller = |(number, kind)| Self {
            kind,
            name: format!("{round}-{number}"),
            address,
            connection: None,
            tally: Tally::default(),
        };
        kinds.into_iter().enumerate().map(caller).collect()
    }

    /// Calls again and again. What is answered is checked; that it is not, is counted.
    pub(super) fn calls_until(mut self, stop: &AtomicBool) -> Tally {
        let mut number = 0_u64;
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            match self.kind {
                Kind::Reads => self.calls("GET", "/v1/account/list", ""),
                Kind::Trades => {
                    let order = ORDER.replace("NAME", &format!("{}-{number}", self.name));
                    self.calls("POST", "/v1/order/placeorder", &order);
                }
                Kind::LogsIn => self.calls("POST", "/v1/auth/accesstokenrequest", "{}"),
                Kind::Garbles => self.calls("GET", "/v1/ account/list", ""),
                Kind::Uploads => self.calls("POST", "/v1/order/list", &" ".repeat(900_000)),
                Kind::Leaves => self.leaves(number),
            }
            linger(PAUSE);
        }
        self.tally
    }

    fn calls(&mut self, method: &str, target: &str, body: &str) {
        match self.call(method, target, body) {
            Ok(answer) if answer.head.contains("\r\nX-Proxy-Outcome: not-sent\r\n") => {
                self.tally.refused += 1;
            }
            Ok(answer) if answer.status < 500 => self.tally.answered += 1,
            Ok(_) => self.tally.broken += 1,
            Err(_) => {
                self.tally.broken += 1;
                self.connection = None;
            }
        }
    }

    fn call(&mut self, method: &str, target: &str, body: &str) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address)?,
        };
        connection.send(method, target, "Content-Type: application/json\r\n", body)?;
        let answer = connection.answer()?;
        if !answer.head.contains("\r\nConnection: close\r\n") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    fn leaves(&mut self, number: u64) {
        let Ok(mut connection) = Connection::open(self.address) else { return };
        let begun = BEGUN[usize::try_from(number).unwrap_or_default() % BEGUN.len()];
        if connection.write(begun).is_ok() && begun.ends_with("\r\n\r\n") {
            // Half an answer is enough.
            let _ = connection.head();
        }
        self.tally.left += 1;
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.answered += other.answered;
        self.refused += other.refused;
        self.broken += other.broken;
        self.left += other.left;
    }
}

const ORDER: &str = r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Market","isAutomated":true,"clOrdId":"NAME"}"#;
const BEGUN: [&str; 5] = [
    "",
    "GET /v1/acc",
    "POST /v1/order/list HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    "GET /v1/order/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /v1/position/list HTTP/1.1\r\nHost: localhost\r\n\r\n",
];
/// So that a machine that is busy with the tests beside this one has time for them.
const PAUSE: Duration = Duration::from_millis(4);
