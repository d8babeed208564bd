//! Orders, a few at a time, and how long each took.

use std::{collections::VecDeque, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    task::JoinSet,
    time::Instant,
};

/// A connection, whatever the bytes travel by.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One who places orders.
pub(crate) struct Caller {
    wire: Box<dyn Wire>,
    request: Vec<u8>,
}

/// How long the orders of a case took, in order.
#[derive(Default)]
pub(crate) struct Took(Vec<Duration>);

impl Caller {
    /// On a connection of his own, with the fields that say where to, and who asks if that is for him to say.
    pub(crate) fn new(wire: impl Wire + 'static, fields: &str) -> Self {
        let length = ORDER.len();
        let request = format!(
            "POST /v1/order/placeorder HTTP/1.1\r\n{fields}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{ORDER}"
        );
        Self { wire: Box::new(wire), request: request.into_bytes() }
    }

    async fn order(&mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        self.wire.write_all(&self.request).await?;
        self.wire.flush().await?;
        let mut inbox = Vec::with_capacity(4096);
        while whole(&inbox).is_none_or(|whole| inbox.len() < whole) {
            ensure!(self.wire.read_buf(&mut inbox).await? > 0, "the connection ended early");
        }
        let took = begun.elapsed();
        let text = String::from_utf8_lossy(&inbox);
        ensure!(text.starts_with("HTTP/1.1 200 ") && text.contains("orderId"), "no order was placed: {text}");
        Ok(took)
    }
}

/// How long the answer that begins so is.
fn whole(inbox: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(inbox).to_ascii_lowercase();
    let (head, _) = text.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    Some(head.len() + 4 + length.trim().parse::<usize>().ok()?)
}

/// One order each, [`AT_A_TIME`] under way.
pub(crate) async fn all_order(callers: Vec<Caller>) -> anyhow::Result<(Vec<Caller>, Took)> {
    let mut waiting = VecDeque::from(callers);
    let (mut done, mut took, mut under_way) = (Vec::new(), Vec::new(), JoinSet::new());
    loop {
        while under_way.len() < AT_A_TIME
            && let Some(mut caller) = waiting.pop_front()
        {
            under_way.spawn(async move {
                let took = caller.order().await?;
                anyhow::Ok((caller, took))
            });
        }
        let Some(ordered) = under_way.join_next().await else { break };
        let (caller, time) = ordered?.context("an order")?;
        done.push(caller);
        took.push(time);
    }
    took.sort_unstable();
    Ok((done, Took(took)))
}

impl Took {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.sort_unstable();
    }

    /// How many took no longer.
    pub(crate) fn at_most(&self, time: Duration) -> usize {
        self.0.partition_point(|took| *took <= time)
    }

    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }
}

const ORDER: &str = concat!(
    r#"{"accountSpec":"DEMO15460","accountId":6270,"action":"Buy","symbol":"ESZ6","orderQty":1,"#,
    r#""orderType":"Limit","price":6000,"isAutomated":true}"#,
);

const AT_A_TIME: usize = 4;
