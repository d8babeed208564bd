//! The ways into a proxy, which must all be alike.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    authority::{Authority, Pair, Worth},
    client::Client,
    proxy::{Proxy, Setup},
    wait::within,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp,
    Unix,
    Tls,
    /// With client certificates.
    Mutual,
}

impl Door {
    pub(crate) const ALL: [Self; 4] = [Self::Tcp, Self::Unix, Self::Tls, Self::Mutual];
}

/// A way in with all that belongs to it: files, an authority, and a caller's certificate.
#[derive(Debug)]
pub(crate) struct Entrance {
    door: Door,
    dir: TempDir,
    pub(crate) authority: Authority,
    own: Pair,
}

impl Entrance {
    pub(crate) fn by(door: Door) -> Self {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new());
        authority.server().write(dir.path());
        fs::write(dir.path().join("ca.pem"), &authority.pem).unwrap();
        let own = authority.client("bot.example", Worth::Good);
        Self { door, dir, authority, own }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("proxy.sock")
    }

    /// The settings of a proxy with this way in.
    pub(crate) fn fit(&self, setup: Setup) -> Setup {
        let file = |name: &str| self.dir.path().join(name).to_str().unwrap().to_owned();
        let with_tls = |setup: Setup| {
            setup
                .with("TRADOVATE_PROXY_TLS_CERT", &file("cert.pem"))
                .with("TRADOVATE_PROXY_TLS_KEY", &file("key.pem"))
        };
        match self.door {
            Door::Tcp => setup,
            // A port too, which the tests' proxy is known by.
            Door::Unix => {
                let listen = format!("127.0.0.1:0,unix:{}", self.socket().display());
                setup.with("TRADOVATE_PROXY_LISTEN", &listen)
            }
            Door::Tls => with_tls(setup),
            Door::Mutual => with_tls(setup).with("TRADOVATE_PROXY_TLS_CLIENT_CA", &file("ca.pem")),
        }
    }

    /// What a caller over TLS needs.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        self.authority.trusted_by((self.door == Door::Mutual).then_some(&self.own))
    }

    /// A caller's connection by this way.
    pub(crate) async fn enter(&self, proxy: &Proxy) -> Client {
        match self.door {
            Door::Tcp => proxy.client().await,
            Door::Unix => {
                let connected = within("a connection", UnixStream::connect(self.socket())).await;
                Client::over(connected.unwrap())
            }
            Door::Tls | Door::Mutual => Client::over(tls(proxy.address, self.client_config()).await.unwrap()),
        }
    }
}

/// A TLS connection.
pub(crate) async fn tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = within("a connection", TcpStream::connect(address)).await?;
    tcp.set_nodelay(true)?;
    let name = "localhost".try_into().unwrap();
    within("a handshake", TlsConnector::from(config).connect(name, tcp)).await
}
