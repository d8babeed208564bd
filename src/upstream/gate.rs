//! The last word before a request leaves over HTTP/2.
//!
//! Upstream says how many requests a connection may carry at once (RFC 9113 §5.1.2), and hyper keeps what is beyond
//! that in a queue of its own: what is asked before a request is handed over says nothing of the moment when it leaves.
//! hyper takes the body only once the request has its stream. So the body asks: until then nothing of it, nor the end
//! of the request, can have left, and after a refusal the stream is reset. A request that has a body cannot be carried
//! out without it; of one that has none, its head alone may be enough for somebody.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Whether a request may still leave: asked on any thread, at the last moment.
pub type LastWord = Box<dyn Fn() -> bool + Send + Sync>;

/// One request's way out: open once, or shut for good.
#[derive(Clone)]
pub(super) struct Gate(Arc<Inner>);

struct Inner {
    state: AtomicU8,
    may_leave: LastWord,
}

impl Gate {
    pub(super) fn new(may_leave: LastWord) -> Self {
        Self(Arc::new(Inner { state: AtomicU8::new(WAITING), may_leave }))
    }

    /// Lets the body out, if it may still leave and nobody has shut the gate.
    fn opens(&self) -> bool {
        if !(self.0.may_leave)() {
            self.shut();
            return false;
        }
        self.0.state.compare_exchange(WAITING, LEFT, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// From now on nothing leaves that has not. Says whether nothing has.
    pub(super) fn shut(&self) -> bool {
        match self.0.state.compare_exchange(WAITING, SHUT, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => true,
            Err(state) => state == SHUT,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("state", &self.0.state).finish_non_exhaustive()
    }
}

/// A body in one piece, behind a gate if there is one.
#[derive(Debug)]
pub(super) struct GatedBody {
    gate: Option<Gate>,
    data: Option<Bytes>,
}

impl GatedBody {
    pub(super) fn new(data: Bytes, gate: Option<Gate>) -> Self {
        // With a gate there is always something to take: else the head would be the whole request.
        let data = (gate.is_some() || !data.is_empty()).then_some(data);
        Self { gate, data }
    }
}

impl Body for GatedBody {
    type Data = Bytes;
    type Error = Withheld;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Withheld>>> {
        let data = self.data.take();
        if self.gate.take().is_some_and(|gate| !gate.opens()) {
            return Poll::Ready(Some(Err(Withheld)));
        }
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |data| data.len() as u64))
    }
}

/// The request was not to leave any more.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request was withheld while it waited for its turn")]
pub(super) struct Withheld;

const WAITING: u8 = 0;
const LEFT: u8 = 1;
const SHUT: u8 = 2;

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn gate(may_leave: bool) -> Gate {
        Gate::new(Box::new(move || may_leave))
    }

    #[tokio::test]
    async fn what_has_left_has_left_and_what_is_shut_in_stays() {
        let open = gate(true);
        let body = GatedBody::new(Bytes::from_static(b"{}"), Some(open.clone()));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "{}");
        assert!(!open.shut());

        for (gate, is_shut_first) in [(gate(true), true), (gate(false), false)] {
            if is_shut_first {
                assert!(gate.shut());
            }
            let body = GatedBody::new(Bytes::from_static(b"{}"), Some(gate.clone()));
            assert!(body.collect().await.is_err());
            assert!(gate.shut());
        }
    }

    #[test]
    fn without_a_body_there_is_still_something_to_ask_for() {
        assert!(!GatedBody::new(Bytes::new(), Some(gate(true))).is_end_stream());
        assert!(GatedBody::new(Bytes::new(), None).is_end_stream());
    }
}
