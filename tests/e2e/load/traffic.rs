//! Callers of every kind, all at once, each with a script that it plays again and again.

use std::net::SocketAddr;

use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tradovate_proxy::proxy::PLACEHOLDER;

use crate::support::{Answer, Client, client::write, within};

/// Callers at work. They begin, and come to rest, when told to.
#[derive(Debug)]
pub(super) struct Traffic {
    callers: JoinSet<Report>,
    order: watch::Sender<Order>,
    done: mpsc::UnboundedReceiver<()>,
}

/// What one caller met, or all.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Requests that upstream answered with 200, each of which it is to have seen once with a good token.
    pub(super) served: u32,
    /// Requests that the proxy answered by itself.
    pub(super) local: u32,
    /// The `clOrdId` of each order that was placed, as its answer says.
    pub(super) placed: Vec<String>,
    /// The `clOrdId` of each that upstream refused for its token, as its answer says.
    pub(super) refused: Vec<String>,
    /// What else but a read was refused so.
    pub(super) others_refused: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Rest,
    Work,
    Leave,
}

/// What a caller does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Reads on one connection, by GET and by POST.
    Reader,
    /// Reads on a connection for each.
    Closing,
    /// Reads as HTTP/1.0 does.
    Old,
    /// Reads what is long.
    Bulk,
    /// Places, modifies and cancels, on one connection.
    Trader,
    /// Places with a body in chunks.
    Chunked,
    /// Changes something that is no order.
    Writer,
    /// Logs in and renews by itself, as client libraries do.
    Stock,
}

impl Kind {
    /// Those whose answers are short, and the sandbox's own.
    pub(super) const SHORT: [Self; 7] =
        [Self::Reader, Self::Closing, Self::Old, Self::Trader, Self::Chunked, Self::Writer, Self::Stock];
}

/// What the long answer is read from.
pub(super) const LONG: &str = "orderstrategy/list";
/// How long it is.
pub(super) const LENGTH: u64 = 60_000;

impl Traffic {
    /// These callers, at rest.
    pub(super) fn of(kinds: impl IntoIterator<Item = Kind>, address: SocketAddr) -> Self {
        let (order, orders) = watch::channel(Order::Rest);
        let (report, done) = mpsc::unbounded_channel();
        let mut callers = JoinSet::new();
        for (name, kind) in kinds.into_iter().enumerate() {
            let caller = Caller { kind, name, address, kept: None, orders: 0, report: Report::default() };
            callers.spawn(caller.live(orders.clone(), report.clone()));
        }
        Self { callers, order, done }
    }

    /// Lets them begin, and returns when each has played its script once.
    pub(super) async fn begins(&mut self) {
        self.tell(Order::Work).await;
    }

    /// Lets each play its script once more, and returns when all are at rest.
    pub(super) async fn rests(&mut self) {
        self.tell(Order::Rest).await;
    }

    async fn tell(&mut self, order: Order) {
        self.order.send_replace(order);
        for _ in 0..self.callers.len() {
            let done = async {
                tokio::select! {
                    done = self.done.recv() => done.unwrap(),
                    Some(ended) = self.callers.join_next() => panic!("a caller left: {:?}", ended.err()),
                }
            };
            within("a caller to be done", done).await;
        }
    }

    /// Sends them away; what all of them met.
    pub(super) async fn ends(&mut self) -> Report {
        self.order.send_replace(Order::Leave);
        let mut whole = Report::default();
        while let Some(report) = within("a caller to leave", self.callers.join_next()).await {
            let mut report = report.unwrap();
            whole.served += report.served;
            whole.local += report.local;
            whole.placed.append(&mut report.placed);
            whole.refused.append(&mut report.refused);
            whole.others_refused += report.others_refused;
        }
        whole
    }
}

struct Caller {
    kind: Kind,
    name: usize,
    address: SocketAddr,
    kept: Option<Client>,
    orders: usize,
    report: Report,
}

impl Caller {
    async fn live(mut self, mut order: watch::Receiver<Order>, done: mpsc::UnboundedSender<()>) -> Report {
        loop {
            let told = *order.wait_for(|order| *order != Order::Rest).await.unwrap();
            if told == Order::Leave {
                return self.report;
            }
            self.play().await;
            done.send(()).unwrap();
            while *order.borrow() == Order::Work {
                self.play().await;
            }
            self.play().await;
            done.send(()).unwrap();
        }
    }

    async fn play(&mut self) {
        match self.kind {
            Kind::Reader => {
                self.reads("GET /v1/account/list", "").await;
                self.reads("GET /v1/account/item?id=6270", "").await;
                self.reads("POST /v1/cashBalance/getcashbalancesnapshot", r#"{"accountId":6270}"#).await;
            }
            Kind::Closing => {
                self.reads("GET /v1/account/list HTTP/1.1\r\nConnection: close", "").await;
                self.kept = None;
            }
            Kind::Old => {
                self.reads("GET /v1/contract/find?name=ESZ6 HTTP/1.0", "").await;
                self.kept = None;
            }
            Kind::Bulk => {
                let answer = self.reads(&format!("GET /v1/{LONG}"), "").await;
                assert_eq!(answer.body.len() as u64, LENGTH);
            }
            Kind::Trader => self.trades().await,
            Kind::Chunked => {
                let (id, ticket) = self.ticket();
                let (begin, end) = ticket.split_at(7);
                let request = format!(
                    "POST /v1/order/placeorder HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                     Transfer-Encoding: chunked\r\n\r\n7\r\n{begin}\r\n{:x}\r\n{end}\r\n0\r\n\r\n",
                    end.len()
                );
                let answer = self.sends(&request).await;
                self.is_placed(id, &answer);
            }
            Kind::Writer => {
                let nobodys = r#"{"accountIds":[1]}"#;
                let answer = self.asks("POST /v1/account/resetdemoaccountstate", nobodys).await;
                if !self.is_served(&answer) {
                    self.report.others_refused += 1;
                }
            }
            Kind::Stock => {
                for call in ["POST /v1/auth/accesstokenrequest", "GET /v1/auth/renewaccesstoken"] {
                    let answer = self.asks(call, "").await;
                    assert_eq!(
                        (answer.status(), answer.json()["accessToken"].as_str()),
                        (200, Some(PLACEHOLDER))
                    );
                    self.report.local += 1;
                }
                self.reads(
                    &format!("GET /v1/position/list HTTP/1.1\r\nAuthorization: Bearer {PLACEHOLDER}"),
                    "",
                )
                .await;
            }
        }
    }

    async fn trades(&mut self) {
        let (id, ticket) = self.ticket();
        let answer = self.asks("POST /v1/order/placeorder", &ticket).await;
        let Some(order) = self.is_placed(id, &answer) else { return };
        let terms = format!(
            r#"{{"orderId":{order},"orderQty":1,"orderType":"Limit","price":6001.25,"isAutomated":true}}"#
        );
        let cancel = format!(r#"{{"orderId":{order},"isAutomated":true}}"#);
        for (request, body) in [("modifyorder", &terms), ("cancelorder", &cancel)] {
            let answer = self.asks(&format!("POST /v1/order/{request}"), body).await;
            if self.is_served(&answer) {
                assert!(answer.json()["commandId"].is_i64(), "{request}: {}", answer.text());
            } else {
                self.report.others_refused += 1;
            }
        }
    }

    /// An order that the market does not reach, under a name of its own.
    fn ticket(&mut self) -> (String, String) {
        self.orders += 1;
        let id = format!("c{}-{}", self.name, self.orders);
        let ticket = format!(
            r#"{{"accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"orderType":"Limit","price":6000.5,"isAutomated":true,"clOrdId":"{id}"}}"#
        );
        (id, ticket)
    }

    /// The number of the order, if it was placed.
    fn is_placed(&mut self, id: String, answer: &Answer) -> Option<i64> {
        if !self.is_served(answer) {
            self.report.refused.push(id);
            return None;
        }
        self.report.placed.push(id);
        let order = answer.json()["orderId"].as_i64();
        assert!(order.is_some(), "{}", answer.text());
        order
    }

    /// Whether upstream answered 200. The one other answer there may be is its own refusal of the token.
    fn is_served(&mut self, answer: &Answer) -> bool {
        if answer.status() == 200 {
            assert_eq!(answer.outcome(), None);
            self.report.served += 1;
            return true;
        }
        assert_eq!((answer.status(), answer.outcome()), (401, Some("answered")), "{answer:?}");
        false
    }

    /// A read is served, whatever happens meanwhile.
    async fn reads(&mut self, request: &str, body: &str) -> Answer {
        let answer = self.asks(request, body).await;
        assert_eq!((answer.status(), answer.outcome()), (200, None), "{request}: {answer:?}");
        self.report.served += 1;
        answer
    }

    async fn asks(&mut self, request: &str, body: &str) -> Answer {
        self.sends(&write(request, body)).await
    }

    async fn sends(&mut self, bytes: &str) -> Answer {
        if self.kept.is_none() {
            self.kept = Some(Client::connect(self.address).await);
        }
        let client = self.kept.as_mut().unwrap();
        client.send(bytes).await;
        client.answer_to(bytes).await
    }
}
