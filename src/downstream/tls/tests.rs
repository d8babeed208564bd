//! Handshakes over real sockets.

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsConnector;

use super::*;

/// An authority, and all that it signed.
struct Authority {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().clone();
        Self { root, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn identity(&self) -> Identity {
        let (chain, key) = self.sign("localhost");
        Identity::new(chain, key, &[]).unwrap()
    }

    fn client(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

fn served_with(identity: Identity) -> Arc<Tls> {
    Tls::new(identity, Metrics::register(&prometheus::Registry::new()).unwrap())
}

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (server, address) = listener.accept().await.unwrap();
    (client, server, address)
}

/// What either side has of a handshake.
async fn handshake(
    tls: &Tls,
    client: ClientConfig,
) -> (Option<(Stream, Peer)>, std::io::Result<tokio_rustls::client::TlsStream<TcpStream>>) {
    let (ours, theirs, address) = pair().await;
    let connector = TlsConnector::from(Arc::new(client));
    tokio::join!(
        tls.handshake(theirs, address, PATIENCE),
        connector.connect("localhost".try_into().unwrap(), ours)
    )
}

impl Tls {
    fn counted(&self, ending: Handshake) -> u64 {
        self.metrics.count(ending)
    }
}

#[tokio::test]
async fn both_versions_are_spoken_and_only_http_1() {
    let authority = Authority::new();
    let tls = served_with(authority.identity());
    for version in [&version::TLS12, &version::TLS13] {
        for (offered, agreed) in [(vec![], None), (vec!["h2", "http/1.1"], Some(b"http/1.1".as_slice()))] {
            let mut client = authority.client(&[version]);
            client.alpn_protocols = offered.iter().map(|name: &&str| name.as_bytes().to_vec()).collect();
            let (served, connected) = handshake(&tls, client).await;
            let Some((Stream::Tls(stream), Peer::Tcp(_))) = served else { panic!("{served:?}") };
            assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
            assert_eq!(connected.unwrap().get_ref().1.protocol_version(), Some(version.version));
        }
        let mut client = authority.client(&[version]);
        client.alpn_protocols = vec![b"h2".to_vec()];
        let (served, connected) = handshake(&tls, client).await;
        assert!(served.is_none());
        assert!(connected.unwrap_err().to_string().contains("NoApplicationProtocol"));
    }
    assert_eq!((tls.counted(Handshake::Done), tls.counted(Handshake::Failed)), (4, 2));
}

#[tokio::test]
async fn a_caller_is_named_by_its_certificate() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (chain, key) = ours.sign("localhost");
    let tls = served_with(Identity::new(chain, key, std::slice::from_ref(&theirs.root)).unwrap());
    let mut roots = RootCertStore::empty();
    roots.add(ours.root.clone()).unwrap();
    let (chain, key) = theirs.sign("bot.example");
    let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    // The second time over, the session is resumed, and with it the name.
    for _ in 0..2 {
        let (served, connected) = handshake(&tls, client.clone()).await;
        let (mut stream, peer) = served.unwrap();
        assert!(matches!(&peer, Peer::Certificate { name, .. } if &**name == "bot.example"), "{peer:?}");
        // The ticket comes with the first bytes.
        let mut connected = connected.unwrap();
        stream.write_all(b".").await.unwrap();
        stream.flush().await.unwrap();
        connected.read_u8().await.unwrap();
    }
}

#[tokio::test]
async fn a_new_identity_is_shown_from_then_on_and_old_connections_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = served_with(old.identity());
    let client = |authority: &Authority| authority.client(&[&version::TLS13]);
    let (served, connected) = handshake(&tls, client(&old)).await;
    let (mut stream, mut connected) = (served.unwrap().0, connected.unwrap());
    tls.replace(new.identity());
    assert!(handshake(&tls, client(&old)).await.1.is_err());
    assert!(handshake(&tls, client(&new)).await.1.is_ok());
    stream.write_all(b"x").await.unwrap();
    stream.flush().await.unwrap();
    assert_eq!(connected.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn of_two_parts_that_do_not_belong_together_nothing_is_made() {
    let authority = Authority::new();
    let ((chain, key), (_, other)) = (authority.sign("localhost"), authority.sign("localhost"));
    let mixed = Identity::new(chain.clone(), other, &[]);
    assert!(matches!(mixed, Err(Unusable::Certificate(_))), "{mixed:?}");
    let nonsense = Identity::new(chain.clone(), key.clone_key(), &[CertificateDer::from(vec![1, 2, 3])]);
    assert!(matches!(nonsense, Err(Unusable::ClientAuthority(_))), "{nonsense:?}");
    let same = Identity::new(chain.clone(), key.clone_key(), &[]).unwrap();
    assert_eq!(same, Identity::new(chain.clone(), key.clone_key(), &[]).unwrap());
    assert_ne!(same, Identity::new(chain, key, &[authority.root]).unwrap());
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_costs_no_place_and_ends_in_time() {
    let tls = served_with(Authority::new().identity());
    let (_client, server, address) = pair().await;
    let begun = tokio::time::Instant::now();
    assert!(tls.handshake(server, address, PATIENCE).await.is_none());
    assert_eq!(begun.elapsed(), PATIENCE);
    assert_eq!((tls.counted(Handshake::Slow), tls.under_way.load(Ordering::Relaxed)), (1, 0));
    let (client, server, address) = pair().await;
    drop(client);
    assert!(tls.handshake(server, address, PATIENCE).await.is_none());
    assert_eq!(tls.counted(Handshake::Left), 1);
}

#[tokio::test]
async fn handshakes_have_their_number() {
    let authority = Authority::new();
    let tls = served_with(authority.identity());
    let mut places: Vec<_> = (0..MOST).map(|_| tls.place().unwrap()).collect();
    let (served, connected) = handshake(&tls, authority.client(&[&version::TLS13])).await;
    assert!(served.is_none() && connected.is_err());
    assert_eq!(tls.counted(Handshake::Crowded), 1);
    places.pop();
    assert!(handshake(&tls, authority.client(&[&version::TLS13])).await.0.is_some());
    assert_eq!(tls.under_way.load(Ordering::Relaxed), MOST - 1);
}

const PATIENCE: Duration = Duration::from_secs(10);
