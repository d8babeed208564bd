use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::client::exchange;
use crate::sandbox::{Action, Fault, Options, Sandbox};

#[tokio::test]
async fn its_authority_vouches_for_every_name_of_this_machine() {
    let sandbox = sandbox().await;
    let token = sandbox.control().log_in_elsewhere();
    let request = format!(
        "GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        token.expose_secret()
    );
    for name in ["localhost", "api.localhost", "demo-7.api.localhost", "127.0.0.1", "::1"] {
        let stream = connect(&sandbox, name, b"http/1.1").await.unwrap();
        let received = exchange(stream, &request).await.unwrap();
        assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{name}: {received}");
    }
    assert!(connect(&sandbox, "example.com", b"http/1.1").await.is_err());
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_asked_for() {
    let sandbox = sandbox().await;
    let token = sandbox.control().log_in_elsewhere();
    let stream = connect(&sandbox, "localhost", b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = |token: &str| {
        Request::get("https://localhost/v1/account/list?a=b")
            .header("authorization", format!("Bearer {token}"))
            .body(Empty::<Bytes>::new())
            .unwrap()
    };
    let answer = sender.send_request(request(token.expose_secret())).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2));
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(body.starts_with(b"[{"));
    let record = sandbox.control().requests().pop().unwrap();
    assert_eq!((record.version.as_str(), record.target.as_str()), ("HTTP/2.0", "/v1/account/list?a=b"));
    assert_eq!(record.host, "localhost");

    sandbox.control().inject(Fault::next("account/list", Action::Reset));
    assert!(sender.send_request(request(token.expose_secret())).await.is_err());
    drop(sender);
    let _ = connection.await;
}

async fn sandbox() -> Sandbox {
    let https = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    Sandbox::start(Options { https, ..Options::default() }).await.unwrap()
}

async fn connect(sandbox: &Sandbox, name: &str, alpn: &[u8]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let tcp = TcpStream::connect(sandbox.https_addr().unwrap()).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(tls)).connect(name, tcp).await
}
