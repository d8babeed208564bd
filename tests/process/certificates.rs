//! Certificates that are replaced while requests come in.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustix::process::Signal;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::aws_lc_rs};
use rustls_pki_types::CertificateDer;

use crate::support::{
    api::Api,
    patience::{PATIENCE, until},
    proxy::{Proxy, serve},
};

/// Writes a new certificate and its key, one after the other; returns the certificate.
fn renewed(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    write(dir, "cert.pem", &cert.pem());
    write(dir, "key.pem", &signing_key.serialize_pem());
    cert.der().clone()
}

/// Puts a whole file in the place of the last one, as careful programs do.
fn write(dir: &Path, name: &str, text: &str) {
    let new = dir.join("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(new, dir.join(name)).unwrap();
}

fn trusting(certificates: &[&CertificateDer<'static>]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for &certificate in certificates {
        roots.add(certificate.clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// One request on a connection of its own; its status line.
fn ask(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<String> {
    let tcp = TcpStream::connect_timeout(&address, PATIENCE)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let session = ClientConnection::new(Arc::clone(config), "localhost".try_into().unwrap());
    let mut stream = StreamOwned::new(session.map_err(io::Error::other)?, tcp);
    stream.write_all(b"GET /v1/account/list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn a_new_certificate_is_shown_without_a_restart_and_without_a_request_lost() {
    let (api, dir) = (Api::start(), tempfile::tempdir().unwrap());
    let old = renewed(dir.path());
    let mut command = serve(&dir.path().join("state"), &api.origin());
    command
        .env("TRADOVATE_PROXY_TLS_CERT", dir.path().join("cert.pem"))
        .env("TRADOVATE_PROXY_TLS_KEY", dir.path().join("key.pem"));
    let proxy = Proxy::start_ready(command);
    let address = proxy.listen;
    assert_eq!(ask(address, &trusting(&[&old])).unwrap(), OK);

    // A pair that does not belong together: it is said, and the old one stays.
    let key = fs::read_to_string(dir.path().join("key.pem")).unwrap();
    let new = renewed(dir.path());
    let new_key = fs::read_to_string(dir.path().join("key.pem")).unwrap();
    write(dir.path(), "key.pem", &key);
    proxy.process.signal(Signal::HUP);
    proxy.process.line("the certificate and the key cannot be used together");
    proxy.process.line("goes on with the old one");
    assert_eq!(ask(address, &trusting(&[&old])).unwrap(), OK);

    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let either = trusting(&[&old, &new]);
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(ask(address, &either).unwrap(), OK);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = || {
            let before = asked.load(Ordering::Relaxed);
            until("more requests", || (asked.load(Ordering::Relaxed) > before + 20).then_some(()));
        };
        more();
        write(dir.path(), "key.pem", &new_key);
        proxy.process.signal(Signal::HUP);
        proxy.process.line("tls.cert changed; it is in force now");
        more();
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(ask(address, &trusting(&[&new])).unwrap(), OK);
    assert!(ask(address, &trusting(&[&old])).is_err());
    let ended = proxy.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("PRIVATE KEY"));
}

#[test]
fn a_key_that_others_can_read_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    renewed(dir.path());
    let key = dir.path().join("key.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = serve(&dir.path().join("state"), "http://127.0.0.1:1");
    command.env("TRADOVATE_PROXY_TLS_CERT", dir.path().join("cert.pem")).env("TRADOVATE_PROXY_TLS_KEY", &key);
    let proxy = Proxy::start(command);
    let line = proxy.process.line("others can read the secret");
    assert!(line.contains("tls.key") && line.contains(&format!("chmod 600 {}", key.display())), "{line}");
    assert_eq!(proxy.stop().code, Some(0));
}

const OK: &str = "HTTP/1.1 200 OK";
