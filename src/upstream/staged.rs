//! An upstream that the test plays itself, without sockets, so that time may be paused.

use std::{io, sync::Arc};

use tokio::{
    io::{DuplexStream, duplex},
    sync::{mpsc, oneshot},
};

use crate::{
    origin::Origin,
    upstream::{
        Connector, Timeouts, UpstreamError,
        connect::{Protocol, Stream},
        tls,
    },
};

/// Where connections are asked for.
#[derive(Clone, Debug)]
pub(super) struct Stage(mpsc::UnboundedSender<Asked>);

/// Somebody wants a connection.
#[derive(Debug)]
pub(super) struct Asked {
    /// Where to.
    pub(super) host: String,
    answer: oneshot::Sender<Result<(Pipe, Protocol), UpstreamError>>,
}

pub(super) type Pipe = DuplexStream;

impl Stage {
    /// A connector that asks the test.
    pub(super) fn connector(timeouts: Timeouts) -> (Connector, mpsc::UnboundedReceiver<Asked>) {
        let (asks, asked) = mpsc::unbounded_channel();
        let tls = tls::client_config(&[], tls::Alpn::Http1).unwrap();
        let mut connector = Connector::new(Arc::new(tls), timeouts);
        connector.stage = Some(Self(asks));
        (connector, asked)
    }

    pub(super) async fn connect(&self, origin: &Origin) -> Result<(Stream, Protocol), UpstreamError> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Asked { host: origin.host().to_owned(), answer }).unwrap();
        let (pipe, protocol) = answered.await.map_err(|_| UpstreamError::ConnectTimeout)??;
        Ok((Stream::Staged(pipe), protocol))
    }
}

impl Asked {
    /// Upstream's end of it.
    pub(super) fn accept(self) -> Pipe {
        self.accept_with(Protocol::Http1)
    }

    /// Upstream's end of it, once this protocol was agreed on.
    pub(super) fn accept_with(self, protocol: Protocol) -> Pipe {
        let (ours, theirs) = duplex(4096);
        // Whoever asked may have thought better of it.
        let _ = self.answer.send(Ok((theirs, protocol)));
        ours
    }

    pub(super) fn refuse(self) {
        let _ = self.answer.send(Err(UpstreamError::Connect(io::ErrorKind::ConnectionRefused.into())));
    }

    /// Whether whoever asked has thought better of it.
    pub(super) fn is_off(&self) -> bool {
        self.answer.is_closed()
    }
}
