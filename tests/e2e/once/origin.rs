//! An upstream that remembers every request by its number, behind a [`Blade`].

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use tradovate_proxy::clock::Clock;

use super::{blade::Blade, record::Arrivals};
use crate::support::{
    Proxy, Setup,
    client::{End, TOKEN},
    stage::Way,
    within,
};

/// Serves until the test ends.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
    pub(super) blade: Blade,
    pub(super) arrivals: Arrivals,
    /// Whether answers are given, or kept back until they are.
    pub(super) answering: watch::Sender<bool>,
    /// Connections that are open.
    open: watch::Sender<usize>,
    accepting: JoinHandle<()>,
}

/// What its connections share.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) arrivals: Arrivals,
    pub(super) answering: watch::Receiver<bool>,
    pub(super) clock: Clock,
}

/// An upstream that is spoken to in this way, and a proxy in front of it with a live session.
pub(super) async fn origin(way: Way, settings: impl FnOnce(Setup) -> Setup) -> (Origin, Proxy) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (clock, certificate) = (Clock::simulated_from_now(), Certificate::make());
    let (answering, answers) = watch::channel(true);
    let (blade, arrivals, open) = (Blade::default(), Arrivals::default(), watch::Sender::new(0));
    let desk = Desk { arrivals: arrivals.clone(), answering: answers, clock: clock.clone() };
    let tls = (way != Way::Plain).then(|| TlsAcceptor::from(Arc::clone(&certificate.tls)));
    let accepting = tokio::spawn(accept(listener, tls, blade.clone(), open.clone(), desk));
    let origin = Origin { address, blade, arrivals, answering, open, accepting };
    let proxy = settings(setup(way, address, &clock, &certificate.pem)).live().await;
    (origin, proxy)
}

pub(super) fn setup(way: Way, address: SocketAddr, clock: &Clock, ca_pem: &str) -> Setup {
    match way {
        Way::Plain => Setup::before(&format!("http://{address}"), clock),
        Way::Tls => Setup::before(&format!("https://{address}"), clock).trusting(ca_pem),
        Way::Http2 => Setup::before(&format!("https://{address}"), clock)
            .trusting(ca_pem)
            .with("TRADOVATE_PROXY_UPSTREAM_HTTP2", "yes"),
    }
}

impl Origin {
    /// Ends every connection, and gives the port up.
    pub(super) async fn stop(&mut self) {
        self.accepting.abort();
        // Its end, not the wish for it, is what frees the port.
        let _ = within("the port to be given up", &mut self.accepting).await;
        self.blade.strike(End::Closed);
        self.is_quiet().await;
    }

    /// Waits until nothing can arrive any more: the proxy has ended, and every connection with it.
    pub(super) async fn is_quiet(&self) {
        let mut open = self.open.subscribe();
        within("upstream's connections to end", open.wait_for(|&open| open == 0)).await.unwrap();
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    blade: Blade,
    open: watch::Sender<usize>,
    desk: Desk,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (stream, blade, tls) = (blade.over(stream), blade.clone(), tls.clone());
        let (open, desk) = (open.clone(), desk.clone());
        open.send_modify(|open| *open += 1);
        tokio::spawn(async move {
            let served = async {
                match tls {
                    None => serve(stream, desk).await,
                    Some(tls) => {
                        // A handshake that is cut is one of the things to be seen.
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, desk).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = served => {}
                () = blade.struck() => {}
            }
            open.send_modify(|open| *open -= 1);
        });
    }
}

pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static, desk: Desk) {
    let service = service_fn(move |request| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    // However it ends: what has arrived is written down.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
}

impl Desk {
    async fn answer(mut self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if path.ends_with("/auth/accesstokenrequest") {
            let expiry = self.clock.now() + Duration::from_secs(80 * 60);
            let grant = json!({
                "accessToken": format!("{TOKEN}once"), "expirationTime": expiry.to_string(), "userId": 1,
            });
            return Response::new(grant.to_string().into());
        }
        let number = request.uri().query().and_then(|query| query.strip_prefix("number="));
        let Some(number) = number.and_then(|number| number.parse().ok()) else {
            return Response::new("[]".into());
        };
        // With its head: half an order is one that upstream has seen.
        self.arrivals.add(number);
        // One that breaks off gets no answer from any server.
        let _ = request.into_body().collect().await;
        // The sender is gone with the test.
        let _ = self.answering.wait_for(|&answering| answering).await;
        Response::new(format!("{{\"number\":\"{number:06}\"}}").into())
    }
}

/// What the origin shows, and what is to be trusted.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) pem: String,
    pub(super) tls: Arc<ServerConfig>,
}

impl Certificate {
    /// One for this machine, signed by itself.
    pub(super) fn make() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut tls =
            ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Self { pem: certificate.pem(), tls: tls.into() }
    }
}
