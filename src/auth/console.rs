//! What an operator may ask of the session, and how it is answered.

use std::fmt;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

/// Makes the two ends: one for those who give orders, one for the [`Renewer`](crate::auth::Renewer) that obeys.
pub fn console() -> (Console, Orders) {
    let (sender, orders) = mpsc::channel(PENDING);
    (Console { sender }, Orders { orders })
}

/// One thing asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Extend the session now, inside the budget.
    Renew,
    /// Open a session now, inside the budget, whatever the policy for a lost seat says, and even with credentials
    /// that were refused before.
    Acquire,
    /// Use no session until told otherwise, or until this instant: requests are refused and nothing is sent.
    Pause {
        /// When to go on without being told.
        until: Option<Timestamp>,
    },
    /// Go on after a pause, or take back a seat that was lost.
    Resume,
}

/// Why an order was not carried out. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Declined {
    /// The session is paused.
    #[error("the session is paused: resume it first")]
    Paused,
    /// There is nothing to renew.
    #[error("there is no live token to renew: acquire one")]
    NoToken,
    /// Neither is it paused nor has its seat been taken.
    #[error(
        "there is nothing to resume: the session is neither paused nor has another login taken its place"
    )]
    NothingToResume,
    /// The token that was handed over is in use, or what came of it is.
    #[error("the token that was handed over has been taken up already")]
    SameToken,
    /// A budget is spent, or the broker imposed a wait.
    #[error("not before {at}: {reason}")]
    NotBefore {
        /// When it would be carried out.
        at: Timestamp,
        /// What stands in the way.
        reason: &'static str,
    },
    /// It was tried, and failed; `result` is the label that metrics and `/status` show too.
    #[error("tried, without success: {result}")]
    Failed {
        /// A [`SourceError::label`](crate::auth::source::SourceError::label).
        result: &'static str,
    },
    /// The process is ending.
    #[error("the proxy is stopping")]
    Stopping,
}

/// Gives orders. Cheap to clone.
#[derive(Clone)]
pub struct Console {
    sender: mpsc::Sender<Request>,
}

impl Console {
    /// Gives `order` and waits until it was carried out. Dropped, the order is carried out all the same.
    ///
    /// # Errors
    /// When it was not; the text says why.
    pub async fn give(&self, order: Order) -> Result<(), Declined> {
        let (reply, answer) = oneshot::channel();
        self.sender.send(Request { order, reply }).await.map_err(|_| Declined::Stopping)?;
        answer.await.unwrap_or(Err(Declined::Stopping))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

/// Where orders arrive. Not `Clone`: one obeys.
#[derive(Debug)]
pub struct Orders {
    orders: mpsc::Receiver<Request>,
}

impl Orders {
    /// The next order; waits for ever once nobody can give one. Cancel safe.
    pub async fn next(&mut self) -> Request {
        match self.orders.recv().await {
            Some(request) => request,
            None => std::future::pending().await,
        }
    }
}

/// One order, and where its answer goes.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub order: Order,
    reply: oneshot::Sender<Result<(), Declined>>,
}

impl Request {
    /// Answers it. Whoever asked may have gone meanwhile.
    pub fn answer(self, answer: Result<(), Declined>) {
        let _ = self.reply.send(answer);
    }
}

/// Orders that may wait. They come from people, so more than a few are a mistake.
const PENDING: usize = 4;
