//! Certificates to trust besides the public roots.

use std::fs;

use rustls_pki_types::{CertificateDer, pem::PemObject as _};

use crate::config::value::Invalid;

/// Every certificate in the PEM file at `path`; at least one.
pub(super) fn read(path: &str) -> Result<Vec<CertificateDer<'static>>, Invalid> {
    let pem = fs::read(path).map_err(|error| Invalid::Unreadable(error.kind()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or(Invalid::Certificate)
}
