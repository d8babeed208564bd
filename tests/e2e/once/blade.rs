//! Cutting a connection at a byte.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

use crate::support::client::End;

/// Where, and how, the connections of one upstream are to be cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Blade(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    struck: Notify,
}

#[derive(Debug, Default)]
struct State {
    cut: Option<Cut>,
    /// How often it was set; a connection counts its bytes from there on.
    setting: u64,
    /// Bytes that upstream has read, and written, since.
    passed: [usize; 2],
    /// How a strike ends the connections that it hits.
    strike: Option<End>,
}

/// Which of upstream's bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that it reads.
    Request,
    /// Those that it writes.
    Response,
}

impl Side {
    pub(super) const ALL: [Self; 2] = [Self::Request, Self::Response];
}

/// One cut: after so many bytes, in this way, of this many connections one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) side: Side,
    pub(super) after: usize,
    pub(super) how: End,
    pub(super) times: usize,
}

impl Blade {
    /// Lets every byte pass from now on, but for this cut; forgets one that was set before.
    pub(super) fn set(&self, cut: impl Into<Option<Cut>>) {
        let mut state = self.0.state.lock().unwrap();
        let setting = state.setting + 1;
        *state = State { cut: cut.into(), setting, ..State::default() };
    }

    /// How many bytes have passed since it was set.
    pub(super) fn passed(&self, side: Side) -> usize {
        self.0.state.lock().unwrap().passed[side as usize]
    }

    /// Ends every connection, wherever it is.
    pub(super) fn strike(&self, how: End) {
        self.0.state.lock().unwrap().strike = Some(how);
        self.0.struck.notify_waiters();
    }

    /// Waits for the next strike.
    pub(super) async fn struck(&self) {
        self.0.struck.notified().await;
    }

    pub(super) fn over(&self, stream: TcpStream) -> Severable {
        Severable { stream: Some(stream), blade: self.clone(), setting: 0, passed: [0; 2], reader: None }
    }
}

/// A connection of upstream's under a blade.
#[derive(Debug)]
pub(super) struct Severable {
    stream: Option<TcpStream>,
    blade: Blade,
    setting: u64,
    passed: [usize; 2],
    /// Who waits for bytes, and has to hear that there will be none.
    reader: Option<Waker>,
}

impl Severable {
    /// How many bytes may still pass on this side; `None` cuts the connection, or says that it is cut.
    fn allowance(&mut self, side: Side) -> Option<usize> {
        let mut state = self.blade.0.state.lock().unwrap();
        if self.setting != state.setting {
            (self.setting, self.passed) = (state.setting, [0; 2]);
        }
        self.stream.as_ref()?;
        let Some(cut) = state.cut.filter(|cut| cut.side == side) else { return Some(usize::MAX) };
        let allowance = cut.after - self.passed[side as usize].min(cut.after);
        if allowance > 0 {
            return Some(allowance);
        }
        state.cut = (cut.times > 1).then(|| Cut { times: cut.times - 1, ..cut });
        drop(state);
        self.sever(cut.how);
        None
    }

    fn passed(&mut self, side: Side, bytes: usize) {
        self.passed[side as usize] += bytes;
        let mut state = self.blade.0.state.lock().unwrap();
        if self.setting == state.setting {
            state.passed[side as usize] += bytes;
        }
        drop(state);
        // At the byte, and not when somebody wants the next one.
        self.allowance(side);
    }

    fn sever(&mut self, how: End) {
        let Some(mut stream) = self.stream.take() else { return };
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        match how {
            End::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            End::Closed => {
                // Closed with bytes unread, the kernel would send a reset.
                let _ = SockRef::from(&stream).shutdown(std::net::Shutdown::Write);
                tokio::spawn(async move {
                    let mut bytes = [0; 4096];
                    while stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
                });
            }
        }
    }
}

impl Drop for Severable {
    fn drop(&mut self) {
        let strike = self.blade.0.state.lock().unwrap().strike;
        if let Some(how) = strike {
            self.sever(how);
        }
    }
}

impl AsyncRead for Severable {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.reader = Some(cx.waker().clone());
        // A cut before the first byte is one when that byte comes.
        if let Some(stream) = &this.stream {
            let _ = ready!(stream.poll_read_ready(cx));
        }
        let Some(allowance) = this.allowance(Side::Request) else { return Poll::Ready(Ok(())) };
        let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
        let mut part = buf.take(allowance.min(buf.remaining()));
        let read = ready!(Pin::new(stream).poll_read(cx, &mut part));
        let bytes = part.filled().len();
        // `part` is the beginning of what `buf` has left.
        let part = part.filled().to_vec();
        if bytes > 0 {
            buf.initialize_unfilled_to(bytes).copy_from_slice(&part);
            buf.advance(bytes);
            this.passed(Side::Request, bytes);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for Severable {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(allowance) = this.allowance(Side::Response) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let written = ready!(Pin::new(stream).poll_write(cx, &buf[..buf.len().min(allowance)]))?;
        this.passed(Side::Response, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
