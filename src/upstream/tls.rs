//! Whom we believe, and what we offer, when connecting over TLS.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use rustls_pki_types::CertificateDer;

/// Makes the configuration for every TLS connection towards Tradovate: Mozilla's roots, compiled in because the
/// container image has none, and `extra` ones; TLS 1.2 and 1.3; no client certificate. Sessions are resumed; early data
/// stays off, since whoever records it can send it again (RFC 8446 §8).
///
/// # Errors
/// When an extra root is no usable certificate.
pub fn client_config(extra: &[CertificateDer<'_>], alpn: Alpn) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in extra {
        roots.add(root.clone().into_owned())?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = match alpn {
        Alpn::Http1 => vec![HTTP1.to_vec()],
        Alpn::Http2OrHttp1 => vec![HTTP2.to_vec(), HTTP1.to_vec()],
    };
    Ok(config)
}

/// Which protocols to offer (RFC 7301).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1 alone.
    #[default]
    Http1,
    /// HTTP/2 first.
    Http2OrHttp1,
}

const HTTP1: &[u8] = b"http/1.1";
pub(super) const HTTP2: &[u8] = b"h2";
