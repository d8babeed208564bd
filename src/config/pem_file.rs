//! Certificates and keys, as PEM files hold them (RFC 7468).

use std::fs;

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use crate::config::value::Invalid;

/// Every certificate in the file at `path`; at least one.
pub(super) fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Invalid> {
    let pem = fs::read(path).map_err(|error| Invalid::Unreadable(error.kind()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(Invalid::Certificate)
}

/// The first private key in the file at `path`, of any kind that TLS uses.
pub(super) fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, Invalid> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| {
        if let pem::Error::Io(error) = error {
            Invalid::Unreadable(error.kind())
        } else {
            Invalid::PrivateKey
        }
    })
}
