//! At most once, on the wire, and truthful outcomes.
//!
//! The rule: upstream sees at most one copy of each order and each write, and two of a read; whoever asked learns
//! that it was answered, was *not sent*, or has an *unknown* outcome; and "not sent" is never said of a request that
//! upstream has seen. Here upstream keeps a [`record`] of its own, every request has a number, and in the end both
//! sides are laid beside each other.
//!
//! [`offsets`] cuts the connection at every byte of a request and of its answer; [`chance`] cuts ten thousand times
//! at random, over each protocol; [`frames`] is what HTTP/2 can say to a request, frame by frame; [`statuses`] are the
//! answers that make other clients ask again; [`lateness`] is what comes after a time-out; [`departures`] are callers
//! that leave; [`keys`], callers that ask again by themselves.

mod blade;
mod chance;
mod departures;
mod frames;
mod keys;
mod lateness;
mod offsets;
mod origin;
mod record;
mod statuses;

use self::record::Outcome;
use crate::support::{client::End, message::Answer};

/// What a request does, and so how often upstream may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Read,
    Write,
    Order,
}

impl Effect {
    const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Order];
    const UNREPEATABLE: [Self; 2] = [Self::Write, Self::Order];

    /// Copies that upstream may see of one request.
    fn most(self) -> usize {
        match self {
            Self::Read => 2,
            Self::Write | Self::Order => 1,
        }
    }

    /// A request of this kind with a number of its own, in bytes. All of a kind are equally long.
    fn request(self, number: u64) -> String {
        let (line, body) = match self {
            Self::Read => ("GET /v1/account/list", String::new()),
            Self::Write => {
                ("POST /v1/accountRiskStatus/setaccountnotes", format!("{{\"notes\":\"{number:06}\"}}"))
            }
            Self::Order => {
                ("POST /v1/order/placeorder", format!("{{\"symbol\":\"ESZ6\",\"clOrdId\":\"{number:06}\"}}"))
            }
        };
        let framing = match body.len() {
            0 => String::new(),
            length => format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"),
        };
        format!("{line}?number={number:06} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n{body}")
    }
}

/// What its caller can conclude.
fn outcome(answered: Result<&Answer, &End>) -> Outcome {
    match answered {
        Err(_) => Outcome::BrokenOff,
        Ok(answer) => match answer.outcome() {
            None | Some("answered") => Outcome::Answered,
            Some("not-sent") => Outcome::NotSent,
            Some("unknown") => Outcome::Unknown,
            Some(other) => panic!("an outcome that is none: {other}"),
        },
    }
}
