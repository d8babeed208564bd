//! Sockets: accept, serve, and stop.
//!
//! The invariant: nothing here decides what is answered. A connection is a [`Connection`]
//! that turns requests into answers, between a [`tap`] on its bytes and the HTTP stack.

mod body;
mod certificate;
mod exchange;
mod head;
mod received;
mod response;
mod spoil;
mod tap;

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::sandbox::{
    control::Control,
    options::Options,
    server::{
        certificate::Identity,
        exchange::Connection,
        tap::{Socket, Tap},
    },
    state::Shared,
};

/// A running simulation. Dropping it stops it at once; [`shutdown`](Self::shutdown) does so gently.
#[derive(Debug)]
pub struct Sandbox {
    http_addr: SocketAddr,
    https_addr: Option<SocketAddr>,
    ca_pem: Arc<str>,
    control: Control,
    tasks: TaskTracker,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

impl Sandbox {
    /// Binds the listeners and serves them in background tasks on the current runtime.
    ///
    /// # Errors
    /// When an address cannot be listened on, and, with TLS, when no certificate can be made.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (plain, http) = bind(Face::Plain, options.http).await?;
        let (tls, https) = match options.https {
            Some(address) => {
                let (listener, https) = bind(Face::Tls, address).await?;
                let identity = Identity::make().map_err(StartError::Certificate)?;
                (Some((listener, identity)), Some(https))
            }
            None => (None, None),
        };
        let ca_pem =
            tls.as_ref().map_or_else(|| Arc::from(""), |(_, identity)| Arc::from(identity.ca_pem.as_str()));

        let shared = Arc::new(Shared::new(options.clock, options.rules, https.unwrap_or(http).to_string()));
        let control = Control::new(Arc::clone(&shared));
        let (stopping, stopped) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let acceptor = Acceptor {
            shared,
            ca_pem: Arc::clone(&ca_pem),
            last_connection: Arc::default(),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
            stopped: stopped.clone(),
        };
        tasks.spawn(acceptor.clone().accept(plain, None));
        if let Some((listener, identity)) = tls {
            tasks.spawn(acceptor.accept(listener, Some(TlsAcceptor::from(identity.tls))));
        }
        Ok(Self { http_addr: http, https_addr: https, ca_pem, control, tasks, stopping, stopped })
    }

    /// Where plain HTTP is answered.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Where TLS is answered, if it is.
    pub fn https_addr(&self) -> Option<SocketAddr> {
        self.https_addr
    }

    /// The certificate that a client must trust to use TLS, in PEM; empty without TLS.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The hand on the simulation.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Stops accepting, gives requests in flight a second, and ends what is left.
    pub async fn shutdown(self) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(DRAIN, self.tasks.wait()).await.is_err() {
            self.stopped.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Why the simulation cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that is taken, or not ours.
    #[error("{address} cannot be listened on")]
    Bind {
        /// Which listener wanted it.
        face: Face,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The certificate for TLS.
    #[error("no certificate can be made")]
    Certificate(#[source] io::Error),
}

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Plain HTTP.
    Plain,
    /// TLS.
    Tls,
}

async fn bind(face: Face, address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Bind { face, address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let bound = listener.local_addr().map_err(refused)?;
    Ok((listener, bound))
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.stopped.cancel();
    }
}

#[derive(Clone)]
struct Acceptor {
    shared: Arc<Shared>,
    ca_pem: Arc<str>,
    last_connection: Arc<AtomicU64>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    stopped: CancellationToken,
}

impl Acceptor {
    async fn accept(self, listener: TcpListener, tls: Option<TlsAcceptor>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stopping.cancelled() => return,
            };
            match accepted {
                Ok((tcp, _)) => {
                    self.tasks.spawn(self.clone().connection(tcp, tls.clone()));
                }
                Err(error) => {
                    // Mostly too many open files: what is open must close before more can be.
                    tracing::warn!(%error, "the sandbox cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn connection(self, tcp: TcpStream, tls: Option<TlsAcceptor>) {
        // An answer is written in one piece or is slow on purpose: waiting to coalesce serves nobody.
        let _ = tcp.set_nodelay(true);
        let stopped = self.stopped.clone();
        tokio::select! {
            () = self.serve(tcp, tls) => {}
            () = stopped.cancelled() => {}
        }
    }

    async fn serve(self, tcp: TcpStream, tls: Option<TlsAcceptor>) {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let socket = match tls {
            None => Socket::Plain(tcp),
            Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(tcp)).await {
                Ok(Ok(stream)) => Socket::Tls(Box::new(stream)),
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake with the sandbox failed"),
                Err(_) => return,
            },
        };
        let is_http2 = socket.has_agreed_on_http2();
        let (tap, wire) = Tap::new(socket);
        let id = self.last_connection.fetch_add(1, Ordering::Relaxed) + 1;
        let connection = Arc::new(Connection {
            id,
            scheme,
            wire,
            shared: self.shared,
            ca_pem: self.ca_pem,
            stop: self.stopping.clone(),
        });
        let service = service_fn(move |request| {
            let connection = Arc::clone(&connection);
            async move { connection.serve(request).await }
        });
        let (io, stopping) = (TokioIo::new(tap), &self.stopping);
        let outcome = if is_http2 {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .serve_connection(io, service);
            until_stopped(connection, http2::Connection::graceful_shutdown, stopping).await
        } else {
            let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, service);
            until_stopped(connection, http1::Connection::graceful_shutdown, stopping).await
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, connection = id, "a connection of the sandbox ended early");
        }
    }
}

/// Drives a connection to its end, which comes soon once the sandbox stops.
async fn until_stopped<C: Future>(
    connection: C,
    shut_down: impl FnOnce(Pin<&mut C>),
    stopping: &CancellationToken,
) -> C::Output {
    let mut connection = pin!(connection);
    tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stopping.cancelled() => {
            shut_down(connection.as_mut());
            connection.await
        }
    }
}

/// How long requests in flight may take once the sandbox stops.
const DRAIN: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait after a failed accept.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
