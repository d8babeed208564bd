//! Answers' bodies, whole or made as they are sent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

/// A body that may be slow, endless, cut off or followed by trailers. Holds what it was given and no more: a
/// huge one repeats one static block. Not `Debug`: it may be a grant.
pub(crate) struct AnswerBody {
    source: Source,
    piece: usize,
    pause: Option<Pause>,
    end: End,
    length: Length,
}

enum Source {
    Whole(Bytes),
    Block { left: u64 },
}

struct Pause {
    each: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

enum End {
    Clean,
    Trailers(Option<HeaderMap>),
    /// An error after the last byte, once what came before has had its chance to be flushed.
    Cut {
        flushed: bool,
    },
}

/// Whether the length is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Declared,
    Chunked,
}

impl AnswerBody {
    /// These bytes.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self::from(Source::Whole(bytes))
    }

    /// So many bytes of filling.
    pub(crate) fn huge(bytes: u64, length: Length) -> Self {
        Self { length, ..Self::from(Source::Block { left: bytes }) }
    }

    /// The same, in pieces with a pause before each.
    pub(crate) fn dripping(self, piece: usize, each: Duration) -> Self {
        Self { piece: piece.max(1), pause: Some(Pause { each, sleep: None }), ..self }
    }

    /// The same, chunked and followed by trailers.
    pub(crate) fn with_trailers(self, trailers: HeaderMap) -> Self {
        Self { end: End::Trailers(Some(trailers)), length: Length::Chunked, ..self }
    }

    /// The same without a byte of content, ending as it would have.
    pub(crate) fn without_content(self) -> Self {
        Self { source: Source::Whole(Bytes::new()), ..self }
    }

    /// The same, failing after so many bytes.
    pub(crate) fn cut(self, after: u64) -> Self {
        let source = match self.source {
            Source::Whole(bytes) => {
                let after = usize::try_from(after).map_or(bytes.len(), |after| after.min(bytes.len()));
                Source::Whole(bytes.slice(..after))
            }
            Source::Block { left } => Source::Block { left: left.min(after) },
        };
        Self { source, end: End::Cut { flushed: false }, ..self }
    }

    fn from(source: Source) -> Self {
        Self { source, piece: usize::MAX, pause: None, end: End::Clean, length: Length::Declared }
    }

    fn left(&self) -> u64 {
        match &self.source {
            Source::Whole(bytes) => bytes.len() as u64,
            Source::Block { left } => *left,
        }
    }

    fn next_piece(&mut self) -> Bytes {
        match &mut self.source {
            Source::Whole(bytes) => bytes.split_to(self.piece.min(bytes.len())),
            Source::Block { left } => {
                let most = self.piece.min(BLOCK.len());
                let take = usize::try_from(*left).map_or(most, |left| left.min(most));
                *left -= take as u64;
                Bytes::from_static(&BLOCK[..take])
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left() > 0 {
            if let Some(pause) = &mut self.pause {
                let each = pause.each;
                let sleep = pause.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(each)));
                std::task::ready!(sleep.as_mut().poll(cx));
                pause.sleep = None;
            }
            return Poll::Ready(Some(Ok(Frame::data(self.next_piece()))));
        }
        match &mut self.end {
            End::Clean => Poll::Ready(None),
            End::Trailers(trailers) => {
                Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            End::Cut { flushed } if *flushed => {
                Poll::Ready(Some(Err(io::Error::other("the answer is cut off here on purpose"))))
            }
            End::Cut { flushed } => {
                // hyper flushes whenever the body is pending, and would drop what it has buffered on an error.
                *flushed = true;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0 && matches!(self.end, End::Clean)
    }

    fn size_hint(&self) -> SizeHint {
        match (self.length, &self.end) {
            (Length::Declared, End::Clean) => SizeHint::with_exact(self.left()),
            _ => SizeHint::default(),
        }
    }
}

static BLOCK: [u8; 8 * 1024] = [b'.'; 8 * 1024];
