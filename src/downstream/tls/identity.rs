//! Who we are to callers, and whom we let in: one certificate, its key, and the authority of client certificates.

use std::{fmt, sync::Arc};

use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{NoClientAuth, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

/// A certificate and its key, which belong together, and who may connect. Cheap to clone; equal if made of the same.
#[derive(Clone)]
pub struct Identity {
    pub(super) config: Arc<ServerConfig>,
    requires_client_certificates: bool,
    /// Of everything it is made of.
    digest: [u8; 32],
}

impl Identity {
    /// An identity with this chain, our own certificate first, and its `key`. With a `client_ca` every client must
    /// show a certificate that one of these has signed, for the use as a client.
    ///
    /// # Errors
    /// When a part cannot be used, or the key is another certificate's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        client_ca: &[CertificateDer<'static>],
    ) -> Result<Self, Unusable> {
        let digest = digest(&chain, &key, client_ca);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier: Arc<dyn ClientCertVerifier> = if client_ca.is_empty() {
            Arc::new(NoClientAuth)
        } else {
            let mut roots = RootCertStore::empty();
            for root in client_ca {
                roots.add(root.clone()).map_err(Unusable::ClientAuthority)?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build()?
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Unusable::Certificate)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(Unusable::Certificate)?;
        // Nothing else is spoken: who offers only HTTP/2 is told in the handshake (RFC 7301 §3.2).
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), requires_client_certificates: !client_ca.is_empty(), digest })
    }

    /// Whether nobody gets in without a certificate: then reaching the port is not being let in.
    pub fn requires_client_certificates(&self) -> bool {
        self.requires_client_certificates
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requires_client_certificates, .. } = self;
        f.debug_struct("Identity")
            .field("requires_client_certificates", requires_client_certificates)
            .finish_non_exhaustive()
    }
}

/// Why there is no identity of these parts.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The certificate, or its key, or both together.
    #[error("the certificate and the key cannot be used together: {0}")]
    Certificate(#[source] rustls::Error),
    /// A certificate of the authority for clients.
    #[error("a certificate of the client authority cannot be used: {0}")]
    ClientAuthority(#[source] rustls::Error),
    /// All of them together.
    #[error("the client authority cannot be used: {0}")]
    ClientAuthorities(#[from] VerifierBuilderError),
}

fn digest(
    chain: &[CertificateDer<'_>],
    key: &PrivateKeyDer<'_>,
    client_ca: &[CertificateDer<'_>],
) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [chain, client_ca] {
        hasher.update(part.len().to_le_bytes());
        for certificate in part {
            hasher.update(Sha256::digest(certificate));
        }
    }
    hasher.update(Sha256::digest(key.secret_der()));
    hasher.finalize().into()
}
